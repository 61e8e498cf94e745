/**
 * Memory and time of reading files of conversations that are larger than memory should be: `npm run bench -- rows [megabytes]` (default
 * 2048). JSON lines and an array of short rows, JSON lines with pictures in base64, and Parquet with pictures inside, each generated, then
 * read by a process of its own: opened, every row gone through once, 2000 rows in random order. What must hold: a peak below 200 MB.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { ParquetWriter } from 'hyparquet-writer';
import { fileWriter } from 'hyparquet-writer/src/node.js';
import { nodePlatform } from '../../node/platform.ts';
import { openRowFile } from '../../src/data/conversations/rowFile.ts';

const LIMIT_MB = 200;
const PICTURE_BYTES = 150_000;
const MB = 2 ** 20;

/** Bytes that do not compress, as those of pictures; they begin as a PNG does. */
function picture(seed: number): Buffer {
  const bytes = Buffer.alloc(PICTURE_BYTES);
  let state = seed + 1;
  for (let i = 0; i + 4 <= bytes.length; i += 4) bytes.writeUInt32LE((state = (Math.imul(state, 1664525) + 1013904223) >>> 0), i);
  bytes.set([0x89, 0x50, 0x4e, 0x47]);
  return bytes;
}

const answer = (i: number): string => `The structure measures ${(i * 7) % 90}.${i % 10} mm along its longer axis. ${'It is described at some length. '.repeat(i % 30)}`;
const shortRow = (i: number): string => JSON.stringify({ id: i, messages: [{ role: 'user', content: `<image>How long is structure ${i}?` }, { role: 'assistant', content: answer(i) }], images: [`images/${i}.png`] });
const pictureRow = (i: number): string => JSON.stringify({ prompt: `What is at ${i}?`, completion: answer(i), image: picture(i).toString('base64') });

function writeText(path: string, bytes: number, row: (i: number) => string, [before, between, after]: readonly [string, string, string]): void {
  const file = openSync(path, 'w');
  writeSync(file, before);
  let written = 0;
  for (let i = 0, text = ''; written < bytes; i++) {
    text += (i === 0 ? '' : between) + row(i);
    if (text.length < MB) continue;
    written += writeSync(file, text);
    text = '';
  }
  writeSync(file, after);
  closeSync(file);
}

/** Row groups of some 100 MB, as `datasets` has them. */
function writeParquet(path: string, bytes: number): void {
  const schema = [
    { name: 'root', num_children: 3 },
    ...(['prompt', 'completion'] as const).map((name) => ({ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' } as const)),
    { name: 'image', type: 'BYTE_ARRAY', repetition_type: 'REQUIRED' } as const,
  ];
  const parquet = new ParquetWriter({ writer: fileWriter(path), schema, codec: 'UNCOMPRESSED' });
  const rows = Math.floor((100 * MB) / PICTURE_BYTES);
  for (let first = 0; first * PICTURE_BYTES < bytes; first += rows) {
    const numbers = Array.from({ length: rows }, (_, i) => first + i);
    void parquet.write({
      columnData: [
        { name: 'prompt', data: numbers.map((i) => `What is at ${i}?`) },
        { name: 'completion', data: numbers.map(answer) },
        { name: 'image', data: numbers.map(picture), encoding: 'PLAIN', statistics: false },
      ],
      rowGroupSize: rows,
    });
  }
  void parquet.finish();
}

/** Linux hands maxRSS down from the process that started this one, which wrote the file; its own high-water mark is in /proc. */
function peakMB(): number {
  const status = existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : '';
  return Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1] ?? process.resourceUsage().maxRSS) / 1024;
}

/** In a process of its own. */
async function read(path: string): Promise<void> {
  const seconds = (from: number): string => ((performance.now() - from) / 1000).toFixed(1);
  let from = performance.now();
  const file = await openRowFile(nodePlatform, path);
  const opened = seconds(from);
  from = performance.now();
  for await (const { problem } of file.scan()) if (problem) throw problem;
  const scanned = seconds(from);
  from = performance.now();
  for (let i = 0; i < 2000; i++) await file.row((i * 7919) % file.length);
  const perRow = ((performance.now() - from) / 2000).toFixed(2);
  const peak = peakMB();
  console.log(`${file.length} | ${opened} | ${scanned} | ${perRow} | ${peak.toFixed(0)} |`);
  process.exitCode = peak < LIMIT_MB ? 0 : 1;
}

function main(bytes: number): void {
  const dir = mkdtempSync(join(tmpdir(), 'vernier-rows-'));
  const files: [string, (path: string) => void][] = [
    ['JSON lines, short rows', (path) => writeText(path, bytes, shortRow, ['', '\n', '\n'])],
    ['a JSON array, short rows', (path) => writeText(path, bytes, shortRow, ['[', ',\n', ']'])],
    ['JSON lines, pictures in base64', (path) => writeText(path, bytes, pictureRow, ['', '\n', '\n'])],
    ['Parquet, pictures inside', (path) => writeParquet(path, bytes)],
  ];
  console.log('| file | MB | rows | opened, s | all rows, s | a row at random, ms | peak RSS, MB |\n|---|---:|---:|---:|---:|---:|---:|');
  try {
    for (const [name, write] of files) {
      const path = join(dir, 'rows');
      write(path);
      const run = spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--read', path], { encoding: 'utf8' });
      console.log(`| ${name} | ${(statSync(path).size / MB).toFixed(0)} | ${run.stdout.trim() || run.stderr}`);
      if (run.status !== 0) process.exitCode = 1;
      rmSync(path);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const [first, second] = process.argv.slice(2);
if (first === '--read') await read(second ?? '');
else main(Number(first ?? 2048) * MB);
