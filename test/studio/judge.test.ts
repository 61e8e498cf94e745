/**
 * The steps "Judge" and "Use" in Chromium, on a run that Node has trained and whose folder lies in the browser's storage: held-out rows
 * before and after, a question to the adapter, and the archive of the run, whose adapter answers the same in Node.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fineTune, loadModel } from '../../node/index.ts';
import { repository } from '../runtimes/runIn.ts';
import { openStep, ROW, seedProject, writeFiles } from './seeded.ts';
import { buildStudio, isSkipped, openStudio, seriousFindings } from './studioPage.ts';
import type { BuiltStudio } from './studioPage.ts';

let studio: BuiltStudio;
const scratch = mkdtempSync(join(tmpdir(), 'vernier-judge-'));
const base = join(repository, 'node/base');
const picture = join(repository, 'test/golden/images/rgb.png');
const run = join(scratch, 'run-1');

beforeAll(async () => {
  if (isSkipped) return;
  const rows = [{ ...ROW, images: [picture] }] as never;
  await fineTune({
    base,
    rows,
    output: run,
    run_name: 'run-1',
    max_steps: 4,
    learning_rate: 1e-2,
    lr_scheduler_type: 'constant',
    warmup_ratio: 0,
    per_device_train_batch_size: 1,
    gradient_accumulation_steps: 1,
    lora_r: 4,
    dataloader_num_workers: 0,
  });
  studio = await buildStudio();
}, 300_000);
afterAll(async () => {
  rmSync(scratch, { recursive: true });
  if (!isSkipped) await studio.close();
});

/** A project with the run that Node has trained. */
async function seedRun(page: Page): Promise<void> {
  const runs = [{ name: 'run-1', startedAt: 1 }];
  await seedProject(page, { id: 'judged', options: {}, runs });
  const files = readdirSync(run, { recursive: true, withFileTypes: false })
    .map(String)
    .filter((name) => statSync(join(run, name)).isFile())
    .map((name) => [`studio/judged/runs/run-1/${name}`, new Uint8Array(readFileSync(join(run, name)))] as const);
  const asked = {
    base: '/own/base',
    train: '/studio/judged/rows/train.jsonl',
    val: '/studio/judged/rows/test.jsonl',
    options: { eval_max_new_tokens: 24 },
  };
  await writeFiles(page, [...files, ['studio/judged/runs/run-1.json', new TextEncoder().encode(JSON.stringify(asked))]]);
  await page.reload();
}

test.skipIf(isSkipped)('held-out rows are asked before and after, and shown with their boxes', { timeout: 300_000 }, async () => {
  const { page, faults } = await openStudio(studio);
  await seedRun(page);
  await openStep(page, 'judged', 'Judge');
  await page.getByRole('button', { name: 'Ask before and after' }).click();
  await page.locator('.judged tbody tr').waitFor({ timeout: 200_000 });
  expect(await page.locator('.judged tbody tr').count()).toBe(1);
  await page.locator('.judged svg.drawn rect.truth').waitFor();
  // What the page shows is what Node says of the same rows.
  const answers: string[] = [];
  for (const adapter of [undefined, run]) {
    await using model = await loadModel({ base, ...(adapter !== undefined && { adapter }) });
    const { rows } = await model.evaluate([{ ...ROW, images: [picture] }] as never, { max_new_tokens: 24 });
    answers.push(rows[0]?.response ?? '');
  }
  const said = await page.locator('.judged td .said').allTextContents();
  expect(said.slice(-2)).toEqual(answers.map((text) => (text === '' ? '(nothing)' : text)));
  expect(await seriousFindings(page)).toEqual([]);
  expect(await page.locator('iframe.page').getAttribute('sandbox')).toBe('');
  // It is there again after a reload.
  await page.reload();
  await openStep(page, 'judged', 'Judge');
  await page.locator('.judged tbody tr').waitFor();
  expect(faults).toEqual([]);
});
