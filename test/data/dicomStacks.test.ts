/** How slices are put in order: rounded, shifted, unnumbered, all of one identifier; what is said where they make no volume. */
import { expect, it } from 'vitest';
import { openDicomScan } from '../../src/data/dicom/scan.ts';
import { scanVolume } from '../../src/data/dicom/toVolume.ts';
import { imageHeader } from '../../src/data/imageHeader.ts';
import { dicomFile } from './dicomFile.ts';
import type { SmallDicom } from './dicomFile.ts';
import { holdingFiles } from './filesInMemory.ts';

const ORIENTATION = [1, 0, 0, 0, 1, 0];
type Slice = Partial<SmallDicom> & { name?: string };
const NOWHERE = { orientation: [] };

/** Slices whose values are their numbers; positions are written with six digits, so what is given is what is read. */
function stack(slices: readonly Slice[]): ReturnType<typeof holdingFiles> {
  const made = slices.map(({ name, ...slice }, i): [string, Uint8Array] => [
    `s/${name ?? String(i).padStart(3, '0')}`,
    dicomFile({ rows: 2, columns: 2, values: new Int16Array(4).fill(i), orientation: ORIENTATION, spacing: [0.5, 0.5], instance: i, ...slice }),
  ]);
  return holdingFiles(Object.fromEntries(made));
}

const rounded = (step: number, digits: number, count = 20): Slice[] =>
  Array.from({ length: count }, (_, i) => ({ position: [-20, -25, Number((-10 + step * i).toFixed(digits))] }));

it.each([
  [0.625, 2],
  [1.25, 1],
  [0.3125, 2],
])('slices %f mm apart are even where positions have %i digits', async (step, digits) => {
  const platform = stack(rounded(step, digits));
  const scan = await openDicomScan(platform, 's');
  expect(scan.notes).toEqual([]);
  expect(Math.abs(scan.spacing[0]! - step)).toBeLessThan(10 ** -digits / 10);
  expect((await scanVolume(scan, 's')).shape).toEqual([2, 2, 20]);
});

it.each<[string, number[]]>([
  // 0.625 mm apart but for one that is missing, or one that lies 0.1 mm off.
  ['one is missing', [0, 0.63, 1.25, 2.5, 3.13]],
  ['one lies off', [0, 0.63, 1.35, 1.88, 2.5]],
  ['whole mm', [0, 5, 10, 16, 21]],
  ['coarse digits', [0, 0.3, 0.7, 1, 1.3]],
])('slices are uneven: %s', async (_, places) => {
  const scan = await openDicomScan(stack(places.map((mm) => ({ position: [0.5, 0, mm] }))), 's');
  expect(scan.spacing[0]).toBe(null);
  expect(scan.notes.join()).toContain('gaps: its slices do not lie evenly');
  await expect(scanVolume(scan, 's')).rejects.toThrow('no volume can be made of it: gaps');
});

it('slices that jump sideways make no volume; those on a slanted line do', async () => {
  const of = (sideways: (i: number) => number): ReturnType<typeof holdingFiles> =>
    stack(Array.from({ length: 8 }, (_, i) => ({ position: [sideways(i), 0, 2 * i] })));
  const jumps = await openDicomScan(of((i) => (i < 5 ? 0 : 30)), 's'); // prettier-ignore
  expect(jumps.spacing).toEqual([2, 0.5, 0.5]);
  expect(jumps.notes.join()).toContain('slice 5 lies 17.1429 mm beside the line from the first to the last');
  await expect(scanVolume(jumps, 's')).rejects.toThrow('lie on no straight line');
  const slants = await openDicomScan(of((i) => 0.5 * i), 's'); // prettier-ignore
  expect(slants.notes.join()).toContain('sheared (a tilted gantry): each lies 0.500 mm beside');
  expect((await scanVolume(slants, 's')).affine[0]?.map((mm) => mm || 0)).toEqual([0.5, 0, -0.5, -0.5]);
});

it('slices of one SOPInstanceUID are kept where they lie apart, copies are not', async () => {
  const apart = Array.from({ length: 4 }, (_, i) => ({ position: [0, 0, 2 * i], object: '1.2.3.9' }));
  const scan = await openDicomScan(stack([...apart, apart[2]!]), 's');
  expect(scan.size).toEqual([4, 2, 2]);
  expect(scan.notes).toEqual([
    '3 images have the SOPInstanceUID of another one but are other images, and are kept',
    '1 file is a duplicate of another one (same SOPInstanceUID) and left out',
  ]);
});

it.each<[string, (i: number) => number | null, string, number[]]>([
  ['numbers', (i) => 12 - i, 'their numbers', [11, 10, 9]],
  ['no numbers', () => null, 'their file names', [0, 1, 2]],
  ['one number', () => 1, 'their file names', [0, 1, 2]],
])('without positions the order is that of numbers, or of names as people count: %s', async (_, instance, by, first) => {
  const slices = Array.from({ length: 12 }, (_, i): Slice => ({ name: `IM${i + 1}`, instance: instance(i), object: `1.2.3.4.9${i}` }));
  const scan = await openDicomScan(stack(slices.map((slice) => ({ ...slice, ...NOWHERE }))), 's');
  expect(scan.notes.join()).toContain(`in the order of ${by}`);
  const values = await Promise.all([0, 1, 2].map(async (i) => (await scan.readSlice(i)).values[0]));
  expect(values).toEqual(first);
});

it('images that all lie at one place are no volume', async () => {
  const still = await openDicomScan(stack([0, 1, 2].map(() => ({ position: [0, 0, 0] }))), 's');
  await expect(scanVolume(still, 's')).rejects.toThrow('no volume can be made of it: all 3 images lie at one place');
});

it('pixel sizes may be rounded, not different', async () => {
  const of = (mm: number): Slice[] => [0, 1].map((i): Slice => ({ position: [0, 0, i], spacing: [i === 0 ? 0.5 : mm, 0.5] }));
  expect((await openDicomScan(stack(of(0.5000001)), 's')).spacing).toEqual([1, 0.5, 0.5]);
  await expect(openDicomScan(stack(of(0.501)), 's')).rejects.toThrow('pixels of different sizes');
});

it('the odd one is named', async () => {
  const flat = [0, 1, 2].map((i): Slice => ({ position: [0, 0, i] }));
  await expect(openDicomScan(stack([...flat, { name: 'odd ä', rows: 1, columns: 4 }]), 's')).rejects.toThrow('1×4 (rows × columns; s/odd ä)');
  await expect(openDicomScan(stack([...flat, { name: 'odd ä' }]), 's')).rejects.toThrow('no position (ImagePositionPatient), as s/odd ä');
});

it('what is no image is told what to do with', async () => {
  const mosaic = { position: [0, 0, 0], imageType: 'ORIGINAL\\PRIMARY\\M\\ND\\MOSAIC' };
  await expect(openDicomScan(stack([mosaic]), 's')).rejects.toThrow('side by side (a mosaic by Siemens), which is not taken apart here. Convert it by dcm2niix.');
  await expect(openDicomScan(holdingFiles({ 'd/DICOMDIR': new Uint8Array(200) }), 'd/DICOMDIR')).rejects.toThrow('Give the folder that it lies in.');
  const zip = Uint8Array.of(0x50, 0x4b, 3, 4, ...new Uint8Array(60));
  expect(() => imageHeader(zip, 'study.zip')).toThrow('study.zip: it is a ZIP archive, which is not read. Unpack it, and give what lies in it.');
});
