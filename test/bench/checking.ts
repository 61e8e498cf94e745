/**
 * Rows a second of the pass before the first step, on files of 512×512 PNG: `npm run bench -- checking`. Needs no GPU. headers: each
 * picture's first bytes. full: each is decoded. known: as a second start, from what the first has recorded. Every way ends with the same
 * verdict: one row is broken, and is found.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { nodePlatform } from '../../node/platform.ts';
import { checkRows } from '../../src/data/checking/checkRows.ts';
import { RememberedPictures } from '../../src/data/checking/remembered.ts';
import { openRowFile } from '../../src/data/conversations/rowFile.ts';
import { contextLength } from '../../src/models/contextLength.ts';
import { loadProcessor } from '../../src/models/processor.ts';
import type { Platform } from '../../src/platform.ts';

const SIDE = 512;
/** Rows of the quick start's training. */
const QUICK_START_ROWS = 237;
const ROWS = { headers: 4000, full: 400 };

const root = process.argv[2] ?? '.';
const dir = mkdtempSync(join(tmpdir(), 'vernier-bench-checking-'));
process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
const platform: Platform = { ...nodePlatform, env: (name) => (name === 'XDG_CACHE_HOME' ? join(dir, 'cache') : nodePlatform.env(name)) };

/** Structures and noise, as a slice has them; every file is another. */
async function picture(seed: number): Promise<Uint8Array> {
  const data = Uint8Array.from({ length: SIDE * SIDE }, (_, i) => {
    const [x, y] = [i % SIDE, Math.floor(i / SIDE)];
    return 90 + 60 * Math.sin(x / (9 + (seed % 7))) * Math.cos(y / 23) + ((Math.imul(i + seed, 73856093) >>> 13) & 15);
  });
  return nodePlatform.encodePng(data, SIDE, SIDE, 1);
}

async function makeRows(count: number): Promise<string> {
  const drawn = await Promise.all(Array.from({ length: 32 }, (_, seed) => picture(seed)));
  const folder = join(dir, String(count));
  mkdirSync(folder);
  const lines = Array.from({ length: count }, (_, i) => {
    const png = drawn[i % drawn.length] ?? new Uint8Array(0);
    writeFileSync(join(folder, `${i}.png`), i === 7 ? png.subarray(0, 20) : png);
    const content = [{ type: 'image' }, { type: 'text', text: `Slice ${i}: find the smallest box around the ventricles, as four numbers from 0 to 1.` }];
    return JSON.stringify({ messages: [{ role: 'user', content }, { role: 'assistant', content: '0.12, 0.34, 0.56, 0.78' }], images: [`${i}.png`] });
  });
  writeFileSync(join(folder, 'rows.jsonl'), lines.join('\n'));
  return join(folder, 'rows.jsonl');
}

const base = join(root, 'node/base');
const processor = await loadProcessor(platform, base);
const maxTokens = await contextLength(platform, base);

async function seconds(path: string, level: 'headers' | 'full' | 'small', isKnown: boolean): Promise<number> {
  const startedAt = performance.now();
  const file = await openRowFile(platform, path);
  const remembered = isKnown ? await RememberedPictures.open(platform, path, () => Date.now() + 60_000) : undefined;
  const checked = await checkRows(platform, file.scan(), {
    level, processor, maxTokens, mask: 'completion', isForTraining: true, ...(remembered && { remembered }),
  });
  await file.close();
  if (checked?.problems.length !== 1) throw new Error(`${level}: ${checked?.problems.length ?? 0} problems in place of 1`);
  return (performance.now() - startedAt) / 1000;
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] ?? NaN;
const [many, some, quick] = [await makeRows(ROWS.headers), await makeRows(ROWS.full), await makeRows(QUICK_START_ROWS)];
await seconds(many, 'headers', true); // records
const times: Record<string, number[]> = { headers: [], known: [], full: [], 'quick start': [] };
for (let turn = 0; turn < 3; turn++) {
  times['headers']?.push(await seconds(many, 'headers', false));
  times['known']?.push(await seconds(many, 'headers', true));
  times['full']?.push(await seconds(some, 'full', false));
  times['quick start']?.push(await seconds(quick, 'small', false));
}
const rate = (name: string, rows: number): string => `${Math.round(rows / median(times[name] ?? []))}`;
process.stdout.write(`| way | pictures a second |\n|---|---:|\n`);
process.stdout.write(`| headers | ${rate('headers', ROWS.headers)} |\n| headers, known from the start before | ${rate('known', ROWS.headers)} |\n`);
process.stdout.write(`| full (decoded) | ${rate('full', ROWS.full)} |\n\n`);
const pass = median(times['quick start'] ?? []);
process.stdout.write(`${QUICK_START_ROWS} rows with a picture each, as many as the quick start trains on, decoded: ${pass.toFixed(2)} s\n`);
