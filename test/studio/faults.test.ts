/** What goes wrong around a run in the page: the GPU is taken away, the storage is full, the tab is gone. It is told, nothing that was saved is lost, and it goes on. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digestOf, openStep, seedProject } from './seeded.ts';
import { buildStudio, isSkipped, openStudio } from './studioPage.ts';
import type { BuiltStudio } from './studioPage.ts';

let studio: BuiltStudio;

beforeAll(async () => {
  if (!isSkipped) studio = await buildStudio();
});
afterAll(async () => {
  if (!isSkipped) await studio.close();
});

const OPTIONS = { max_steps: 4, save_steps: 1, logging_steps: 1, per_device_train_batch_size: 1, gradient_accumulation_steps: 1, lora_r: 4, eval_strategy: 'no' };
const adapter = (project: string) => `studio/${project}/runs/run-1/adapter_model.safetensors`;
const live = (page: Page, state: string) => page.locator(`.live[data-state=${state}]`);
const at = (page: Page, step: string) => page.getByText(new RegExp(`^Step ${step} of 4$`)).first().waitFor({ timeout: 200_000 });
const goOn = (page: Page) => page.getByRole('button', { name: 'Go on with run-1' }).click();
const finished = (page: Page) => live(page, 'finished').waitFor({ timeout: 300_000 });

test.skipIf(isSkipped)('the GPU is taken away, the tab is closed: told, and gone on with to the same bytes', { timeout: 900_000 }, async () => {
  const context = await studio.browser.newContext();
  let { page } = await openStudio(studio, context);
  await seedProject(page, { id: 'whole', options: OPTIONS, val: [] });
  await seedProject(page, { id: 'lost', options: OPTIONS, val: [] });
  await page.reload();
  await openStep(page, 'whole', 'Train');
  await page.click('#start-training');
  await finished(page);
  await page.getByRole('button', { name: '← All projects' }).click();

  await openStep(page, 'lost', 'Train');
  const worker = page.workers()[0]!;
  await worker.evaluate(() => {
    const prototype = (self as unknown as { GPUAdapter: { prototype: GPUAdapter } }).GPUAdapter.prototype;
    const request = prototype.requestDevice;
    prototype.requestDevice = async function (this: GPUAdapter, ...given) {
      const device = await request.apply(this, given);
      Object.assign(self, { lastDevice: device });
      return device;
    };
  });
  await page.click('#start-training');
  await at(page, '[12]');
  await worker.evaluate(() => (self as unknown as { lastDevice: GPUDevice }).lastDevice.destroy());
  await live(page, 'failed').waitFor({ timeout: 60_000 });
  expect((await page.getByRole('alert').textContent()) ?? '').toMatch(/GPU/);
  await goOn(page);
  await at(page, '[23]');
  await page.close({ runBeforeUnload: false });

  page = (await openStudio(studio, context)).page;
  await openStep(page, 'lost', 'Train');
  await goOn(page);
  await finished(page);
  expect(await digestOf(page, adapter('lost'))).toBe(await digestOf(page, adapter('whole')));
  expect(await digestOf(page, adapter('whole'))).toMatch(/^[0-9a-f]{64}$/);
  await context.close();
});

test.skipIf(isSkipped)('the storage is full: told, and gone on with when there is room', { timeout: 600_000 }, async () => {
  const context = await studio.browser.newContext();
  const { page } = await openStudio(studio, context);
  await seedProject(page, { id: 'full', options: OPTIONS, val: [] });
  await page.reload();
  const devtools = await context.newCDPSession(page);
  const origin = new URL(studio.url).origin;
  await openStep(page, 'full', 'Train');
  await page.click('#start-training');
  await at(page, '[12]');
  const { usage } = await devtools.send('Storage.getUsageAndQuota', { origin });
  await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: usage });
  await live(page, 'failed').waitFor({ timeout: 200_000 });
  expect((await page.getByRole('alert').allTextContents()).join('\n')).toMatch(/storage for this page is full/);
  await devtools.send('Storage.overrideQuotaForOrigin', { origin });
  await goOn(page);
  await finished(page);
  expect(await digestOf(page, adapter('full'))).toMatch(/^[0-9a-f]{64}$/);
  await context.close();
});
