/** The step "Train" in Chromium: a run, its curves and pictures; paused, cut off by a reload, ended at once, and gone on with to the same bytes. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digestOf, openStep, seedProject } from './seeded.ts';
import { buildStudio, isSkipped, openStudio, seriousFindings } from './studioPage.ts';
import type { BuiltStudio } from './studioPage.ts';

let studio: BuiltStudio;

beforeAll(async () => {
  if (!isSkipped) studio = await buildStudio();
});
afterAll(async () => {
  if (!isSkipped) await studio.close();
});

const OPTIONS = {
  max_steps: 3,
  save_steps: 1,
  logging_steps: 1,
  per_device_train_batch_size: 1,
  gradient_accumulation_steps: 1,
  learning_rate: 3e-3,
  lora_r: 4,
  eval_on_start: false,
  eval_strategy: 'epoch',
  eval_steps: 3,
  eval_generate: 1,
  eval_max_new_tokens: 4,
};

const live = (page: Page, state: string) => page.locator(`.live[data-state=${state}]`);
const adapter = (project: string) => `studio/${project}/runs/run-1/adapter_model.safetensors`;

test.skipIf(isSkipped)('a run that is ended at once, cut off and paused leaves the bytes of one that was not', { timeout: 600_000 }, async () => {
  const { page, faults } = await openStudio(studio);
  await seedProject(page, { id: 'whole', options: { ...OPTIONS, eval_on_start: true } });
  await seedProject(page, { id: 'broken', options: OPTIONS });
  await page.reload();

  await openStep(page, 'whole', 'Train');
  await page.click('#start-training');
  await page.getByText('Before the first step: the model as it is').waitFor({ timeout: 120_000 });
  await live(page, 'running').waitFor({ timeout: 120_000 });
  await live(page, 'finished').waitFor({ timeout: 300_000 });
  await expect.poll(() => page.locator('.live .uplot').count()).toBeGreaterThan(1);
  // The answers of every evaluation are there, the newest shown.
  await expect.poll(() => page.getByLabel('At step').locator('option').allTextContents()).toEqual(['0', '1', '2', '3']);
  expect(await page.locator('.live .answers img').getAttribute('alt')).toMatch(/^Step 3: /);
  await page.getByText('The figures as a table').first().click();
  await expect.poll(() => page.locator('.live .figures tbody tr').count()).toBe(4);
  expect(await seriousFindings(page)).toEqual([]);
  const whole = await digestOf(page, adapter('whole'));
  expect(whole).toMatch(/^[0-9a-f]{64}$/);

  await page.getByRole('button', { name: '← All projects' }).click();
  await openStep(page, 'broken', 'Train');
  await page.click('#start-training');
  await live(page, 'starting').waitFor();
  await page.getByRole('button', { name: 'End now' }).click();
  await page.locator('dialog').getByRole('button', { name: 'End now' }).click();
  await live(page, 'ended').waitFor({ timeout: 1000 });

  await page.getByRole('button', { name: 'Go on with run-1' }).click();
  await live(page, 'running').waitFor({ timeout: 120_000 });
  await page.reload();
  await openStep(page, 'broken', 'Train');
  await page.locator('tr[data-run=run-1][data-state=paused]').waitFor();

  await page.getByRole('button', { name: 'Go on with run-1' }).click();
  await live(page, 'running').waitFor({ timeout: 120_000 });
  const askedAt = Date.now();
  await page.getByRole('button', { name: 'Pause and save' }).click();
  await page.getByText('what is done is being saved').waitFor();
  expect(Date.now() - askedAt).toBeLessThan(1000);
  await live(page, 'paused').waitFor({ timeout: 60_000 });
  await expect.poll(() => page.textContent('tr[data-run=run-1] td:nth-child(4)')).toMatch(/^[12] of 3 steps$/);

  await page.getByRole('button', { name: 'Go on with run-1' }).click();
  await live(page, 'finished').waitFor({ timeout: 300_000 });
  expect(await digestOf(page, adapter('broken'))).toBe(whole);
  expect(faults).toEqual([]);
});
