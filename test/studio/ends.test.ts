/**
 * How runs end, and what stays usable then: a stop at the last step, a report that could not be written, and errors in the page's own words,
 * which are gone in another project; the focus stays where a pressed control was.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openStep, seedProject, writeFiles } from './seeded.ts';
import { buildStudio, isSkipped, openStudio } from './studioPage.ts';
import type { BuiltStudio } from './studioPage.ts';

let studio: BuiltStudio;

beforeAll(async () => {
  if (!isSkipped) studio = await buildStudio();
});
afterAll(async () => {
  if (!isSkipped) await studio.close();
});

const OPTIONS = {
  max_steps: 2,
  save_steps: 1,
  logging_steps: 1,
  per_device_train_batch_size: 1,
  gradient_accumulation_steps: 1,
  lora_r: 4,
  eval_strategy: 'no',
  eval_on_start: false,
};
const live = (page: Page, state: string) => page.locator(`.live[data-state=${state}]`);
/** The element that has the focus, in words. */
const focused = (page: Page): Promise<string> =>
  page.evaluate(() => `${document.activeElement?.tagName} ${document.activeElement?.textContent?.trim().slice(0, 100)}`);

test.skipIf(isSkipped)('a report that finds no room is told of where the run ends and in Judge, and made when there is room', { timeout: 300_000 }, async () => {
  const { page, faults } = await openStudio(studio);
  await seedProject(page, { id: 'full', options: OPTIONS, val: [] });
  // What lies there cannot be replaced by a report.
  await writeFiles(page, [['studio/full/runs/run-1/report.html/in-the-way', new Uint8Array(1)]]);
  await page.reload();
  await openStep(page, 'full', 'Train');
  await page.locator('#start-training').focus();
  await page.keyboard.press('Enter');
  // The button cannot be pressed any more; the focus is beside it and not at the page's beginning.
  await live(page, 'starting').waitFor();
  await expect.poll(() => focused(page)).toBe('P Start training');
  await live(page, 'finished').waitFor({ timeout: 200_000 });
  await page.locator('.live > [role=alert]', { hasText: 'The run is done, but its report was not written' }).waitFor();
  await page.evaluate(async () => {
    let folder = await navigator.storage.getDirectory();
    for (const part of ['studio', 'full', 'runs', 'run-1']) folder = await folder.getDirectoryHandle(part);
    await folder.removeEntry('report.html', { recursive: true });
  });
  await page.getByRole('button', { name: 'Look at what it learnt' }).click();
  await page.getByText('its report could not be written').waitFor();
  await page.getByRole('button', { name: 'Make the report' }).click();
  await page.locator('iframe.page').waitFor();
  expect(await page.evaluate(async (url) => (await fetch(url)).text(), (await page.locator('iframe.page').getAttribute('src'))!)).toContain('run-1');

  // A run that is stopped at its last step is done, or goes on to its end.
  await openStep(page, 'full', 'Train');
  await page.click('#start-training');
  await page.getByText('Step 2 of 2', { exact: true }).first().waitFor({ timeout: 200_000 });
  await page.getByRole('button', { name: 'Pause and save' }).click({ timeout: 1000 }).catch(() => undefined);
  await live(page, 'finished').or(live(page, 'paused')).waitFor({ timeout: 100_000 });
  const goOn = page.getByRole('button', { name: 'Go on with run-2' });
  if (await live(page, 'paused').isVisible()) {
    await goOn.click();
    await live(page, 'finished').waitFor({ timeout: 200_000 });
  }
  await page.locator('tr[data-run=run-2][data-state=finished]').waitFor();

  // What was asked about is gone with the question: the focus goes to the list.
  await page.getByRole('button', { name: 'Delete run-2' }).focus();
  await page.keyboard.press('Enter');
  await page.locator('dialog .danger').waitFor();
  await page.locator('dialog .danger').focus();
  await page.keyboard.press('Enter');
  await expect.poll(() => focused(page)).toMatch(/^DIV Run.*run-1/);
  expect(faults).toEqual([]);
  await page.context().close();
});

test.skipIf(isSkipped)('errors are said in the words of the page, and not in another project', { timeout: 120_000 }, async () => {
  const { page } = await openStudio(studio);
  await seedProject(page, { id: 'wrong', options: OPTIONS, train: [{ messages: [] }], val: [] });
  await seedProject(page, { id: 'right', options: OPTIONS });
  await page.reload();
  await openStep(page, 'wrong', 'Train');
  await page.click('#start-training');
  const error = page.locator('.notice.error .text');
  await error.waitFor({ timeout: 60_000 });
  const text = (await error.textContent()) ?? '';
  expect(text).toMatch(/rows\/train\.jsonl/);
  expect(text).not.toMatch(/--[a-z]|\/studio\//);
  await page.getByRole('button', { name: '← All projects' }).click();
  await page.getByRole('button', { name: 'Open: right' }).click();
  await page.waitForSelector('.steps');
  expect(await page.locator('.notice.error').count()).toBe(0);
  await page.context().close();
});
