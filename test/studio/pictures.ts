/** For pictures.mjs: a project on the volumes of the sample is drawn on and trained, as the README shows it. */
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { nodePlatform } from '../../node/platform.ts';
import { labelsText } from '../../src/data/drawn/labels.ts';
import type { Labels } from '../../src/data/drawn/labels.ts';
import { dataFolderDrawings } from '../../web/data/importFolders.ts';
import { repository } from '../runtimes/runIn.ts';
import { drawOnPage } from './drawing.ts';
import { buildStudio, newProject, openStudio } from './studioPage.ts';

const sample = join(repository, 'node/sample');
const WORDS = 'an MRI scan of the head';
const out = join(repository, 'web/pictures');
const [WIDTH, HEIGHT, MOST_BYTES] = [1280, 860, 150_000];

interface Drawn {
  tool: 'Box' | 'Distance';
  name: string;
  from: [number, number];
  to: [number, number];
}

const box = (name: string, from: [number, number], to: [number, number]): Drawn => ({ tool: 'Box', name, from, to });

const [K01, K02, K03] = ['k01-bet-1mm-deep', 'k02-bet-25mm', 'k03-bet-1x1x15mm-deep'] as const;
/** Of an axial slice of K02: voxels, and mm. */
const [SIZE, MM, SLICE] = [[72, 86], [2.5, 2.5], 26] as const;
const DRAWN: readonly Drawn[] = [
  box('left putamen', [22, 43], [31, 58]),
  box('right putamen', [41, 44], [50, 59]),
  box('right occipital lobe', [37, 9], [56, 38]),
  { tool: 'Distance', name: 'interputaminal distance', from: [27, 50], to: [46, 51] },
];
/** Axial slices whose boxes the plans of the sample know, so that there is something to learn from and to judge by. */
const KNOWN: Readonly<Record<string, readonly number[]>> = { [K03]: [13, 14, 15, 16, 17, 18, 19, 20, 21], [K01]: [22, 26] };

async function labels(): Promise<Buffer> {
  const { byVolume } = await dataFolderDrawings(nodePlatform, sample);
  const found: Labels = { scans: [], annotations: [] };
  for (const [file, drawings] of byVolume) {
    const [name, slices] = Object.entries(KNOWN).find(([one]) => file.includes(one)) ?? [];
    if (name === undefined || slices === undefined) continue;
    found.scans.push({ id: name, name: `${name}_T1w.nii.gz`, kind: 'volume', modality: 'MRI', description: WORDS, spacing: [1, 1, 1] });
    for (const { drawn } of drawings)
      if (drawn.plane === 'axial' && drawn.shape === 'box' && slices.includes(drawn.slice))
        found.annotations.push({ ...drawn, id: `${name} ${found.annotations.length}`, scan: name });
  }
  return Buffer.from(labelsText(found));
}

async function draw(page: Page): Promise<void> {
  await page.getByRole('button', { name: new RegExp(K02) }).click();
  await page.locator('canvas[data-slice^="axial"]').waitFor();
  await page.getByLabel('Kind of scan').fill('MRI');
  await page.getByLabel('What the picture is, in words').fill(WORDS);
  await page.getByLabel(/^Slice: /).fill(String(SLICE));
  await page.locator(`canvas[data-slice="axial ${SLICE}"]`).waitFor();
  for (const { tool, name, from, to } of DRAWN) {
    await page.getByRole('group', { name: 'Tool' }).getByRole('button', { name: tool, exact: true }).click();
    await page.getByLabel(tool === 'Box' ? 'Structure' : 'What is measured').fill(name);
    await drawOnPage(page, from, to, SIZE, MM);
    await page.getByLabel(`Name of ${name}`).waitFor();
  }
}

/** What is on the screen. */
async function take(page: Page, name: string): Promise<void> {
  const file = join(out, `${name}.webp`);
  await sharp(await page.screenshot())
    .webp({ quality: 82 })
    .toFile(file);
  const { size } = statSync(file);
  if (size > MOST_BYTES) throw new Error(`${file} has ${size} bytes; ${MOST_BYTES} at most`);
  console.log(`${file}: ${size} bytes`);
}

mkdirSync(out, { recursive: true });
const studio = await buildStudio();
const context = await studio.browser.newContext({ viewport: { width: WIDTH, height: HEIGHT }, colorScheme: 'light' });
const { page } = await openStudio(studio, context);
await newProject(page, 'Basal ganglia');
const files = page.locator('input[type=file][aria-label="Choose files"]');
await files.setInputFiles([K01, K02, K03].map((name) => join(sample, 'Datasets/Colin27Mini/Images', `${name}_T1w.nii.gz`)));
await page.getByText('3 scans taken.').waitFor();
await files.setInputFiles([{ name: 'labels.json', mimeType: 'application/json', buffer: await labels() }]);
await page.getByText(/drawings read/).waitFor();
await draw(page);
await page.getByLabel(`${K01}_T1w.nii.gz: what it is for`).selectOption('test');
await page.getByText(/drawings read/).waitFor({ state: 'detached' }); // notices go
await page.getByRole('button', { name: 'Move', exact: true }).click();
await page.locator('.bench').evaluate((bench) => window.scrollTo({ top: bench.getBoundingClientRect().top + scrollY - 12 }));
await take(page, 'data');

await page.locator('.steps li button', { hasText: 'Train' }).click();
const options = { max_steps: '60', eval_steps: '10', save_steps: '60', per_device_train_batch_size: '2', learning_rate: '0.001' };
for (const [name, value] of Object.entries(options)) await page.getByLabel(new RegExp(`\\(${name}\\)`)).fill(value);
await page.click('#start-training');
await page
  .getByText(/^Step 5[0-9] of 60$/)
  .first()
  .waitFor({ timeout: 1_200_000 });
await page.locator('.live').evaluate((live) => window.scrollTo({ top: live.getBoundingClientRect().top + scrollY - 12 }));
await take(page, 'train');
await studio.close();
process.exit(0); // Dawn may keep the process alive
