/**
 * Data that is wrong or means harm, through the whole way from the options to the exported row: one sentence that names file and place, no file
 * left, bounded memory and time.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { collectSamples } from '../../src/data/medvision/collect.ts';
import type { CollectSettings } from '../../src/data/medvision/collect.ts';
import { exportJsonl } from '../../src/data/medvision/exportJsonl.ts';
import { definitions } from '../../src/options.ts';
import { UserError } from '../../src/platform.ts';
import { niftiFile } from './niftiFile.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-hostile-'));
afterAll(() => rmSync(folder, { recursive: true }));
const MB = 2 ** 20;

const shape: [number, number, number] = [30, 40, 20];
const good = niftiFile(shape, [1, 1, 2]);
interface Edits {
  /** The volume's bytes, or an action that makes the file. */
  volume?: Uint8Array | ((path: string) => void);
  /** Of the slice and the case. */
  plan?: object;
  item?: object;
  list?: string | Uint8Array;
  isGzip?: boolean;
  settings?: Partial<CollectSettings>;
}

let count = 0;
function dataDir({ volume = good, plan, item, list = '{"D_BoxSize_Task01_Axial": 1}', isGzip = false }: Edits): { dir: string; list: string } {
  const dir = join(folder, String(count++));
  const image = isGzip ? 'Images/v1.nii.gz' : 'Images/v1.nii';
  mkdirSync(join(dir, 'Datasets/D/Images'), { recursive: true });
  const path = join(dir, 'Datasets/D', image);
  if (typeof volume === 'function') volume(path);
  else writeFileSync(path, volume);
  const slice = { slice_idx: 3, slice_profile: [{ label: 1, bboxes: [{ min_coords: [2, 3], max_coords: [14, 25] }] }], ...plan };
  const one = { case_ID: 'v1', image_file: image, image_file_info: { voxel_size: [1, 1, 2], array_size: shape }, slice_profiles_z: [slice], ...item };
  const tasks = [{ task_ID: '01', labels_map: { 1: 'liver' }, image_description: 'a scan', image_modality: 'CT', train_cases: [one], test_cases: [] }];
  writeFileSync(join(dir, 'Datasets/D/benchmark_plan_detection_v1.0.0.json.gz'), gzipSync(JSON.stringify({ tasks })));
  writeFileSync(join(dir, 'list.json'), list);
  return { dir, list: join(dir, 'list.json') };
}

const defaults = Object.fromEntries(Object.entries(definitions).map(([name, { default: value }]) => [name, value])) as unknown as CollectSettings;
const same = { resizedSize: (height: number, width: number) => ({ height, width }) };
async function run(edits: Edits): Promise<string> {
  const { dir, list } = dataDir(edits);
  const before = files(dir);
  const out = join(dir, 'rows.jsonl');
  try {
    const settings = { ...defaults, data_dir: dir, tasks_list_json_path_detect: list, val_sample_limit: 0, ...edits.settings };
    await exportJsonl(nodePlatform, out, await collectSamples(nodePlatform, settings, same));
  } catch (cause) {
    expect(cause).toBeInstanceOf(UserError);
    expect(files(dir)).toEqual(before);
    return cause instanceof UserError ? cause.message : '';
  }
  expect(existsSync(out)).toBe(true);
  return 'no error';
}
const files = (dir: string): string[] => readdirSync(dir, { recursive: true }).map(String).sort();

function edited(change: (view: DataView) => void): Uint8Array {
  const copy = good.slice();
  change(new DataView(copy.buffer));
  return copy;
}
/** Voxel (i, j, 3), on the slice that is asked for. */
const voxelAt = (i: number, j: number): number => 352 + 4 * (i + 30 * (j + 40 * 3));

test('the data set that the others are made from is good', async () => {
  expect(await run({})).toBe('no error');
  expect(await run({ volume: gzipSync(good), isGzip: true })).toBe('no error');
});

describe('volumes', () => {
  test.each<[string, Edits, RegExp]>([
    ['truncated gzip', { volume: gzipSync(good).subarray(0, 3000), isGzip: true }, /v1\.nii\.gz: the gzip data is truncated or corrupt/],
    ['cut file', { volume: good.subarray(0, 9000) }, /v1\.nii: .* the file has only 9000 bytes/],
    ['huge dimensions', { volume: edited((v) => [42, 44, 46].forEach((at) => v.setInt16(at, 32767, true))) }, /v1\.nii: the header \(32767×32767×32767\) asks for 140724603846652 bytes/],
    ['negative dimensions', { volume: edited((v) => v.setInt16(44, -40, true)) }, /v1\.nii: the header's dimensions are 30×-40×20/],
    ['NaN', { volume: edited((v) => v.setFloat32(voxelAt(7, 9), NaN, true)) }, /v1\.nii: slice 3 along axis 2: the voxel in row 7, column 9 is NaN/],
    ['infinity', { volume: edited((v) => v.setFloat32(voxelAt(0, 0), -Infinity, true)) }, /row 0, column 0 is -Infinity/],
    ['another shape', { volume: niftiFile([30, 40, 21], [1, 1, 2]) }, /v1\.nii: the volume is 30×40×21, .*train_cases\[0\] \(v1\) says 30×40×20/],
    ['no volume', { volume: () => undefined }, /v1\.nii: there is no such file/],
    ['a folder', { volume: (path) => mkdirSync(path) }, /v1\.nii: no DICOM file with an image lies here/],
    ['a page', { volume: Buffer.from('<html>'.repeat(100)) }, /v1\.nii: not a NIfTI volume/],
  ])('%s', async (_, edits, message) => {
    expect(await run(edits)).toMatch(message);
  });

  test('a truncated volume is told before any row is made, boxes or not', async () => {
    const { dir, list } = dataDir({ volume: gzipSync(good).subarray(0, 3000), isGzip: true });
    const settings = { ...defaults, data_dir: dir, tasks_list_json_path_detect: list };
    await expect(collectSamples(nodePlatform, settings, same)).rejects.toThrow(/v1\.nii\.gz: the gzip data is truncated or corrupt/);
  });

  test('what is not finite, in reference style: black, as medvision_bm makes it', async () => {
    const volume = edited((v) => v.setFloat32(voxelAt(7, 9), NaN, true));
    expect(await run({ volume, settings: { prompt_style: 'reference' } })).toBe('no error');
    expect(await run({ volume, settings: { prompt_style: 'reference', intensity: 'percentile' } })).toMatch(/row 7, column 9 is NaN/);
  });

  test('bombs: a small header before hundreds of megabytes, and a header over more zeros than it can answer for', async () => {
    const bomb = join(folder, 'bomb.gz');
    execFileSync('bash', ['-c', `{ head -c 96352 "$1"; head -c 300M /dev/zero; } | gzip -1 > "$2"`, 'bash', writtenTo('v.nii', good), bomb]);
    const before = process.memoryUsage().rss;
    expect(await run({ volume: (path) => execFileSync('cp', [bomb, path]), isGzip: true })).toMatch(/v1\.nii\.gz: .*gzip bomb/);
    const claimed = edited((v) => [42, 44, 46].forEach((at) => v.setInt16(at, 900, true)));
    const zeros = gzipSync(Buffer.alloc(2 ** 24), { level: 9 });
    writeFileSync(bomb, Buffer.concat([gzipSync(claimed.subarray(0, 352)), ...new Array<Buffer>(180).fill(zeros)]));
    const large = { image_file_info: { voxel_size: [1, 1, 1], array_size: [900, 900, 900] } };
    expect(await run({ volume: (path) => execFileSync('cp', [bomb, path]), isGzip: true, item: large })).toMatch(/v1\.nii\.gz: .*gzip bomb/);
    expect(process.memoryUsage().rss - before).toBeLessThan(700 * MB);
  });
});

function writtenTo(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

describe('paths', () => {
  const secret = writtenTo('secret.nii', good);
  test.each<[string, Edits, RegExp]>([
    ['..', { item: { image_file: '../../../secret.nii' } }, /train_cases\[0\] \(v1\)\.image_file: a path inside the dataset's folder expected/],
    ['.. inside', { item: { image_file: 'Images/../../../../secret.nii' } }, /a path inside the dataset's folder expected/],
    ['absolute', { item: { image_file: secret } }, /a path inside the dataset's folder expected/],
    ['a link to a file', { volume: (path) => symlinkSync(secret, path) }, /v1\.nii: it is, or lies behind, a link to .*secret\.nii, outside of the data folder/],
    [
      'a link to a folder',
      {
        volume: (path) => {
          rmSync(dirname(path), { recursive: true });
          symlinkSync(folder, dirname(path));
        },
        item: { image_file: 'Images/secret.nii' },
      },
      /secret\.nii: it is, or lies behind, a link/,
    ],
  ])('%s', async (_, edits, message) => {
    expect(await run(edits)).toMatch(message);
  });

  test('a plan behind a link', async () => {
    const { dir, list } = dataDir({});
    const plan = join(dir, 'Datasets/D/benchmark_plan_detection_v1.0.0.json.gz');
    rmSync(plan);
    symlinkSync(join(dirname(dir), '0/Datasets/D/benchmark_plan_detection_v1.0.0.json.gz'), plan);
    const settings = { ...defaults, data_dir: dir, tasks_list_json_path_detect: list };
    await expect(collectSamples(nodePlatform, settings, same)).rejects.toThrow(/lies behind, a link/);
  });

  test('links that stay inside are followed, and the data folder may be one', async () => {
    const { dir, list } = dataDir({ volume: (path) => (writeFileSync(`${path}.real`, good), symlinkSync('v1.nii.real', path)) });
    const link = join(folder, 'linked');
    symlinkSync(dir, link);
    const collected = await collectSamples(nodePlatform, { ...defaults, data_dir: link, tasks_list_json_path_detect: list, val_sample_limit: 0 }, same);
    expect(await exportJsonl(nodePlatform, join(dir, 'rows.jsonl'), collected)).toBe(1);
  });
});

describe('plans and lists', () => {
  test.each<[string, Edits, RegExp]>([
    ['a slice that is not there', { plan: { slice_idx: 20 } }, /slice_profiles_z\[0\]\.slice_idx: 20 is outside the volume/],
    ['an unknown label', { plan: { slice_profile: [{ label: 7, bboxes: [] }] } }, /slice_profile\[0\]: label 7 is not in the task's labels_map \(1\)/],
    ['a box of no size', { plan: { slice_profile: [{ label: 1, bboxes: [{ min_coords: [5, 5], max_coords: [4, 30] }] }] } }, /bboxes\[0\]: the box .* is not inside/],
    [
      'a box that says so',
      { plan: { slice_profile: [{ label: 1, bboxes: [{ min_coords: [5, 5], max_coords: [20, 20], dimensions: [0, 0] }] }] } },
      /bboxes\[0\]\.dimensions: sides of at least 1 pixel expected, \[0,0\] found/,
    ],
    ['a box outside', { plan: { slice_profile: [{ label: 1, bboxes: [{ min_coords: [5, 5], max_coords: [20, 40] }] }] } }, /is not inside the 30×40 slice/],
    ['a coordinate that Python wrote as NaN', { plan: { slice_profile: [{ label: 1, bboxes: [{ min_coords: [5, 'NaN'], max_coords: [20, 30] }] }] } }, /min_coords\[1\]: a number expected, "NaN" found/],
    ['a missing key', { item: { image_file_info: undefined } }, /\(v1\)\.image_file_info: an object expected, nothing found/],
    ['a wrong type', { plan: { slice_profile: 'none' } }, /slice_profile: a list expected, "none" found/],
    ['a task twice', { list: '{"D_BoxSize_Task01_Axial": 1, "D_BoxSize_Task01_Axial": 1}' }, /list\.json: the task D_BoxSize_Task01_Axial is listed twice/],
    ['a list that is not UTF-8', { list: Buffer.from('{"Dü_BoxSize_Task01_Axial": 1}', 'latin1') }, /list\.json: not UTF-8/],
    ['an endless list', { list: Buffer.alloc(9 * MB, ' ') }, /list\.json: 9437184 bytes; a task list/],
    ['a task that the plan lacks', { list: '{"D_BoxSize_Task02_Axial": 1}' }, /task 2 of D is asked for, the detection plan has 1/],
  ])('%s', async (_, edits, message) => {
    expect(await run(edits)).toMatch(message);
  });

  test('numbers that JSON has not, where nobody needs them', async () => {
    const { dir, list } = dataDir({ item: { note: 'NaN, "Infinity"', spare: 'SPARE' } });
    const path = join(dir, 'Datasets/D/benchmark_plan_detection_v1.0.0.json.gz');
    const text = gunzipSync(readFileSync(path)).toString();
    const settings = { ...defaults, data_dir: dir, tasks_list_json_path_detect: list, val_sample_limit: 0 };
    for (const bare of ['NaN', '-Infinity', '[Infinity, NaN]']) {
      writeFileSync(path, gzipSync(text.replace('"SPARE"', bare)));
      expect((await collectSamples(nodePlatform, settings, same)).train.length).toBe(1);
    }
    writeFileSync(path, gzipSync(text.replace('[14,25]', '[NaN,25]')));
    await expect(collectSamples(nodePlatform, settings, same)).rejects.toThrow(/max_coords\[0\]: a number expected, null found/);
    writeFileSync(path, gzipSync(text.replace('"SPARE"', 'NaNN')));
    await expect(collectSamples(nodePlatform, settings, same)).rejects.toThrow(/not valid JSON/);
  });

  test('two tasks of one ID', async () => {
    const { dir, list } = dataDir({});
    const task = { task_ID: '01', labels_map: {}, train_cases: [], test_cases: [] };
    writeFileSync(join(dir, 'Datasets/D/benchmark_plan_detection_v1.0.0.json.gz'), gzipSync(JSON.stringify({ tasks: [task, task] })));
    const settings = { ...defaults, data_dir: dir, tasks_list_json_path_detect: list };
    await expect(collectSamples(nodePlatform, settings, same)).rejects.toThrow(/tasks\[1\]\.task_ID: "01" is also that of tasks\[0\]/);
  });

  test('any bytes in a plan: rows or a UserError', async () => {
    const { dir, list } = dataDir({});
    const path = join(dir, 'Datasets/D/benchmark_plan_detection_v1.0.0.json.gz');
    const slice = { slice_idx: 3, slice_profile: [{ label: 1, bboxes: [{ min_coords: [2, 3], max_coords: [14, 25] }] }] };
    const one = { case_ID: 'v1', image_file: 'Images/v1.nii', image_file_info: { voxel_size: [1, 1, 2], array_size: shape }, slice_profiles_z: [slice] };
    const text = Buffer.from(JSON.stringify({ tasks: [{ task_ID: '01', labels_map: { 1: 'liver' }, train_cases: [one, one], test_cases: [] }] }));
    const marks = fc.constantFrom(...Buffer.from('{}[]",:\\0-.eE ntu'), 0, 255);
    const edits = fc.array(fc.record({ at: fc.nat(text.length - 1), value: fc.oneof(marks, fc.integer({ min: 0, max: 255 })) }), { maxLength: 6 });
    const settings = { ...defaults, data_dir: dir, tasks_list_json_path_detect: list, val_sample_limit: 0 };
    const property = fc.asyncProperty(edits, fc.option(fc.nat(text.length)), fc.boolean(), async (changes, cut, isGzip) => {
      const copy = Buffer.from(text);
      for (const { at, value } of changes) copy[at] = value;
      const bytes = copy.subarray(0, cut ?? undefined);
      writeFileSync(path, isGzip ? gzipSync(bytes) : bytes);
      try {
        const { train } = await collectSamples(nodePlatform, settings, same);
        for (const sample of train) expect(sample.target).toMatch(/^\d\.\d{3}(, \d\.\d{3}){3}$/);
      } catch (cause) {
        if (!(cause instanceof UserError)) throw cause;
      }
    });
    await fc.assert(property, { numRuns: 300 });
  });
});

test('any header of an uncompressed volume: a picture or a UserError', async () => {
  const { dir, list } = dataDir({});
  const path = join(dir, 'Datasets/D/Images/v1.nii');
  const settings = { ...defaults, data_dir: dir, tasks_list_json_path_detect: list, val_sample_limit: 0 };
  const interesting = fc.constantFrom(0, 1, 0x7f, 0x80, 0xff);
  const edits = fc.array(fc.record({ at: fc.oneof(fc.nat(351), fc.integer({ min: 40, max: 120 })), value: fc.oneof(interesting, fc.nat(255)) }), { maxLength: 8 });
  const property = fc.asyncProperty(edits, fc.option(fc.nat(2000)), async (changes, cut) => {
    const copy = good.slice(0, cut ?? undefined);
    for (const { at, value } of changes) if (at < copy.length) copy[at] = value;
    writeFileSync(path, copy);
    try {
      expect(await exportJsonl(nodePlatform, join(dir, 'rows.jsonl'), await collectSamples(nodePlatform, settings, same))).toBe(1);
    } catch (cause) {
      if (!(cause instanceof UserError)) throw cause;
    }
  });
  await fc.assert(property, { numRuns: 300 });
});
