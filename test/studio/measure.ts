/** For measure.mjs: frames and long tasks while a run goes on, step times beside a bare worker's, memory with 5 000 rows of 512². */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import type { Page } from 'playwright-core';
import { nodePlatform } from '../../node/platform.ts';
import { repository } from '../runtimes/runIn.ts';
import { openStep, seedProject } from './seeded.ts';
import { buildStudio, newProject, openStudio } from './studioPage.ts';
import type { BuiltStudio } from './studioPage.ts';

const ROWS = 5000;
const SIDE = 512;
const OPTIONS = { per_device_train_batch_size: 1, gradient_accumulation_steps: 1, logging_steps: 1, save_steps: -1, lora_r: 4, eval_strategy: 'no' };
const live = (page: Page, state: string) => page.locator(`.live[data-state=${state}]`);
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;

/** Seconds of the steps after the first two, which compile. */
async function stepTimes(page: Page, log: string): Promise<number[]> {
  const text = await page.evaluate(async (path) => {
    let folder = await navigator.storage.getDirectory();
    const parts = path.split('/');
    for (const part of parts.slice(0, -1)) folder = await folder.getDirectoryHandle(part);
    return (await (await folder.getFileHandle(parts.at(-1)!)).getFile()).text();
  }, log);
  const at = text.split('\n').flatMap((line) => {
    const row = (line === '' ? {} : JSON.parse(line)) as { step?: number; loss?: number; elapsed_seconds?: number };
    return row.loss === undefined || row.elapsed_seconds === undefined ? [] : [row.elapsed_seconds];
  });
  return at.slice(1).map((seconds, i) => seconds - at[i]!).slice(1);
}

/** A volume is scrolled for ten seconds while a run goes on. */
async function smooth(studio: BuiltStudio): Promise<void> {
  const { page } = await openStudio(studio);
  await seedProject(page, { id: 'smooth', options: { ...OPTIONS, max_steps: 200 }, val: [] });
  await page.reload();
  await openStep(page, 'smooth', 'Data');
  const volume = join(repository, 'node/sample/Datasets/Colin27Mini/Images/k01-bet-1mm-deep_T1w.nii.gz');
  await page.locator('input[type=file][aria-label="Choose files"]').setInputFiles(volume);
  await page.locator('canvas[data-slice]').waitFor();
  await page.evaluate(() => {
    const long: number[] = [];
    Object.assign(window, { long });
    new PerformanceObserver((list) => long.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' });
  });
  await page.locator('.steps li button', { hasText: 'Train' }).click();
  await page.click('#start-training');
  await page.getByText(/^Step [3-9] of 200$/).first().waitFor({ timeout: 300_000 });
  await page.locator('.steps li button', { hasText: 'Data' }).click();
  await page.locator('canvas[data-slice]').waitFor();
  const found = await page.evaluate(async () => {
    const canvas = document.querySelector('canvas')!;
    const seen = new Set<string>();
    let frames = 0;
    const from = performance.now();
    for (let step = 1; performance.now() < from + 10_000; frames++) {
      await new Promise((done) => requestAnimationFrame(done));
      const [, index = '0'] = (canvas.dataset['slice'] ?? '').split(' ');
      seen.add(index);
      if (frames % 40 === 39) step = -step;
      canvas.dispatchEvent(new WheelEvent('wheel', { deltaY: step * 100, cancelable: true, bubbles: true }));
    }
    return { rate: (1000 * frames) / (performance.now() - from), slices: seen.size, long: (window as unknown as { long: number[] }).long };
  });
  console.log(
    `while training: ${found.rate.toFixed(1)} frames a second over ${found.slices} slices; ` +
      `tasks over 50 ms since the start of the run: ${found.long.length}${found.long.length > 0 ? `, the longest ${Math.max(...found.long)} ms` : ''}`,
  );
  await page.context().close();
}

/** The same steps in a worker of an empty page, which asks for the same run. */
async function bareSteps(studio: BuiltStudio, source: string, steps: number, seeded: Page): Promise<number[]> {
  const page = await seeded.context().newPage();
  await page.route(`${studio.url}empty`, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
  await page.goto(`${studio.url}empty`);
  const request = { ...OPTIONS, max_steps: steps, base: '/own/base', train: '/studio/steps/rows/train.jsonl', output: '/bare', overwrite: true };
  const own = ['chat_template.jinja', 'config.json', 'generation_config.json', 'model.safetensors', 'preprocessor_config.json', 'tokenizer.json', 'tokenizer_config.json'];
  const files = own.map((name) => [`/own/base/${name}`, `${studio.url}own/base/${name}`]);
  await page.evaluate(`(async () => {
    const worker = new Worker(${JSON.stringify(source)}, { type: 'module' });
    const call = (name, ...args) => new Promise((resolve, reject) => {
      const id = String(Math.random());
      worker.addEventListener('message', ({ data }) => {
        if (data.id !== id) return;
        if (data.type === 'HANDLER') reject(new Error(data.value.value.message)); else resolve(data.value);
      });
      const ports = args.filter((value) => value instanceof MessagePort);
      worker.postMessage({ id, type: 'APPLY', path: [name], argumentList: args.map((value) => value instanceof MessagePort ? { type: 'HANDLER', name: 'proxy', value } : { type: 'RAW', value }) }, ports);
    });
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => port1.postMessage({ id: data.id, type: 'RAW', value: undefined });
    await call('mount', new Map(${JSON.stringify(files)}));
    await call('fineTune', 1, ${JSON.stringify(request)}, port2);
    worker.terminate();
  })()`);
  const times = await stepTimes(page, 'bare/trainer_log.jsonl');
  await page.close();
  return times;
}

async function steps(studio: BuiltStudio): Promise<void> {
  const count = 14;
  // A service worker would answer for the empty page.
  const { page } = await openStudio(studio, await studio.browser.newContext({ serviceWorkers: 'block' }));
  await seedProject(page, { id: 'steps', options: { ...OPTIONS, max_steps: count }, val: [] });
  const script = page.waitForEvent('worker');
  await page.reload();
  const source = (await script).url();
  const times = { page: [] as number[], bare: [] as number[] };
  await openStep(page, 'steps', 'Train');
  for (let turn = 1; turn <= 3; turn++) {
    await page.click('#start-training');
    await live(page, 'running').waitFor({ timeout: 200_000 });
    await live(page, 'finished').waitFor({ timeout: 300_000 });
    times.page.push(...(await stepTimes(page, `studio/steps/runs/run-${turn}/trainer_log.jsonl`)));
    times.bare.push(...(await bareSteps(studio, source, count, page)));
  }
  const [inPage, bare] = [median(times.page), median(times.bare)];
  console.log(
    `a step, median of ${times.page.length}: ${inPage.toFixed(3)} s in the page, ${bare.toFixed(3)} s in a bare worker, ratio ${(inPage / bare).toFixed(3)}`,
  );
  await page.context().close();
}

/** Rows of the largest process of the browser's pages, in MB. */
function largestRenderer(): number {
  const lines = execFileSync('ps', ['-eo', 'rss,args'], { encoding: 'utf8', maxBuffer: 1e8 }).split('\n');
  return Math.max(0, ...lines.filter((line) => line.includes('--type=renderer')).map((line) => Number.parseInt(line, 10))) / 1024;
}

async function rows(studio: BuiltStudio): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'vernier-rows-'));
  mkdirSync(join(folder, 'pictures'));
  const lines: string[] = [];
  const raster = new Uint8Array(SIDE * SIDE * 3);
  for (let i = 0; i < ROWS; i++) {
    for (let at = 0; at < raster.length; at += 3) raster.fill((((at / 3) % SIDE) + i) & 255, at, at + 3);
    writeFileSync(join(folder, 'pictures', `${i}.png`), await nodePlatform.encodePng(raster, SIDE, SIDE, 3));
    const content = [{ type: 'image' }, { type: 'text', text: 'Size?' }];
    lines.push(`${JSON.stringify({ messages: [{ role: 'user', content }, { role: 'assistant', content: `0.${i}` }], images: [`pictures/${i}.png`] })}\n`);
  }
  writeFileSync(join(folder, 'train.jsonl'), lines.join(''));
  const { page } = await openStudio(studio);
  let most = 0;
  const timer = setInterval(() => (most = Math.max(most, largestRenderer())), 200);
  try {
    await newProject(page, 'Many');
    const from = Date.now();
    await page.locator('input[type=file][webkitdirectory]').setInputFiles(folder);
    await page.getByText(/To train on: .*train\.jsonl/).waitFor({ timeout: 900_000 });
    console.log(`${ROWS} rows of ${SIDE}×${SIDE}: taken in ${Math.round((Date.now() - from) / 1000)} s, ${Math.round(most)} MB at most so far`);
    await page.locator('.steps li button', { hasText: 'Train' }).click();
    for (const [name, value] of Object.entries({ max_steps: '4', per_device_train_batch_size: '1', max_pixels: '50176' }))
      await page.getByLabel(new RegExp(`\\(${name}\\)`)).fill(value);
    await page.click('#start-training');
    await live(page, 'finished').waitFor({ timeout: 1_800_000 });
    console.log(`trained 4 steps: the page's process took ${Math.round(most)} MB at most`);
  } finally {
    clearInterval(timer);
    await page.context().close();
    rmSync(folder, { recursive: true });
  }
}

const all = { smooth, steps, rows };
const asked = process.argv.slice(2);
const studio = await buildStudio();
for (const [name, measure] of Object.entries(all)) if (asked.length === 0 || asked.includes(name)) await measure(studio);
await studio.close();
process.exit(0); // Dawn may keep the process alive
