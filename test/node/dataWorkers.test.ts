/** Data workers: the rows they make are those of this thread, and one that dies is told in a sentence instead of waited for. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { startPool, workerCount } from '../../node/workers/pool.ts';
import type { RowRequest } from '../../src/data/exampleMaker.ts';
import { PictureWarnings } from '../../src/data/pictures/warnings.ts';
import { UserError } from '../../src/platform.ts';
import { openDataWorkers } from '../../src/run/inputs/dataWorkers.ts';
import type { StartWorkers } from '../../src/run/inputs/dataWorkers.ts';
import { buildCommandLine, goldenRows, repository, tinyModel } from './trainProcess.ts';

let root = '';
beforeAll(() => {
  buildCommandLine();
  root = mkdtempSync(join(tmpdir(), 'vernier-workers-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const settings = { base: tinyModel, mask: 'completion', vocabSize: 1e9, volumeBytes: 1e8 } as const;
const startOf = (script: string, heapMB?: number): StartWorkers => (own, count) => startPool(own, count, { script, ...(heapMB !== undefined && { heapMB }) });
const start = startOf(join(repository, 'dist/dataWorker.js'));

const requests = goldenRows('s00_single', 's10_twoimages', 's12_string_content').map((line, i): RowRequest => {
  const conversation = JSON.parse(line) as Extract<RowRequest, { kind: 'conversation' }>['conversation'];
  return { kind: 'conversation', conversation, where: `rows.jsonl:${i + 1}` };
});

const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

/** A worker script that answers `open` and then does as told. */
function badWorker(name: string, then: string): string {
  const path = join(root, `${name}.mjs`);
  writeFileSync(
    path,
    `import { parentPort } from 'node:worker_threads';
parentPort.on('message', ({ id, path }) => {
  if (path?.[0] === 'open') parentPort.postMessage({ id, type: 'RAW', value: undefined });
  else { ${then} }
});`,
  );
  return path;
}

describe('data workers', () => {
  it('read deep greys as they are told and hand on what there is to say', async () => {
    const u16 = join(root, 'u16.png');
    writeFileSync(u16, readFileSync(join(repository, 'test/golden/images/grey16.png')));
    const conversation = { messages: [{ role: 'user' as const, content: [{ type: 'image' as const }] }, { role: 'assistant' as const, content: 'x' }], images: [u16] };
    const request: RowRequest = { kind: 'conversation', conversation, where: 'rows.jsonl:1' };
    for (const [sixteenBit, expected] of [['clip', 1], ['window', 0]] as const) {
      const pixels: Float32Array[] = [];
      for (const options of [{ count: 0 }, { count: 1, start }]) {
        const said: string[] = [];
        const workers = await openDataWorkers(nodePlatform, { ...settings, sixteenBit }, { ...options, warnings: new PictureWarnings((text) => said.push(text)) });
        try {
          pixels.push((await workers.make(request, '')).pixelValues);
        } finally {
          await workers.close();
        }
        expect(said.length).toBe(expected);
        for (const text of said) expect(text).toMatch(/^Warning: .*u16\.png is 16-bit grey: \d+ % of its pixels/);
      }
      expect(pixels[0]).toEqual(pixels[1]);
    }
  });

  it('make the rows that this thread makes', async () => {
    const here = await openDataWorkers(nodePlatform, settings, { count: 0 });
    const there = await openDataWorkers(nodePlatform, settings, { count: 2, start });
    try {
      expect(there.count).toBe(2);
      const rows = await Promise.all(requests.map((request, i) => there.make(request, `place ${i}`)));
      for (const [i, request] of requests.entries()) expect(rows[i]).toEqual(await here.make(request, ''));
    } finally {
      await there.close();
    }
  });

  it('hand on what is wrong with a row in its own words', async () => {
    const workers = await openDataWorkers(nodePlatform, settings, { count: 1, start });
    const request: RowRequest = { kind: 'conversation', conversation: { messages: [{ role: 'user', content: [{ type: 'image' }] }], images: ['/no/such.png'] }, where: 'rows.jsonl:7' };
    const error = await failure(workers.make(request, ''));
    expect(error).toBeInstanceOf(UserError);
    expect(String(error)).toMatch(/rows\.jsonl:7: .*\/no\/such\.png/);
    await workers.close();
  });

  it.each([
    ['exits', 'process.exit(3);', /stopped while making a row of Images\/c01\.nii\.gz \(exit code 3\)/],
    ['throws outside of an answer', 'setTimeout(() => { throw new Error("lost my way"); });', /lost my way/],
    ['runs out of memory', 'const a = []; for (;;) a.push(new Array(1e6).fill(1.5));', /memory/],
  ])('one that %s fails every row that waits for it, and those after', async (name, then, words) => {
    const workers = await openDataWorkers(nodePlatform, settings, { count: 1, start: startOf(badWorker(name, then), 64) });
    const [request] = requests;
    if (!request) throw new Error('no rows');
    const errors = await Promise.all([1, 2].map(() => failure(workers.make(request, 'Images/c01.nii.gz'))));
    errors.push(await failure(workers.make(request, 'Images/c01.nii.gz')));
    for (const error of errors) {
      expect(error).toBeInstanceOf(UserError);
      expect(String(error)).toMatch(words);
    }
    await workers.close();
  });

  it('that are closed under their work are not said to have died of it', async () => {
    const workers = await openDataWorkers(nodePlatform, settings, { count: 1, start: startOf(badWorker('silent', '')) });
    const [request] = requests;
    if (!request) throw new Error('no rows');
    const failed = failure(workers.make(request, 'Images/c01.nii.gz'));
    await workers.close();
    expect(String(await failed)).toBe('Error: The data workers were closed while one was making a row of Images/c01.nii.gz.');
  });

  it('are no more than the cores there are, and none where none are asked for', () => {
    expect(workerCount(0)).toBe(0);
    expect(workerCount(1)).toBe(1);
    expect(workerCount(10_000)).toBeLessThan(10_000);
  });
});
