/** The step "Model" in Chromium: a model of the hub that comes with breaks, a gated one, a folder that is none, and the memory of a run. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestHub } from '../hub/testHub.ts';
import { repository } from '../runtimes/runIn.ts';
import { openStep, seedProject } from './seeded.ts';
import { buildStudio, isSkipped, openStudio, seriousFindings } from './studioPage.ts';
import type { BuiltStudio } from './studioPage.ts';

let studio: BuiltStudio;
let hub: TestHub;
/** Where it listens. */
let local = '';
const scratch = mkdtempSync(join(tmpdir(), 'vernier-model-'));

beforeAll(async () => {
  if (isSkipped) return;
  studio = await buildStudio();
  hub = await TestHub.start({ lfsBytes: 1e9 });
  local = hub.endpoint;
  hub.outside = 'https://huggingface.co';
  const base = join(repository, 'node/base');
  const names = [
    'chat_template.jinja',
    'config.json',
    'model.safetensors',
    'preprocessor_config.json',
    'tokenizer.json',
    'tokenizer_config.json',
  ];
  const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(base, name))]));
  hub.add('model', 'org/tiny', files);
  hub.add('model', 'org/gated', files, { isGated: true });
});
afterAll(async () => {
  rmSync(scratch, { recursive: true });
  if (isSkipped) return;
  await hub.close();
  await studio.close();
});

test.skipIf(isSkipped)('a model of the hub is downloaded when it is asked for, chosen, and deleted', { timeout: 240_000 }, async () => {
  const context = await studio.browser.newContext();
  const asked: string[] = [];
  let release = (): void => undefined;
  const hold = (): Promise<void> => new Promise<void>((done) => (release = done));
  let held = hold();
  // What the page asks of huggingface.co is answered here.
  await context.route(/^https:\/\/huggingface\.co\//, async (route) => {
    const { pathname, search } = new URL(route.request().url());
    asked.push(pathname);
    if (pathname.endsWith('model.safetensors')) await held;
    await route.fulfill({ response: await route.fetch({ url: `${local}${pathname}${search}` }) });
  });
  const { page, faults } = await openStudio(studio, context);
  await seedProject(page, { id: 'chosen', options: { per_device_train_batch_size: 1 } });
  await page.reload();
  await openStep(page, 'chosen', 'Model');
  expect(asked).toEqual([]);
  expect(await page.textContent('#chosen-base')).toMatch(/Qwen2\.5-VL, tiny/);
  // A first real model is offered by name; nothing is asked of the hub before Download is pressed.
  await page.getByRole('button', { name: 'Put in HuggingFaceTB/SmolVLM-256M-Instruct' }).click();
  expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('HuggingFaceTB/SmolVLM-256M-Instruct');
  expect(asked).toEqual([]);

  await page.getByLabel('Name', { exact: true }).fill('org/gated');
  await page.getByRole('button', { name: 'Download' }).click();
  await page.locator('.notice.error', { hasText: 'org/gated' }).waitFor();
  expect(await page.locator('.notice.error').textContent()).toMatch(/terms|access/i);

  await page.getByLabel('Name', { exact: true }).fill('org/tiny');
  await page.getByRole('button', { name: 'Download' }).click();
  // It goes on while another step is looked at, and is seen again afterwards.
  await page.getByRole('button', { name: 'Stop', exact: true }).waitFor();
  for (const step of ['Train', 'Model']) await page.locator('.steps li button', { hasText: step }).click();
  await page.getByRole('button', { name: 'Stop', exact: true }).waitFor();
  expect(await page.getByRole('button', { name: 'Download' }).isDisabled()).toBe(true);
  // The page is loaded anew in the middle of it: what has come is kept, and it goes on when it is asked for again.
  const isAsked = (name: string): boolean => asked.some((path) => path.startsWith('/org/tiny/') && path.endsWith(`/${name}`));
  await expect.poll(() => ['model.safetensors', 'config.json', 'tokenizer.json'].every(isAsked), { timeout: 30_000 }).toBe(true);
  await expect.poll(() => page.textContent('.progress'), { timeout: 30_000 }).toMatch(/[1-9].* of /);
  await page.reload();
  await openStep(page, 'chosen', 'Model');
  await page.getByText('not all of it has come; downloading it again goes on').waitFor();
  expect(await page.textContent('#chosen-base')).toMatch(/Qwen2\.5-VL, tiny/);
  const firstTime = asked.filter((path) => path.includes('/resolve/'));
  release();
  await page.getByLabel('Name', { exact: true }).fill('org/tiny');
  await page.getByRole('button', { name: 'Download' }).click();
  await page.locator('#chosen-base', { hasText: 'org/tiny' }).waitFor({ timeout: 60_000 });
  await page.locator('.choice', { hasText: 'org/tiny' }).getByText('chosen').waitFor();
  const secondTime = asked.filter((path) => path.includes('/resolve/')).slice(firstTime.length);
  expect(secondTime.filter((path) => !path.endsWith('model.safetensors') && firstTime.includes(path))).toEqual([]);

  // Without the hub, and after a reload, it is there; memory is planned with the project's rows.
  const before = asked.length;
  await page.waitForTimeout(500); // the project is saved
  await page.reload();
  await openStep(page, 'chosen', 'Model');
  await page.locator('.choice', { hasText: 'org/tiny' }).getByText('chosen').waitFor();
  await page.getByRole('button', { name: 'Plan it' }).click();
  await page.locator('.memory').waitFor({ timeout: 60_000 });
  expect(await page.locator('.memory tbody tr').count()).toBeGreaterThan(4);
  await page.getByText('For the longest row at a time.').waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  expect(asked.length).toBe(before);

  await page.getByRole('button', { name: /^Delete org\/tiny/ }).click();
  await page.locator('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.locator('#chosen-base', { hasText: 'Qwen2.5-VL, tiny' }).waitFor();
  await page.getByText('None has been downloaded yet.').waitFor();

  // A stop is no fault: it is told as what it is.
  held = hold();
  await page.getByLabel('Name', { exact: true }).fill('org/tiny');
  await page.getByRole('button', { name: 'Download' }).click();
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.locator('.notice.info', { hasText: 'What has come is kept' }).waitFor();
  release();
  expect(faults.filter((fault) => !/huggingface\.co|status of 40[13]/.test(fault))).toEqual([]);
  await context.close();
});

test.skipIf(isSkipped)('a picked folder is read where it lies, and one that is no model is told', { timeout: 120_000 }, async () => {
  const { page, faults } = await openStudio(studio);
  await seedProject(page, { id: 'picked', options: { per_device_train_batch_size: 2 }, base: '/picked/base/gone' });
  await page.reload();
  await openStep(page, 'picked', 'Model');
  await page.getByText('gone was picked before the page was loaded anew; pick the folder again.').waitFor();
  const none = join(scratch, 'none');
  mkdirSync(none);
  writeFileSync(join(none, 'notes.txt'), 'nothing');
  await page.getByLabel('A folder of this machine').setInputFiles(none);
  await page.getByText('none holds no config.json').waitFor();
  await page.getByLabel('A folder of this machine').setInputFiles(join(repository, 'node/base-medgemma'));
  await page.locator('#chosen-base', { hasText: 'base-medgemma' }).waitFor();
  await page.getByRole('button', { name: 'Plan it' }).click();
  await page.locator('.memory').waitFor({ timeout: 60_000 });
  expect(faults).toEqual([]);
});
