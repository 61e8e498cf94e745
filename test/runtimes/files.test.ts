/** Deno and Bun read padded gzip files as Node does, and pictures to Pillow's bytes; Node's own are in test/data, Chromium's in page.test.ts. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { repository, runIn } from './runIn.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-files-'));
afterAll(() => rmSync(folder, { recursive: true }));

test.each(['deno', 'bun'] as const)('%s', async (runtime) => {
  const [head, tail] = [gzipSync('head'), gzipSync('tail')];
  const contents = [[head], [head, Buffer.alloc(1)], [head, Buffer.alloc(512)], [head, tail], [head, Buffer.alloc(9), tail, Buffer.alloc(3)], [head, Buffer.from('junk')]];
  const gzipFiles = contents.map((_, i) => join(folder, `${i}.gz`));
  for (const [i, parts] of contents.entries()) writeFileSync(gzipFiles[i]!, Buffer.concat(parts));
  const args = { gzipFiles, archive: join(repository, 'test/golden/pillow_pictures.zip') };
  const { texts, different } = (await runIn(runtime, join(import.meta.dirname, 'files.script.mjs'), args, 60_000)) as { texts: string[]; different: string[] };
  expect(texts.slice(0, 5)).toEqual(['head', 'head', 'head', 'headtail', 'headtail']);
  expect(texts[5]).toMatch(/^UserError: .*5\.gz: the gzip data is truncated or corrupt/);
  expect(different).toEqual([]);
}, 90_000);
