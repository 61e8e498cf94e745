/**
 * DICOM objects of every kind (test/golden/dicom_objects.py) against pydicom's figures, dcm2niix's volumes and the standard's spacings.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { unzipSync } from 'fflate';
import { expect, it } from 'vitest';
import { openDicomScan } from '../../src/data/dicom/scan.ts';
import { scanVolume } from '../../src/data/dicom/toVolume.ts';
import { valueRange, voiValues } from '../../src/data/dicom/voi.ts';
import { describe as described } from '../../src/run/volume/described.ts';
import { holdingFiles } from './filesInMemory.ts';

interface Expected {
  error?: string;
  size: [number, number, number];
  spacing_mm: (number | null)[];
  photometric?: string;
  axes?: (string | null)[];
  units?: string;
  window?: object;
  min: number;
  max: number;
  sha256?: string;
  /** Of lossy frames: the values, and how far from them is allowed. */
  values?: number[];
  within?: number;
  /** pydicom's apply_voi_lut: the hash of float64, or values. */
  voi?: string | number[];
  /** Of palettes: the hash of the 8-bit colours. */
  shown?: string;
  /** What a note has to name. */
  told?: string;
  /** Of several volumes: each, as `--volume` chooses it. */
  volumes?: Pick<Expected, 'size' | 'spacing_mm' | 'sha256'>[];
  dcm2niix?: { shape: number[]; affine: number[][]; sha256: string };
}

const zip = unzipSync(readFileSync(new URL('../golden/dicom_objects.zip', import.meta.url)));
const { 'index.json': indexBytes = new Uint8Array(), ...files } = zip;
const index = JSON.parse(new TextDecoder().decode(indexBytes)) as Record<string, Expected>;
const platform = holdingFiles(files);
const sha = (bytes: ArrayBufferView): string =>
  createHash('sha256')
    .update(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    .digest('hex');
const never = new AbortController().signal;

async function valuesOf(name: string): Promise<Float64Array> {
  const scan = await openDicomScan(platform, name);
  const all: number[] = [];
  for (let slice = 0; slice < scan.size[0]; slice++) all.push(...(await scan.readSlice(slice)).values);
  return Float64Array.from(all);
}

it('has the objects', () => {
  expect(Object.keys(index).length).toBeGreaterThan(80);
});

it.each(Object.entries(index))('%s', async (name, expected) => {
  if (expected.error !== undefined) {
    await expect(openDicomScan(platform, name).then((scan) => scan.readSlice(0))).rejects.toThrow(expected.error);
    return;
  }
  const scan = await openDicomScan(platform, name);
  const found = await described(platform, { kind: 'dicom', scan }, never);
  expect(found.size).toEqual(expected.size);
  for (const [axis, mm] of expected.spacing_mm.entries()) {
    if (mm === null) expect(found.spacing_mm[axis]).toBeNull();
    else expect(found.spacing_mm[axis]).toBeCloseTo(mm, axis === 0 ? 4 : 9);
  }
  if (expected.photometric !== undefined) expect(found.photometric).toBe(expected.photometric);
  if (expected.axes !== undefined) expect(found.orientation?.axes).toEqual(expected.axes);
  if (expected.units !== undefined) expect(found.units).toBe(expected.units);
  if (expected.window !== undefined) expect(found.window).toEqual(expected.window);
  if (expected.told !== undefined) expect(found.notes.join('\n')).toContain(expected.told);
  else expect(found.notes.filter((note) => /gap|duplicate|localizer/.test(note))).toEqual([]);
  if (expected.within === undefined) expect(found).toMatchObject({ min: expected.min, max: expected.max, sha256: expected.sha256 });
  else {
    const values = await valuesOf(name);
    const furthest = (expected.values ?? []).reduce((most, value, i) => Math.max(most, Math.abs(value - (values[i] ?? NaN))), 0);
    expect(values).toHaveLength(expected.values?.length ?? NaN);
    expect(furthest).toBeLessThanOrEqual(expected.within);
  }
  if (expected.shown !== undefined) expect(sha((await scan.readSlice(0)).shown())).toBe(expected.shown);
});

it.each(Object.entries(index).filter(([, { voi }]) => voi !== undefined))('windows of %s', async (name, { voi }) => {
  const scan = await openDicomScan(platform, name);
  const { values } = await scan.readSlice(0);
  if (scan.voi === undefined) throw new Error('a window is expected');
  const shown = voiValues(values, scan.voi, scan.range);
  if (typeof voi === 'string') expect(sha(shown)).toBe(voi);
  else
    for (const [i, value] of (voi ?? []).entries()) expect(Math.abs((shown[i] ?? NaN) - value)).toBeLessThan(1e-9 * Math.abs(value) + 1e-9);
});

it.each(Object.entries(index).filter(([, { dcm2niix }]) => dcm2niix !== undefined))(
  'volume of %s is that of dcm2niix',
  async (name, one) => {
    const volume = await scanVolume(await openDicomScan(platform, name), name);
    expect(volume.shape).toEqual(one.dcm2niix?.shape);
    for (const [row, numbers] of (one.dcm2niix?.affine ?? []).entries())
      for (const [column, value] of numbers.entries()) expect(volume.affine[row]?.[column]).toBeCloseTo(value, 3);
    expect(sha(Float32Array.from(volume.voxels as Int16Array))).toBe(one.dcm2niix?.sha256);
  },
);

it.each(Object.entries(index).flatMap(([name, { volumes = [] }]) => volumes.map((one, at) => ({ name, volume: at + 1, one }))))(
  'volume $volume of $name',
  async ({ name, volume, one }) => {
    const scan = await openDicomScan(platform, name, { volume });
    const found = await described(platform, { kind: 'dicom', scan }, never);
    expect(found).toMatchObject({ size: one.size, sha256: one.sha256 });
    for (const [axis, mm] of one.spacing_mm.entries()) expect(found.spacing_mm[axis]).toBeCloseTo(mm ?? NaN, 9);
  },
);

it('MONOCHROME1 is shown with its least value white, and kept as it is stored', async () => {
  const { values, shown } = await (await openDicomScan(platform, 'monochrome1.dcm')).readSlice(0);
  const grey = shown();
  expect(grey[values.indexOf(Math.min(...values))]).toBe(255);
  expect(grey[values.indexOf(Math.max(...values))]).toBe(0);
});

it('a range is that of the stored bits after rescaling', () => {
  const format = { isSigned: true, bitsStored: 12 } as Parameters<typeof valueRange>[0];
  expect(valueRange(format, { kind: 'rescale', slope: 2, intercept: 10 })).toEqual([-4086, 4104]);
});
