/**
 * From nothing to measured, as a person would: two volumes dropped, six boxes drawn on each, the tiny base trained ten steps with a reload in
 * the middle, to the bytes of a run without one; then judged on the scan that was held out, and taken away: what the page answers, the adapter
 * of its archive answers in Node, and in PEFT where VERNIER_PYTHON names a Python that has it.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { unzipSync } from 'fflate';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadModel } from '../../node/index.ts';
import { nodePlatform } from '../../node/platform.ts';
import { repository } from '../runtimes/runIn.ts';
import { drawOnPage } from './drawing.ts';
import { digestOf } from './seeded.ts';
import { buildStudio, isSkipped, newProject, openStudio } from './studioPage.ts';
import type { BuiltStudio } from './studioPage.ts';

const sample = fileURLToPath(new URL('../../node/sample/Datasets/Colin27Mini/Images/', import.meta.url));
/** Voxels of an axial slice, and mm. */
const SCANS = [
  { name: 'k02-bet-25mm', size: [72, 86], mm: [2.5, 2.5], slices: [36] },
  { name: 'k03-bet-1x1x15mm-deep', size: [80, 54], mm: [1, 1], slices: [14] },
] as const;

let studio: BuiltStudio;
const base = join(repository, 'node/base');
const scratch = mkdtempSync(join(tmpdir(), 'vernier-journey-'));

beforeAll(async () => {
  if (!isSkipped) studio = await buildStudio();
});
afterAll(async () => {
  rmSync(scratch, { recursive: true });
  if (!isSkipped) await studio.close();
});

const step = (page: Page, name: string): Promise<void> => page.locator('.steps li button', { hasText: name }).click();
const live = (page: Page, state: string) => page.locator(`.live[data-state=${state}]`);

test.skipIf(isSkipped)('from nothing to measured', { timeout: 900_000 }, async () => {
  const context = await studio.browser.newContext({ viewport: { width: 1280, height: 1000 } });
  const { page, faults } = await openStudio(studio, context);
  page.on('dialog', (dialog) => void dialog.accept()); // that the page is left while a run is under way
  // All of it without a network.
  await page.getByText('From now on this page works without a network.').waitFor();
  await context.setOffline(true);
  await newProject(page, 'Journey');
  await page.locator('input[type=file][aria-label="Choose files"]').setInputFiles(SCANS.map(({ name }) => `${sample}${name}_T1w.nii.gz`));
  await page.getByText('2 scans taken.').waitFor();

  for (const { name, size, mm, slices } of SCANS) {
    await page.getByRole('button', { name: new RegExp(name) }).click();
    await page.locator(`canvas[data-slice="axial ${slices[0]}"]`).waitFor();
    await page.getByRole('group', { name: 'Tool' }).getByRole('button', { name: 'Box', exact: true }).click();
    for (let i = 0; i < 6; i++) {
      await page.getByLabel('Structure').fill(`part ${i + 1}`);
      await drawOnPage(page, [10 + 4 * i, 8 + 2 * i], [26 + 4 * i, 20 + 3 * i], size, mm);
      await page.getByLabel(`Name of part ${i + 1}`).waitFor();
    }
  }
  await page.getByLabel(`${SCANS[1].name}_T1w.nii.gz: what it is for`).selectOption('test');

  await step(page, 'Train');
  const set = async (name: string, value: string): Promise<void> => page.getByLabel(new RegExp(`\\(${name}\\)`)).fill(value);
  for (const [name, value] of Object.entries({ max_steps: '10', save_steps: '2', per_device_train_batch_size: '1', eval_steps: '10', learning_rate: '0.003' }))
    await set(name, value);
  await page.click('#start-training');
  await live(page, 'finished').waitFor({ timeout: 400_000 });
  const whole = await digestOf(page, await adapterOf(page, 'run-1'));
  expect(whole).toMatch(/^[0-9a-f]{64}$/);

  await page.click('#start-training');
  await page.getByText(/^Step [5-9] of 10$/).first().waitFor({ timeout: 200_000 });
  await page.reload();
  await page.getByRole('button', { name: 'Go on with run-2' }).click();
  await live(page, 'finished').waitFor({ timeout: 400_000 });
  expect(await digestOf(page, await adapterOf(page, 'run-2'))).toBe(whole);

  await step(page, 'Judge');
  await page.getByRole('button', { name: 'Ask before and after' }).click();
  await page.locator('.judged tbody tr').first().waitFor({ timeout: 400_000 });
  expect(await page.locator('.judged tbody tr').count()).toBe(6);
  await page.locator('.judged svg.drawn rect.truth').first().waitFor();
  const report = await page.evaluate(async (url) => (await fetch(url)).text(), (await page.locator('iframe.page').getAttribute('src'))!);
  expect(['Held-out rows', 'Detection', 'run-2'].filter((text) => !report.includes(text))).toEqual([]);

  await step(page, 'Use');
  await page.locator('#asked-model').selectOption({ label: 'run-2 of Journey' });
  const picture = join(scratch, 'picture.png');
  writeFileSync(picture, await nodePlatform.encodePng(Uint8Array.from({ length: 84 * 112 * 3 }, (_, i) => (i * 7) % 251), 112, 84, 3));
  await page.getByLabel('Take a picture or a volume from this machine').setInputFiles(picture);
  await page.getByLabel('What is asked for').selectOption('');
  await page.getByLabel('Question', { exact: true }).fill('Where is part 1?');
  await page.getByRole('button', { name: 'Ask', exact: true }).click();
  // Numbers, or that there are none, stand below an answer that is whole.
  await page.locator('.answer figure img, .answer .numbers, .answer h3:nth-of-type(2)').first().waitFor({ timeout: 200_000 });
  const said = (await page.locator('.answer .said').textContent()) ?? '';
  await page.getByRole('button', { name: 'Make the archive' }).click();
  await page.locator('#archive').waitFor({ timeout: 60_000 });
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#archive').click()]);
  const adapter = join(scratch, 'adapter');
  mkdirSync(adapter);
  for (const [name, bytes] of Object.entries(unzipSync(new Uint8Array(readFileSync(await download.path()))))) {
    const inside = /^[^/]+\/adapter\/([^/]+)$/.exec(name)?.[1];
    if (inside !== undefined) writeFileSync(join(adapter, inside), bytes);
  }
  await using model = await loadModel({ base, adapter });
  expect((await model.ask(picture, 'Where is part 1?')).text).toBe(said);
  const python = process.env['VERNIER_PYTHON'];
  if (python !== undefined) {
    const script = join(repository, 'test/golden/peft_answer.py');
    const text = execFileSync(python, [script, base, adapter, picture, 'Where is part 1?', '256'], { encoding: 'utf8' });
    expect(text).toBe(said);
  }
  expect(faults).toEqual([]);
});

/** Where the only project has its run's adapter. */
async function adapterOf(page: Page, run: string): Promise<string> {
  const id = await page.evaluate(async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('studio');
    for await (const name of folder.keys()) return name;
    return '';
  });
  return `studio/${id}/runs/${run}/adapter_model.safetensors`;
}
