/**
 * From nothing to measured, as a person would: two volumes dropped, six boxes drawn on each, the tiny base trained ten steps with a reload in
 * the middle, to the bytes of a run without one; then judged on the scan that was held out, and taken away.
 */
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drawOut } from './drawing.ts';
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

beforeAll(async () => {
  if (!isSkipped) studio = await buildStudio();
});
afterAll(async () => {
  if (!isSkipped) await studio.close();
});

const step = (page: Page, name: string): Promise<void> => page.locator('.steps li button', { hasText: name }).click();
const live = (page: Page, state: string) => page.locator(`.live[data-state=${state}]`);

test.skipIf(isSkipped)('from nothing to measured', { timeout: 900_000 }, async () => {
  const context = await studio.browser.newContext({ viewport: { width: 1280, height: 1000 } });
  const { page, faults } = await openStudio(studio, context);
  page.on('dialog', (dialog) => void dialog.accept()); // that the page is left while a run is under way
  await newProject(page, 'Journey');
  await page.locator('input[type=file][aria-label="Choose files"]').setInputFiles(SCANS.map(({ name }) => `${sample}${name}_T1w.nii.gz`));
  await page.getByText('2 scans taken.').waitFor();

  for (const { name, size, mm, slices } of SCANS) {
    await page.getByRole('button', { name: new RegExp(name) }).click();
    await page.locator(`canvas[data-slice="axial ${slices[0]}"]`).waitFor();
    await page.getByRole('group', { name: 'Tool' }).getByRole('button', { name: 'Box', exact: true }).click();
    for (let i = 0; i < 6; i++) {
      await page.getByLabel('Structure').fill(`part ${i + 1}`);
      await drawOut(page, [10 + 4 * i, 8 + 2 * i], [26 + 4 * i, 20 + 3 * i], size, mm);
      await page.getByLabel(`Name of part ${i + 1}`).waitFor();
    }
  }
  await page.getByLabel(`${SCANS[1].name}_T1w.nii.gz: used to`).selectOption('test');

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
  await page.getByRole('button', { name: 'Open: Journey' }).click();
  await step(page, 'Train');
  await page.getByRole('button', { name: 'Go on with run-2' }).click();
  await live(page, 'finished').waitFor({ timeout: 400_000 });
  expect(await digestOf(page, await adapterOf(page, 'run-2'))).toBe(whole);
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
