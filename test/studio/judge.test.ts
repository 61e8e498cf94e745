/**
 * The steps "Judge" and "Use" in Chromium, on a run that Node has trained and whose folder lies in the browser's storage: held-out rows
 * before and after, a question to the adapter, and the archive of the run, whose adapter answers the same in Node.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { unzipSync } from 'fflate';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fineTune, loadModel } from '../../node/index.ts';
import { nodePlatform } from '../../node/platform.ts';
import { rowText, scoreRow } from '../../src/data/medvision/answerRows.ts';
import type { ScoredRow } from '../../src/data/medvision/answerRows.ts';
import { sliceToRgb } from '../../src/data/medvision/intensity.ts';
import { openVolume } from '../../src/data/nifti.ts';
import { rowRanges, USUAL_BOOTSTRAP } from '../../src/run/report/rowFigures.ts';
import { isOfModel } from '../../src/run/publish/pushing.ts';
import { mergeAdapter } from '../../src/train/merge.ts';
import { TestHub } from '../hub/testHub.ts';
import { repository } from '../runtimes/runIn.ts';
import { openStep, readText, ROW, seedProject, writeFiles } from './seeded.ts';
import { buildStudio, isSkipped, openStudio, seriousFindings } from './studioPage.ts';
import type { BuiltStudio } from './studioPage.ts';

let studio: BuiltStudio;
const scratch = mkdtempSync(join(tmpdir(), 'vernier-judge-'));
const base = join(repository, 'node/base');
const picture = join(repository, 'test/golden/images/rgb.png');
const volume = join(repository, 'node/sample/Datasets/Colin27Mini/Images/k02-bet-25mm_T1w.nii.gz');
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

const digest = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

const digestOfBytes = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What is shown of the slice that is asked about. */
async function pixelsOf(page: Page): Promise<{ size: [number, number]; rgb: string }> {
  const { size, data } = await page.locator('.seen canvas').evaluate((element) => {
    const { width, height } = element as HTMLCanvasElement;
    const { data } = (element as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height);
    return { size: [width, height] as [number, number], data: [...data] };
  });
  return { size, rgb: digestOfBytes(Uint8Array.from(data.filter((_, i) => i % 4 < 3))) };
}

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
  // It is stopped between the two, and goes on from there when the page was left.
  await page.getByText(/^Asking what was learnt/).waitFor({ timeout: 200_000 });
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByRole('button', { name: 'Begin anew' }).waitFor({ timeout: 60_000 });
  await page.reload();
  await openStep(page, 'judged', 'Judge');
  await page.getByText(/1 answer of the base model and 0 of what was learnt are kept/).waitFor();
  // Answers that are there are not asked for again, whatever they are.
  const kept = 'studio/judged/runs/run-1.judging/before/samples.jsonl';
  const line = JSON.parse(await readText(page, kept)) as { resps: [[string]] };
  const firstSaid = line.resps[0][0];
  line.resps = [['0.1, 0.2, 0.3, 0.4']];
  await writeFiles(page, [[kept, new TextEncoder().encode(`${JSON.stringify(line)}\n{"torn`)]]);
  await page.getByRole('button', { name: 'Go on asking' }).click();
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
  expect(firstSaid).toBe(answers[0]);
  expect(said.slice(-2)).toEqual(['0.1, 0.2, 0.3, 0.4', answers[1] === '' ? '(nothing)' : answers[1]]);
  expect(await seriousFindings(page)).toEqual([]);
  expect(await page.locator('iframe.page').getAttribute('sandbox')).toBe('');
  // On a telephone everything that was said is there without scrolling sideways.
  await page.setViewportSize({ width: 390, height: 844 });
  const beyond = await page.locator('main .scroll').evaluateAll((all) => all.map((one) => one.scrollWidth - one.clientWidth));
  expect(beyond.length).toBeGreaterThan(1);
  expect(Math.max(...beyond)).toBeLessThanOrEqual(0);
  expect(await seriousFindings(page)).toEqual([]);
  // It is there again after a reload.
  await page.reload();
  await openStep(page, 'judged', 'Judge');
  await page.locator('.judged tbody tr').waitFor();
  expect(faults).toEqual([]);
});

test.skipIf(isSkipped)('figures say how sure they are, by size and at a limit, in words for everybody', { timeout: 120_000 }, async () => {
  const { page, faults } = await openStudio(studio);
  await seedRun(page);
  // Answers as two stopped evaluations have left them: nothing is asked any more.
  const lines = (shift: number): ScoredRow[] =>
    [0, 1, 2, 3].flatMap((scan) =>
      [8, 20].map((truth, i) => {
        const doc = { case_ID: `s${scan}`, biometric_profile: { metric_type: 'distance', metric_key: 'gap', metric_unit: 'mm' } };
        const asked = { task: 'AD', taskType: 'BiometricsFromLandmarks', group: 'gap', values: [truth], unit: 'mm' } as const;
        const said = { prompt: 'How wide, in mm?', target: `${truth}`, response: `${truth + scan + shift}`, facts: {} };
        return scoreRow({ id: 2 * scan + i, asked, doc, ...said }, 'robust');
      }),
    );
  const [before, after] = [lines(4), lines(0)];
  const text = (content: string): Uint8Array => new TextEncoder().encode(content);
  const asked = Array.from({ length: 8 }, () => `${JSON.stringify(ROW)}\n`).join('');
  await writeFiles(page, [
    ['studio/judged/rows/test.jsonl', text(asked)],
    ...[['before', before] as const, ['after-4-finished', after] as const].flatMap(([folder, rows]) => [
      [`studio/judged/runs/run-1.judging/${folder}/samples.jsonl`, text(rows.map((row) => `${rowText(row, 'robust')}\n`).join(''))] as const,
      [`studio/judged/runs/run-1.judging/${folder}/summary.json`, text('{}')] as const,
    ]),
  ]);
  await openStep(page, 'judged', 'Judge');
  await page.getByRole('button', { name: 'Go on asking' }).click();
  const table = page.getByRole('region', { name: 'Before and after' });
  await table.waitFor();
  // The ranges are the command line's.
  const [low, high] = rowRanges(after, USUAL_BOOTSTRAP)['eval_AD_mae_mm'] ?? [NaN, NaN];
  expect(high - low).toBeGreaterThan(0.5);
  const line = table.getByRole('row', { name: /mean error of distances/ });
  expect(await line.locator('td').allTextContents()).toEqual([
    'mean error of distances',
    expect.stringMatching(/^5\.5 mm4\.\d\smm to 6\.\d\smm$/),
    `1.5 mm ✓better${low.toFixed(1)}\u00a0mm to ${high.toFixed(1)}\u00a0mm`,
  ]);
  await page.getByText(/by drawing the 4 scans again and again/).waitFor();
  await page.getByText('What these figures mean').first().click();
  await page.getByText(/Each error over the true length/).first().waitFor();
  const sizes = page.getByRole('region', { name: 'By size' });
  expect(await sizes.getByRole('rowheader').allTextContents()).toEqual([
    ...Array<string>(2).fill('Distances, < 10 mm'),
    ...Array<string>(2).fill('Distances, 10 to 30 mm'),
  ]);
  await page.getByLabel('Limit (mm)').fill('ten');
  await page.getByText('A number is expected, such as 10.').waitFor();
  await page.getByLabel('Limit (mm)').fill('10');
  const decided = page.getByRole('region', { name: 'Distance: gap, limit 10' });
  // Before, all of 8 mm are said to be above: none is on the right side of those; after, two of four.
  const shares = decided.getByRole('row', { name: /on the right side of 10/ }).locator('td');
  await expect.poll(() => shares.allTextContents()).toEqual([
    'on the right side of 10',
    '8',
    expect.stringMatching(/^50 %/),
    expect.stringMatching(/^75 % ✓better50\s% to 100\s%$/),
  ]);
  expect(await seriousFindings(page)).toEqual([]);
  await page.setViewportSize({ width: 390, height: 844 });
  const beyond = await page.locator('main .scroll').evaluateAll((all) => all.map((one) => one.scrollWidth - one.clientWidth));
  expect(Math.max(...beyond)).toBeLessThanOrEqual(0);
  expect(await seriousFindings(page)).toEqual([]);
  expect(faults).toEqual([]);
});

test.skipIf(isSkipped)('the adapter is asked, and answers the same from the archive in Node', { timeout: 300_000 }, async () => {
  const { page, faults } = await openStudio(studio);
  await seedRun(page);
  await openStep(page, 'judged', 'Use');
  await expect.poll(() => page.locator('#asked-model option').allTextContents()).toEqual(['the base model alone', 'run-1 of judged']);
  // By keys alone.
  await page.locator('#asked-model').focus();
  const tabTo = async (control: Locator): Promise<void> => {
    for (let i = 0; i < 12 && !(await control.evaluate((one) => one === document.activeElement)); i++) await page.keyboard.press('Tab');
    await expect.poll(() => control.evaluate((one) => one === document.activeElement)).toBe(true);
  };
  await tabTo(page.getByLabel('Take a picture or a volume from this machine'));
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.keyboard.press('Space')]);
  await chooser.setFiles(volume);
  // It is the middle one that is shown, as the model sees it, and of the other planes too.
  const shown = (where: string): Promise<void> => page.locator(`.seen canvas[data-shown="${where}"]`).waitFor();
  await shown('axial 36');
  await tabTo(page.getByLabel('Plane', { exact: true }));
  await page.keyboard.press('ArrowUp');
  await shown('coronal 43');
  await page.keyboard.press('ArrowDown');
  await shown('axial 36');
  await tabTo(page.getByLabel(/^Slice: /));
  for (const [key, slice] of [['End', 71], ['Home', 0], ['ArrowRight', 1], ['ArrowRight', 2]] as const) {
    await page.keyboard.press(key);
    await shown(`axial ${slice}`);
  }
  for (let i = 3; i <= 36; i++) await page.keyboard.press('ArrowRight');
  await shown('axial 36');
  const wanted36 = sliceToRgb(await (await openVolume(nodePlatform, volume)).slice(2, 36), 'percentile');
  expect(await pixelsOf(page)).toEqual({ size: [wanted36.width, wanted36.height], rgb: digestOfBytes(wanted36.data) });
  await tabTo(page.getByLabel('What is asked for'));
  await page.keyboard.press('ArrowUp'); // in my own words
  await tabTo(page.getByLabel('Question', { exact: true }));
  await page.keyboard.type('Size?');
  const ask = page.getByRole('button', { name: 'Ask', exact: true });
  await tabTo(ask);
  await page.keyboard.press('Enter');
  // Loading the model takes longer than anybody waits for a stop.
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await expect.poll(() => ask.isEnabled(), { timeout: 1000 }).toBe(true);
  await ask.click();
  await page.locator('.answer figure img, .answer .numbers, .answer h3:nth-of-type(2)').first().waitFor({ timeout: 200_000 });
  const said = (await page.locator('.answer .said').textContent()) ?? '';
  expect(said).not.toBe('');
  expect(await seriousFindings(page)).toEqual([]);

  await page.getByText('with the rows and their pictures').click();
  await page.getByText('with the merged model').click();
  await page.getByRole('button', { name: 'Make the archive' }).click();
  const link = page.locator('#archive');
  await link.waitFor({ timeout: 120_000 });
  const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
  expect(download.suggestedFilename()).toBe('run-1.zip');
  const files = unzipSync(new Uint8Array(readFileSync(await download.path())));
  expect(Object.keys(files)).toEqual(
    expect.arrayContaining([
      'run-1/adapter/adapter_config.json',
      'run-1/adapter/adapter_model.safetensors',
      'run-1/recipe.yaml',
      'run-1/report.html',
      'run-1/trainer_log.jsonl',
      'run-1/rows/train.jsonl',
      'run-1/rows/test.jsonl',
      'run-1/rows/pictures/a.png',
    ]),
  );
  expect(Object.keys(files).filter((name) => /optimizer|checkpoint/.test(name))).toEqual([]);
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(scratch, 'zip', name)), { recursive: true });
    writeFileSync(join(scratch, 'zip', name), bytes);
  }
  expect(files['run-1/adapter/adapter_model.safetensors']).toEqual(new Uint8Array(readFileSync(join(run, 'adapter_model.safetensors'))));
  expect(new TextDecoder().decode(files['run-1/recipe.yaml'])).toContain('base_model_hf: node/base\n');
  await using model = await loadModel({ base, adapter: join(scratch, 'zip/run-1/adapter') });
  // The page sees the slice as the core does, by the kind of scan: of one that nobody has said, by percentiles.
  const slice = { slice: ['axial:36'], intensity: 'percentile', max_new_tokens: 256 } as const;
  expect((await model.ask(volume, 'Size?', slice)).text).toBe(said);
  // The merged model is Node's, file by file, and answers alone.
  const merged = join(scratch, 'zip/run-1/merged');
  await mergeAdapter(nodePlatform, { baseModel: base, adapter: run, out: join(scratch, 'merged'), dtype: 'base' });
  const wanted = readdirSync(join(scratch, 'merged')).filter(isOfModel).sort();
  expect(wanted).toContain('model.safetensors');
  expect(readdirSync(merged).sort()).toEqual(wanted);
  for (const name of wanted) expect([name, digest(join(merged, name))]).toEqual([name, digest(join(scratch, 'merged', name))]);
  await using alone = await loadModel({ base: merged });
  const { answerTokens } = await alone.ask(picture, 'Size?', { max_new_tokens: 4 });
  expect(answerTokens).toBeGreaterThan(0);
  expect(faults).toEqual([]);
});

test.skipIf(isSkipped)('the adapter is pushed to the hub with a token that is nowhere kept', { timeout: 120_000 }, async () => {
  const hub = await TestHub.start({ lfsBytes: 1e9 });
  const local = hub.endpoint;
  hub.outside = 'https://huggingface.co';
  const context = await studio.browser.newContext();
  const storage = 'https://hf-hub-lfs-us-east-1.s3-accelerate.amazonaws.com';
  let behind = '';
  // What the page asks of the hub and of its storage is answered here.
  await context.route(/^https:\/\/huggingface\.co\//, async (route) => {
    const { pathname, search } = new URL(route.request().url());
    const response = await route.fetch({ url: `${local}${pathname}${search}` });
    const body = await response.text();
    behind = /http:\/\/localhost:\d+/.exec(body)?.[0] ?? behind;
    await route.fulfill({ response, body: body.replaceAll(/http:\/\/localhost:\d+/g, storage) });
  });
  await context.route(`${storage}/**`, async (route) => {
    await route.fulfill({ response: await route.fetch({ url: route.request().url().replace(storage, behind) }) });
  });
  try {
    const { page, faults } = await openStudio(studio, context);
    await seedRun(page);
    await openStep(page, 'judged', 'Use');
    await page.getByLabel('Repository').fill('measured');
    await page.getByLabel('Access token').fill(hub.options.token);
    await page.getByRole('button', { name: 'Push' }).click();
    await page.getByText(/^Pushed: /).waitFor({ timeout: 60_000 });
    const pushed = hub.files('model', `${hub.options.user}/measured`);
    expect([...pushed.keys()].sort()).toEqual(['.gitattributes', 'README.md', 'adapter_config.json', 'adapter_model.safetensors']);
    expect(pushed.get('adapter_model.safetensors')).toEqual(readFileSync(join(run, 'adapter_model.safetensors')));
    expect(faults.filter((fault) => !/huggingface\.co|amazonaws\.com/.test(fault))).toEqual([]);
  } finally {
    await context.close();
    await hub.close();
  }
});
