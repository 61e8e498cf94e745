/** Prepared folders: what goes in comes out, the same bytes whoever makes them and however often they are stopped, and every mismatch in words. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync, appendFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { thisProcess } from '../../node/locks/thisProcess.ts';
import { nodePlatform } from '../../node/platform.ts';
import { medvisionSamples } from '../../src/data/medvision/samples.ts';
import type { MedvisionSample } from '../../src/data/medvision/sample.ts';
import { renderSlice, VolumeCache } from '../../src/data/medvision/slices.ts';
import { readTaskList } from '../../src/data/medvision/tasks.ts';
import { folderName, identityDifferences, identityHash } from '../../src/data/prepared/identity.ts';
import type { ImageStorage } from '../../src/data/prepared/identity.ts';
import { prepareFolder } from '../../src/data/prepared/prepare.ts';
import type { Prepared, PrepareRequest } from '../../src/data/prepared/prepare.ts';
import { PreparedSet } from '../../src/data/prepared/preparedSet.ts';
import { rowFromColumns } from '../../src/data/prepared/row.ts';
import type { PreparedRow } from '../../src/data/prepared/row.ts';
import { encodeShard } from '../../src/data/prepared/encodeShard.ts';
import { plansOfManifest } from '../../src/data/prepared/settings.ts';
import { ShardReader } from '../../src/data/prepared/shard.ts';
import { picturePath, writeShard } from '../../src/data/prepared/writeShard.ts';
import { UserError } from '../../src/platform.ts';

const sampleDir = fileURLToPath(new URL('../../node/sample', import.meta.url));
const volumes = new VolumeCache(nodePlatform, sampleDir);
const resizedSize = (height: number, width: number): { height: number; width: number } => ({ height, width });

async function sampleRows(split: 'train' | 'test', most: number): Promise<MedvisionSample[]> {
  const rows: MedvisionSample[] = [];
  const list = readdirSync(join(sampleDir, 'tasks_list')).find((name) => /detect.*SFT/i.test(name)) ?? '';
  const tasks = (await readTaskList(nodePlatform, join(sampleDir, 'tasks_list', list), 'detect')).map((task) => ({ ...task, split: undefined }));
  for await (const sample of medvisionSamples(nodePlatform, sampleDir, tasks, { split, resizedSize, volumes })) {
    rows.push(sample);
    if (rows.length === most) break;
  }
  return rows;
}

let dir = '';
beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'vernier-prepared-')), 'rows');
});
afterEach(() => rmSync(join(dir, '..'), { recursive: true, force: true }));

const slice = async (sample: MedvisionSample): ReturnType<typeof renderSlice> => renderSlice(await volumes.open(sample.imageFile), sample);

async function request(changes: Partial<PrepareRequest> = {}, images: ImageStorage = 'files'): Promise<PrepareRequest> {
  return {
    dir,
    identity: { prompt_style: 'corrected', seed: 1024 },
    images,
    samples: { train: await sampleRows('train', 60), validation: await sampleRows('test', 21) },
    resizedSize,
    write: (job) => writeShard(nodePlatform, job, slice),
    workers: 1,
    shardRows: 8,
    ...changes,
  };
}

/** Every file of the folder with its bytes. */
function tree(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true }).map(String).filter((name) => statSync(join(folder, name)).isFile());
  return new Map(files.sort().map((name) => [name, readFileSync(join(folder, name)).toString('base64')]));
}

const message = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => (error instanceof UserError ? error.message : `not a UserError: ${String(error)}`),
  );

describe('rows', () => {
  it('come back as they went in, whatever their texts and numbers', async () => {
    const [first] = await sampleRows('train', 1);
    if (!first) throw new Error('the sample has no rows');
    const row: fc.Arbitrary<PreparedRow> = fc
      .record({
        prompt: fc.string({ unit: 'grapheme' }),
        target: fc.string(),
        values: fc.array(fc.double({ noNaN: true }), { maxLength: 4 }),
        maskFile: fc.option(fc.string(), { nil: undefined }),
        intensity: fc.option(fc.record({ low: fc.integer(), high: fc.integer() }), { nil: undefined }),
        sliceIdx: fc.nat(65535),
        image: fc.option(fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 50 }), path: fc.string() })),
        lengthEstimate: fc.nat(100000),
      })
      .map(({ image, lengthEstimate, intensity, ...own }) => ({ image, lengthEstimate, sample: { ...first, ...own, ...(intensity && { intensity }) } }));
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), fc.integer({ min: 1, max: 7 }), async (rows, groupRows) => {
        const path = join(dir, '..', 'one.parquet');
        writeFileSync(path, encodeShard(rows, groupRows));
        const reader = new ShardReader(nodePlatform);
        for (const [i, wanted] of rows.entries()) expect(await reader.row(path, i)).toEqual(wanted);
      }),
      { numRuns: 40 },
    );
  });

  it('of a file that is not ours are refused by name', () => {
    expect(() => rowFromColumns({ prompt: 1 }, 'x.parquet: row 3')).toThrow(/^x\.parquet: row 3: column/);
  });

  it('keep few row groups in memory', async () => {
    const rows = (await sampleRows('train', 40)).map((sample): PreparedRow => ({ sample, image: { bytes: new Uint8Array(10_000), path: 'p' }, lengthEstimate: 1 }));
    const path = join(dir, '..', 'one.parquet');
    writeFileSync(path, encodeShard(rows, 4));
    const reader = new ShardReader(nodePlatform, 100_000);
    for (const i of [...rows.keys(), ...rows.keys()]) expect((await reader.row(path, i)).sample).toEqual(rows[i]?.sample);
  });
});

describe('a folder', () => {
  it('holds the samples in their order with their slices as pictures', async () => {
    const asked = await request();
    await prepareFolder(nodePlatform, asked);
    const set = await PreparedSet.open(nodePlatform, dir);
    for (const split of ['train', 'validation'] as const) {
      const samples = [...(asked.samples[split] as MedvisionSample[])];
      expect(set.rows(split)).toBe(samples.length);
      for (const [i, sample] of samples.entries()) {
        const row = await set.row(split, i);
        expect(row.sample).toEqual(sample);
        const { width, height, data } = await slice(sample);
        expect(await set.picture(row)).toEqual({ width, height, data });
        expect(readFileSync(join(dir, row.image?.path ?? ''))).toEqual(Buffer.from(row.image?.bytes ?? []));
      }
      expect(await set.lengths(split)).toHaveLength(samples.length);
    }
  });

  it('has the same bytes with any number of workers, in whatever order they finish', async () => {
    await prepareFolder(nodePlatform, await request());
    const expected = tree(dir);
    rmSync(dir, { recursive: true });
    let turn = 0;
    const write: PrepareRequest['write'] = async (job) => {
      await new Promise((resolve) => setTimeout(resolve, [30, 1, 15, 5][turn++ % 4]));
      return writeShard(nodePlatform, job, slice);
    };
    await prepareFolder(nodePlatform, await request({ workers: 4, write }));
    expect(tree(dir)).toEqual(expected);
  });

  it('is completed after a run that was cut off, without doing again what was done, to the same bytes', async () => {
    await prepareFolder(nodePlatform, await request());
    const expected = tree(dir);
    for (const after of [0, 1, 4, 9]) {
      rmSync(dir, { recursive: true });
      let written = 0;
      const dies: PrepareRequest['write'] = (job) => {
        if (written++ >= after) return Promise.reject(new Error('cut off'));
        return writeShard(nodePlatform, job, slice);
      };
      await expect(prepareFolder(nodePlatform, await request({ write: dies }))).rejects.toThrow('cut off');
      expect(existsSync(join(dir, 'manifest.json'))).toBe(false);
      // What a kill leaves: half a line, half a file.
      appendFileSync(join(dir, 'unfinished.jsonl'), '{"file":"train-000');
      writeFileSync(join(dir, 'train-00003.parquet.tmp-0123456789abcdef'), 'half');
      let again = 0;
      const counts: PrepareRequest['write'] = (job) => {
        again++;
        return writeShard(nodePlatform, job, slice);
      };
      const prepared = await prepareFolder(nodePlatform, await request({ write: counts }));
      expect(again).toBe(11 - after);
      expect(prepared?.keptRows).toBe(after * 8 - (after > 8 ? 4 : 0));
      expect(tree(dir)).toEqual(expected);
    }
  });

  it('says which version of the annotations was asked for, beside the plans that it meant', async () => {
    const asked = await request({ pin: 'v1.3.0' });
    const identity = { ...asked.identity, 'plan KiTS23 biometry': `v1.2.1, SHA-256 ${'ab'.repeat(32)}` };
    await prepareFolder(nodePlatform, { ...asked, identity });
    const { manifest } = await PreparedSet.open(nodePlatform, dir, identity);
    expect(plansOfManifest(manifest)).toEqual([{ dataset: 'KiTS23', kind: 'biometry', version: '1.2.1', sha256: 'ab'.repeat(32), pin: '1.3.0' }]);
    expect(readFileSync(join(dir, 'manifest.json'), 'utf8')).toContain('"planner_version": "1.3.0"');
  });

  it('is reused when it is whole, and makes again only a file that is damaged', async () => {
    await prepareFolder(nodePlatform, await request());
    const expected = tree(dir);
    const never: PrepareRequest['write'] = () => Promise.reject(new Error('nothing is to be written'));
    expect((await prepareFolder(nodePlatform, await request({ write: never })))?.isReused).toBe(true);
    truncateSync(join(dir, 'train-00002.parquet'), 100);
    expect(await message(PreparedSet.open(nodePlatform, dir))).toContain('train-00002.parquet');
    let again = 0;
    await prepareFolder(nodePlatform, await request({ write: (job) => (again++, writeShard(nodePlatform, job, slice)) }));
    expect(again).toBe(1);
    expect(tree(dir)).toEqual(expected);
  });

  it('of other settings is not used, and each difference is named', async () => {
    await prepareFolder(nodePlatform, await request());
    const before = tree(dir);
    const other = { prompt_style: 'reference', seed: 1024, planner_version: '1.0.0' };
    for (const said of [await message(prepareFolder(nodePlatform, await request({ identity: other }))), await message(PreparedSet.open(nodePlatform, dir, other))]) {
      expect(said).toContain('prompt_style: corrected there, reference asked');
      expect(said).toContain('planner_version: not recorded there, 1.0.0 asked');
      expect(said).not.toContain('seed');
    }
    expect(tree(dir)).toEqual(before);
  });

  it('that is unfinished and of other settings is begun anew', async () => {
    await prepareFolder(nodePlatform, await request({ identity: { prompt_style: 'reference', seed: 1 } }));
    const expected = tree(dir);
    rmSync(dir, { recursive: true });
    let written = 0;
    await message(prepareFolder(nodePlatform, await request({ write: (job) => (written++ < 3 ? writeShard(nodePlatform, job, slice) : Promise.reject(new Error('cut off'))) })));
    await prepareFolder(nodePlatform, await request({ identity: { prompt_style: 'reference', seed: 1 } }));
    expect(tree(dir)).toEqual(expected);
  });

  it('of a mistake in the data leaves nothing behind, and one that is gone on with keeps what it has', async () => {
    let files = 0;
    const spoiled: PrepareRequest['write'] = (job) => {
      if (++files === 3) throw new UserError('a volume has NaN voxels');
      return writeShard(nodePlatform, job, slice);
    };
    const asked = await request();
    expect(await message(prepareFolder(nodePlatform, { ...asked, write: async (job) => spoiled(job) }))).toBe('a volume has NaN voxels');
    expect(readdirSync(join(dir, '..'))).toEqual([]);

    const dies = (): Promise<never> => Promise.reject(new Error('cut off'));
    await expect(prepareFolder(nodePlatform, { ...asked, write: (job) => (++files > 5 ? dies() : writeShard(nodePlatform, job, slice)) })).rejects.toThrow('cut off');
    const kept = readdirSync(dir).length;
    files = 2;
    expect(await message(prepareFolder(nodePlatform, { ...asked, write: async (job) => spoiled(job) }))).toBe('a volume has NaN voxels');
    expect(readdirSync(dir).length).toBeGreaterThanOrEqual(kept);
  });

  it('with something else in it is left alone', async () => {
    await nodePlatform.makeDir(join(dir, 'png'));
    writeFileSync(join(dir, 'train-00000.parquet'), 'mine');
    expect(await message(prepareFolder(nodePlatform, await request()))).toMatch(/is not empty and holds no prepared data/);
    expect(readFileSync(join(dir, 'train-00000.parquet'), 'utf8')).toBe('mine');
  });

  it('is made once when two ask for it at the same time', async () => {
    const waited: string[] = [];
    const asked = await request({ onWait: ({ words }) => waited.push(words) });
    const both = (await Promise.all([prepareFolder(nodePlatform, asked), prepareFolder(nodePlatform, asked)])) as Prepared[];
    expect(both.map(({ isReused }) => isReused).sort()).toEqual([false, true]);
    expect(waited).toHaveLength(1);
    expect(waited[0]).toContain(String(process.pid));
    expect(existsSync(`${dir}.lock`)).toBe(false);
  });

  it('takes over the lock of a process that is gone', async () => {
    writeFileSync(`${dir}.lock`, `${JSON.stringify({ ...(await thisProcess()), pid: 2 ** 22 + 1, started: '2026-01-01T00:00:00Z' })}\n`);
    expect((await prepareFolder(nodePlatform, await request({}, 'none')))?.isReused).toBe(false);
  });

  it('stops at Ctrl-C and goes on later', async () => {
    const stop = new AbortController();
    const stopped = await prepareFolder(nodePlatform, await request({ stop: stop.signal, onProgress: () => stop.abort() }));
    expect(stopped).toBeUndefined();
    expect((await prepareFolder(nodePlatform, await request()))?.keptRows).toBe(8);
  });

  it('without pictures serves a run that asks for none, and is made again for one that asks', async () => {
    await prepareFolder(nodePlatform, await request({}, 'none'));
    const set = await PreparedSet.open(nodePlatform, dir);
    expect((await set.row('train', 3)).image).toBeNull();
    expect((await prepareFolder(nodePlatform, await request({}, 'embedded')))?.isReused).toBe(false);
    expect((await prepareFolder(nodePlatform, await request({}, 'none')))?.isReused).toBe(true);
  });
});

describe('names', () => {
  it('of folders follow from the settings, not from their order', async () => {
    const parts = { modelType: 'gemma3', train: [5500, 11000, -1, 22000], validation: [-1, -1, -1, 0], promptStyle: 'corrected', images: 'files' } as const;
    const name = await folderName(parts, { a: 1, b: 2 });
    expect(name).toMatch(/^ds__AD5500_D11000_TLfull_all22000__val_ADfull_Dfull_TLfull_all0__corrected__files__[0-9a-f]{16}$/);
    expect(await folderName(parts, { b: 2, a: 1 })).toBe(name);
    expect(await folderName(parts, { a: 1, b: 3 })).not.toBe(name);
    expect(await identityHash({ a: 1 })).not.toBe(await identityHash({ a: '1' }));
  });

  it('of pictures differ for volumes whose names begin alike, and for windows', async () => {
    const [sample] = await sampleRows('train', 1);
    if (!sample) throw new Error('the sample has no rows');
    const paths = [
      sample,
      { ...sample, imageFile: 'Datasets/A/Images/case.1.nii.gz' },
      { ...sample, imageFile: 'Datasets/A/Images/case.2.nii.gz' },
      { ...sample, intensity: { low: -160, high: 240 } },
    ].map(picturePath);
    expect(new Set(paths).size).toBe(4);
  });

  it('of differences are those of the options', () => {
    expect(identityDifferences({ a: null, b: true }, { a: 3, b: true })).toEqual(['a: unset there, 3 asked']);
  });
});
