/** Volumes against nibabel, value for value; and files that are broken or hostile. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { openVolume, readNiftiHeader } from '../../src/data/nifti.ts';
import type { SliceDim } from '../../src/data/nifti.ts';
import { CT_WINDOWS, intensityOf, sliceToRgb, windowOf } from '../../src/data/medvision/intensity.ts';
import { VolumeCache } from '../../src/data/medvision/slices.ts';
import { UserError } from '../../src/platform.ts';
import { memoryPlatform } from '../io/memoryPlatform.ts';
import { niftiFile } from './niftiFile.ts';

const golden = resolve(import.meta.dirname, '../golden/nifti');
const folder = mkdtempSync(join(tmpdir(), 'vernier-nifti-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Expected {
  shape: number[];
  zooms: number[];
  /** First axis fastest; what is not finite as text. */
  voxels: (number | string)[];
}
const expected = JSON.parse(readFileSync(join(golden, 'expected.json'), 'utf8')) as Record<string, Expected>;

describe('as nibabel reads them', () => {
  test.each(Object.keys(expected))('%s', async (name) => {
    const volume = await openVolume(nodePlatform, join(golden, name));
    const { shape, zooms, voxels } = expected[name] ?? { shape: [], zooms: [], voxels: [] };
    const [ni = 1, nj = 1, nk = 1] = shape;
    expect(volume.shape).toEqual([ni, nj, nk]);
    expect(volume.zooms).toEqual([zooms[0], zooms[1], zooms[2] ?? 1]);
    expect(await readNiftiHeader(nodePlatform, join(golden, name))).toEqual(volume.header);
    const value = (i: number, j: number, k: number): number => Number(String(voxels[i + ni * (j + nj * k)]).replace('inf', 'Infinity'));
    for (const dim of [0, 1, 2] as SliceDim[]) {
      for (let index = 0; index < volume.shape[dim]; index++) {
        const { values, rows, cols } = await volume.slice(dim, index);
        expect([rows, cols]).toEqual(volume.shape.filter((_, axis) => axis !== dim));
        for (let row = 0; row < rows; row++) {
          for (let col = 0; col < cols; col++) {
            const voxel = dim === 0 ? value(index, row, col) : dim === 1 ? value(row, index, col) : value(row, col, index);
            expect(values[row * cols + col]).toBe(voxel);
          }
        }
      }
    }
  });
});

const whole = gunzipSync(readFileSync(join(golden, 'nifti1_little_i2.nii.gz')));
let count = 0;
function write(bytes: Uint8Array, name = 'volume.nii'): string {
  const path = join(folder, `${count++}_${name}`);
  writeFileSync(path, bytes);
  return path;
}
function edit(change: (view: DataView) => void): Uint8Array {
  const copy = new Uint8Array(whole);
  change(new DataView(copy.buffer));
  return copy;
}
async function failure(path: string): Promise<string> {
  const error = await openVolume(nodePlatform, path).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(UserError);
  const message = error instanceof UserError ? error.message : '';
  expect(message).toContain(path);
  return message;
}

describe('an uncompressed file of some size', () => {
  const shape: [number, number, number] = [80, 60, 70];
  const voxel = (i: number, j: number, k: number): number => i + 100 * j + 10000 * k;

  test('gives the slices that the compressed one gives, and reads no more of it than they need', async () => {
    const platform = memoryPlatform();
    const bytes = niftiFile(shape, [1, 2, 3]);
    platform.files.set('v.nii', bytes);
    platform.files.set('v.nii.gz', gzipSync(bytes));
    const [plain, packed] = [await openVolume(platform, 'v.nii'), await openVolume(platform, 'v.nii.gz')];
    for (const [dim, index] of [[2, 69], [2, 0], [1, 59], [1, 7], [0, 79], [0, 3], [0, 4]] as const) {
      const slice = await plain.slice(dim, index);
      expect(slice).toEqual(await packed.slice(dim, index));
      const { rows, cols } = slice;
      const at = (row: number, col: number): number => (dim === 0 ? voxel(index, row, col) : dim === 1 ? voxel(row, index, col) : voxel(row, col, index));
      for (const [row, col] of [[0, 0], [rows - 1, 0], [0, cols - 1], [rows - 1, cols - 1], [5, 9]] as const)
        expect(slice.values[row * cols + col]).toBe(at(row, col));
    }
    const read = async (dim: 1 | 2): Promise<number> => {
      const fresh = await openVolume(platform, 'v.nii');
      platform.bytesRead = 0;
      await fresh.slice(dim, 5);
      expect(fresh.byteLength).toBe(0);
      return platform.bytesRead;
    };
    expect(await read(2)).toBe(80 * 60 * 4);
    expect(await read(1)).toBe(80 * 70 * 4);
  });
});

describe('broken volumes', () => {
  const gz = gzipSync(whole);
  test.each<[string, () => string, RegExp]>([
    ['missing', () => join(folder, 'none.nii.gz'), /no such file/],
    ['empty', () => write(new Uint8Array(0)), /only 0 bytes/],
    ['empty gzip', () => write(gzipSync(new Uint8Array(0)), 'a.nii.gz'), /only 0 bytes/],
    ['a text', () => write(new TextEncoder().encode('<html>'.repeat(200))), /not a NIfTI volume/],
    ['gzip cut in the voxels', () => write(gz.subarray(0, gz.length - 40), 'a.nii.gz'), /truncated or corrupt/],
    ['gzip cut in the header', () => write(gz.subarray(0, 20), 'a.nii.gz'), /truncated or corrupt/],
    [
      'gzip with a flipped bit',
      () =>
        write(
          gz.map((byte, i) => (i === gz.length - 6 ? byte ^ 1 : byte)),
          'a.nii.gz',
        ),
      /truncated or corrupt/,
    ],
    ['cut in the voxels', () => write(whole.subarray(0, whole.length - 2)), /has only|truncated/],
    ['cut inside, gzipped whole', () => write(gzipSync(whole.subarray(0, 400)), 'a.nii.gz'), /truncated/],
    ['header alone', () => write(gzipSync(whole.subarray(0, 348)), 'a.nii.gz'), /truncated/],
    ['negative dimension', () => write(edit((v) => v.setInt16(42, -5, true))), /dimensions/],
    ['no dimension', () => write(edit((v) => v.setInt16(40, 0, true))), /dimensions/],
    ['a zero dimension', () => write(edit((v) => v.setInt16(44, 0, true))), /dimensions/],
    ['huge dimensions', () => write(gzipSync(edit((v) => [42, 44, 46].forEach((at) => v.setInt16(at, 32767, true)))), 'a.nii.gz'), /has only/],
    ['time series', () => write(edit((v) => [40, 48].forEach((at, i) => v.setInt16(at, [4, 7][i] ?? 0, true)))), /3 dimensions/],
    ['zooms that are no number', () => write(edit((v) => v.setFloat32(80, NaN, true))), /voxel size NaN/],
    ['RGB voxels', () => write(edit((v) => v.setInt16(70, 128, true))), /128 \(RGB colour\)/],
    ['unknown voxel type', () => write(edit((v) => v.setInt16(70, 77, true))), /voxel type 77/],
    ['voxels inside the header', () => write(edit((v) => v.setFloat32(108, 100, true))), /byte 100/],
    ['voxels before the file', () => write(edit((v) => v.setFloat32(108, -1e30, true))), /voxels are said to start/],
    ['voxels nowhere', () => write(edit((v) => v.setFloat32(108, NaN, true))), /byte NaN/],
    ['a slope without intercept', () => write(edit((v) => [2, NaN].forEach((x, i) => v.setFloat32(112 + 4 * i, x, true)))), /scl_inter/],
    ['half a pair', () => write(edit((v) => v.setUint8(345, 0x69))), /\.hdr\/\.img pair/],
  ])('%s', async (_, make, message) => {
    expect(await failure(make())).toMatch(message);
  });

  test('a slice out of range', async () => {
    const volume = await openVolume(nodePlatform, write(whole));
    for (const index of [-1, 5, 0.5, NaN]) await expect(volume.slice(0, index)).rejects.toThrow(UserError);
  });

  test('a gzip bomb behind a small volume is not unfolded', async () => {
    const bomb = gzipSync(Buffer.concat([whole, Buffer.alloc(256 * 2 ** 20)]), { level: 1 });
    const path = write(bomb, 'bomb.nii.gz');
    const before = process.memoryUsage().rss;
    expect(await failure(path)).toMatch(/gzip bomb/);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 2 ** 20);
  });

  test('a mask that is nearly empty unfolds as far as its header says, and no further', async () => {
    const side = [512, 512, 1200];
    const head = edit((v) => side.forEach((size, i) => v.setInt16(42 + 2 * i, size, true))).subarray(0, 352);
    new DataView(head.buffer, head.byteOffset).setInt16(70, 2, true); // uint8
    new DataView(head.buffer, head.byteOffset).setInt16(72, 8, true);
    const zeros = gzipSync(Buffer.alloc(2 ** 20), { level: 9 });
    const mask = (megabytes: number): string =>
      write(Buffer.concat([gzipSync(head), ...new Array<Buffer>(megabytes).fill(zeros)]), 'mask.nii.gz');
    const volume = await openVolume(nodePlatform, mask(300));
    expect(volume.byteLength).toBe(300 * 2 ** 20);
    expect((await volume.slice(2, 1199)).values.every((value) => value === 0)).toBe(true);
    expect(await failure(mask(299))).toMatch(/truncated/);
    expect(await failure(mask(330))).toMatch(/goes on far beyond them|gzip bomb/);
  }, 60_000);

  test('any header at all: a volume or a UserError', async () => {
    const path = join(folder, 'fuzz.nii');
    const second = readFileSync(join(golden, 'nifti2_little_i2.nii'));
    const bytes = fc.array(fc.record({ at: fc.integer({ min: 0, max: 547 }), value: fc.integer({ min: 0, max: 255 }) }), { maxLength: 12 });
    const fuzzed = fc.asyncProperty(bytes, fc.boolean(), fc.boolean(), async (edits, isGzip, isSecond) => {
      const copy = new Uint8Array(isSecond ? second : whole);
      for (const { at, value } of edits) if (at < copy.length) copy[at] = value;
      writeFileSync(path, isGzip ? gzipSync(copy) : copy);
      try {
        const volume = await openVolume(nodePlatform, path);
        expect((await volume.slice(2, 0)).values.length).toBe(volume.shape[0] * volume.shape[1]);
      } catch (cause) {
        if (!(cause instanceof UserError)) throw cause;
      }
    });
    await fc.assert(fuzzed, { numRuns: 300, seed: 5 });
  });
});

describe('intensity windows', () => {
  test('by modality and structure', () => {
    expect(intensityOf('minmax', 'CT', 'liver')).toBe('minmax');
    expect(intensityOf('percentile', 'CT', 'liver')).toBe('percentile');
    expect(intensityOf('window', 'MRI', 'liver')).toBe('percentile');
    expect(intensityOf('window', '', '')).toBe('percentile');
    expect(intensityOf('window', 'CT', 'liver')).toEqual({ low: -160, high: 240 });
    expect(intensityOf('window', 'ct', 'left lung')).toEqual({ low: -1350, high: 150 });
    expect(intensityOf('window', 'CT', 'brain')).toEqual({ low: 0, high: 80 });
    expect(intensityOf('window', 'CT', 'vertebrae L5')).toEqual({ low: -500, high: 1300 });
  });

  test.each<[string, keyof typeof CT_WINDOWS]>([
    ['kidney stone', 'bone'],
    ['gallstones', 'bone'],
    ['lung_upper_lobe_left', 'lung'],
    ['rib-left-4', 'bone'],
    ['lower jawbone', 'bone'],
    ['tibia', 'bone'],
    ['left gluteus maximus', 'soft tissue'],
    ['left ventricle', 'soft tissue'],
    ['ventricles', 'brain'],
    ['pulmonary nodule', 'lung'],
    ['thyroid nodule', 'soft tissue'],
  ])('%s on CT: %s', (structure, name) => expect(intensityOf('window', 'CT', structure)).toEqual(windowOf(CT_WINDOWS[name])));

  test('upstream has none for what is of no place, nor where values are no Hounsfield units', () => {
    for (const structure of ['tumor', 'edema', 'cystic component']) expect(intensityOf('window', 'CT', structure)).toBe('percentile');
    expect(intensityOf('window', 'CT', 'kidney', 'KiPA22')).toBe('percentile');
    expect(intensityOf('ct_rgb', 'CT', 'kidney', 'KiPA22')).toBe('percentile');
    expect(intensityOf('minmax', 'CT', 'kidney', 'KiPA22')).toBe('minmax');
  });
});

describe('pictures', () => {
  const grey = (values: number[]): number[] => {
    const { data } = sliceToRgb({ values: Float64Array.from(values), rows: 1, cols: values.length });
    return values.map((_, i) => data[i * 3] ?? -1);
  };
  test('minimum to maximum, cut off to a byte', () => {
    expect(grey([0, 1, 2, 4])).toEqual([0, 63, 127, 255]);
    expect(grey([-10, 0, 10])).toEqual([0, 127, 255]);
  });
  test('constant, NaN and infinite slices are black', () => {
    expect(grey([7, 7])).toEqual([0, 0]);
    expect(grey([0, NaN, 2])).toEqual([0, 0, 0]);
    expect(grey([0, 1, Infinity])).toEqual([0, 0, 0]);
    expect(grey([-Infinity, 0, 1])).toEqual([0, 0, 0]);
  });
  test('grey is written three times, rows first', () => {
    const image = sliceToRgb({ values: Float64Array.of(0, 1, 2, 3, 4, 5), rows: 2, cols: 3 });
    expect([image.width, image.height]).toEqual([3, 2]);
    expect([...image.data]).toEqual([0, 51, 102, 153, 204, 255].flatMap((value) => [value, value, value]));
  });
  test('a window, and percentiles as numpy computes them', () => {
    const slice = { values: Float64Array.of(-1000, 0, 50, 100, 3000), rows: 1, cols: 5 };
    expect([...sliceToRgb(slice, { low: -100, high: 100 }).data].filter((_, i) => i % 3 === 0)).toEqual([0, 127, 191, 255, 255]);
    const ramp = { values: Float64Array.from({ length: 1001 }, (_, i) => i), rows: 7, cols: 143 };
    const { data } = sliceToRgb(ramp, 'percentile'); // from 5 to 995
    expect([0, 5, 9, 500, 994, 995, 1000].map((i) => data[i * 3])).toEqual([0, 0, 1, 127, 254, 255, 255]);
  });
});

describe('xyzt_units', () => {
  // nibabel: header.set_xyzt_units("meter", "sec") stores 9, mm 10, micron 11, unknown 8; get_zooms() is the same numbers for each.
  const units = [[1, 'metres'], [9, 'metres'], [2, 'mm'], [10, 'mm'], [18, 'mm'], [3, 'microns'], [11, 'microns'], [0, 'no unit'], [8, 'no unit'], [5, 'no unit']] as const;

  test.each(units)('%i: %s, and the sizes are the numbers that are stored', async (code, unit) => {
    const path = join(folder, 'units.nii');
    writeFileSync(path, niftiFile([3, 4, 5], [0.001, 0.5, 2000], code));
    expect(await readNiftiHeader(nodePlatform, path)).toMatchObject({ spacingUnit: unit, zooms: [Math.fround(0.001), 0.5, 2000] });
  });

  test('of NIfTI-2 in both byte orders', async () => {
    for (const name of Object.keys(expected).filter((one) => one.startsWith('nifti2'))) {
      const stored = readFileSync(join(golden, name));
      const bytes = Uint8Array.from(name.endsWith('.gz') ? gunzipSync(stored) : stored);
      const view = new DataView(bytes.buffer);
      view.setInt32(500, 3 + 8, view.getInt32(0, true) === 540);
      writeFileSync(join(folder, 'units2.nii'), bytes);
      expect((await readNiftiHeader(nodePlatform, join(folder, 'units2.nii'))).spacingUnit).toBe('microns');
    }
  });

  test('what is not mm is told by file and unit, once for all files of a unit', async () => {
    for (const [name, code] of [['a', 2], ['b', 1], ['c', 3], ['d', 9], ['e', 0]] as const) writeFileSync(join(folder, `${name}.nii`), niftiFile([3, 4, 5], [0.001, 0.5, 2], code));
    const volumes = new VolumeCache(nodePlatform, folder);
    for (const name of ['a', 'b', 'c', 'd', 'e', 'b']) await volumes.header(`${name}.nii`);
    expect(volumes.unitNotes()).toEqual([
      '2 volumes (b.nii the first) state voxel sizes in metres (xyzt_units); as by nibabel, they are taken for mm: 0.001 × 0.5 × 2 mm in the first. ' +
        'Lengths are wrong if the unit is right; write sizes and unit in mm.',
      'c.nii states voxel sizes in microns (xyzt_units); as by nibabel, they are taken for mm: 0.001 × 0.5 × 2 mm. ' +
        'Lengths are wrong if the unit is right; write sizes and unit in mm.',
      'e.nii states no unit of the voxel sizes (xyzt_units); as by nibabel, they are taken for mm: 0.001 × 0.5 × 2 mm. Check that they are.',
    ]);
  });
});
