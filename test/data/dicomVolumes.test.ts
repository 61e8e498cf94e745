/** Series of several volumes (test/golden/dicom_volumes.py): each is dcm2niix's, and chosen by its number, which the error tells. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { unzipSync } from 'fflate';
import { expect, it } from 'vitest';
import { openDicomScan } from '../../src/data/dicom/scan.ts';
import { scanVolume } from '../../src/data/dicom/toVolume.ts';
import { dicomImage } from '../../src/data/making/dicomScan.ts';
import { sliceToRgb } from '../../src/data/medvision/intensity.ts';
import { openVolume } from '../../src/data/nifti.ts';
import { openAnyVolume } from '../../src/data/openVolume.ts';
import { parseFor } from '../../src/options/program.ts';
import { volumeProgram } from '../../src/options/volume.ts';
import { FLAGS, namedPictures } from '../../src/run/ask/pictures.ts';
import { runVolume } from '../../src/run/volume/volume.ts';
import { dicomFile } from './dicomFile.ts';
import type { SmallDicom } from './dicomFile.ts';
import { holdingFiles } from './filesInMemory.ts';

const { 'index.json': indexBytes = new Uint8Array(), ...files } = unzipSync(readFileSync(new URL('../golden/dicom_volumes.zip', import.meta.url)));
const index = JSON.parse(new TextDecoder().decode(indexBytes)) as Record<string, { shape: number[]; affine: number[][]; sha256: string }[]>;
const platform = holdingFiles(files);

/** What the error says of each. */
const LISTED: Record<string, { listed: string; why: string }> = {
  echoes: { why: '4 images lie at the place of another one (8 images at 4 places)', listed: 'volume 1 (EchoTime 4.6 ms, 4 images), volume 2 (EchoTime 12 ms, 4 images)' },
  times: { why: '8 images lie', listed: 'volume 1 (TemporalPositionIdentifier 1, 4 images), volume 2 (TemporalPositionIdentifier 2, 4 images), volume 3 (TemporalPositionIdentifier 3, 4 images)' },
  parts: { why: '4 images lie', listed: 'volume 1 (ImageType ORIGINAL/PRIMARY/M, 4 images), volume 2 (ImageType ORIGINAL/PRIMARY/P, 4 images)' },
  unnamed: { why: '8 images lie', listed: 'volume 1 (image 1 of each place in the order of InstanceNumber, 4 images), volume 2 (image 2 of' },
  orientations: { why: 'its images lie in 3 orientations', listed: 'volume 1 (axial, 3 images), volume 2 (sagittal, 3 images), volume 3 (coronal, 3 images)' },
  enhanced_times: { why: '4 images lie', listed: 'volume 1 (TemporalPositionIdentifier 1, 4 images), volume 2 (TemporalPositionIdentifier 2, 4 images)' },
  // The frames of the later echo come first in the file.
  enhanced_echoes: { why: '4 images lie', listed: 'volume 1 (EchoTime 4.6 ms, 4 images), volume 2 (EchoTime 12 ms, 4 images)' },
};

it.each(Object.entries(LISTED))('%s', async (name, { listed, why }) => {
  const path = name.startsWith('enhanced') ? `${name}/x.dcm` : name;
  const theirs = index[name] ?? [];
  expect(theirs.length).toBeGreaterThan(1);
  const error: unknown = await openDicomScan(platform, path).catch((cause: unknown) => cause);
  const words = error instanceof Error ? error.message : '';
  expect(words).toContain(`${path}: ${why}`);
  expect(words).toContain(`These are ${theirs.length} volumes: ${listed}`);
  expect(words).toContain(`--volume N. A plan has no such choice: let its image_file name what vernier volume ${path} --volume N --out scan.nii.gz writes.`);
  for (const at of theirs.keys()) {
    const one = theirs[at];
    const scan = await openDicomScan(platform, path, { volume: at + 1 });
    expect(scan.notes.join()).toMatch(new RegExp(`this is volume ${at + 1} of ${theirs.length} \\(.*\\); \\d+ images of others left out`));
    const volume = await scanVolume(scan, name);
    expect(volume.shape).toEqual(one?.shape);
    for (const [row, numbers] of (one?.affine ?? []).entries())
      for (const [column, value] of numbers.entries()) expect(volume.affine[row]?.[column]).toBeCloseTo(value, 3);
    const values = Float32Array.from(volume.voxels as Int16Array);
    expect(createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex')).toBe(one?.sha256);
    expect((await openAnyVolume(platform, path, { volume: at + 1 })).shape).toEqual(one?.shape);
  }
  await expect(openDicomScan(platform, path, { volume: 9 })).rejects.toThrow(`--volume 9: there are ${theirs.length} volumes: ${listed}`);
});

type Slice = Partial<SmallDicom>;
const ORIENTATION = [1, 0, 0, 0, 1, 0];

function stack(slices: readonly Slice[]): ReturnType<typeof holdingFiles> {
  const made = slices.map((slice, i): [string, Uint8Array] => [
    `s/${String(i).padStart(3, '0')}`,
    dicomFile({ rows: 2, columns: 2, values: new Int16Array(4).fill(i), orientation: ORIENTATION, spacing: [0.5, 0.5], instance: i, ...slice }),
  ]);
  return holdingFiles(Object.fromEntries(made));
}

const at = (mm: number, more: Slice = {}): Slice => ({ position: [0, 0, mm], ...more });

it('a volume that was not finished is one beside those that were', async () => {
  const cut = stack([0, 1, 2].flatMap((turn) => [0, 2, 4].flatMap((mm) => (turn === 2 && mm === 4 ? [] : [at(mm, { temporal: turn })]))));
  expect((await openDicomScan(cut, 's', { volume: 2 })).size).toEqual([3, 2, 2]);
  expect((await openDicomScan(cut, 's', { volume: 3 })).size).toEqual([2, 2, 2]);
});

it('numbers of acquisitions that change by slice tell nothing apart, two attributes together do', async () => {
  const both = stack(
    [0, 1].flatMap((temporal) => ['M', 'P'].flatMap((part) => [0, 2].map((mm) => at(mm, { temporal, imageType: `ORIGINAL\\PRIMARY\\${part}`, acquisition: mm + 10 * temporal })))),
  );
  const { notes, readSlice } = await openDicomScan(both, 's', { volume: 3 });
  expect(notes).toEqual(['this is volume 3 of 4 (TemporalPositionIdentifier 1, ImageType ORIGINAL/PRIMARY/M); 6 images of others left out']);
  expect([...(await readSlice(1)).values]).toEqual([5, 5, 5, 5]);
});

it('what cannot be told apart is refused: numbers that mix volumes, places with more images than others, no numbers', async () => {
  const words = /which are of one volume is not told\. Give those of one alone/;
  const mixed = [at(0, { temporal: 1 }), at(0, { temporal: 2 }), at(2, { temporal: 2 }), at(2, { temporal: 3 })];
  await expect(openDicomScan(stack(mixed), 's')).rejects.toThrow(/2 images lie .* which differ in TemporalPositionIdentifier \(3 values\); which are/);
  await expect(openDicomScan(stack([at(0), at(2), at(2)]), 's', { volume: 1 })).rejects.toThrow(words);
  const unnumbered = [0, 2, 0, 2].map((mm, i) => at(mm, { instance: null, object: `1.2.3.${i}` }));
  await expect(openDicomScan(stack(unnumbered), 's')).rejects.toThrow(words);
});

it('of a sequence in time at one place an image can be chosen; one volume is the first', async () => {
  const still = stack([0, 1, 2].map((temporal) => at(0, { temporal })));
  expect((await openDicomScan(still, 's')).size).toEqual([3, 2, 2]);
  const one = await openAnyVolume(still, 's', { volume: 2 });
  expect([one.shape, ...(await one.slice(2, 0)).values]).toEqual([[2, 2, 1], 1, 1, 1, 1]);
  const single = stack([0, 2].map((mm) => at(mm)));
  expect((await openDicomScan(single, 's', { volume: 1 })).notes).toEqual([]);
  await expect(openDicomScan(single, 's', { volume: 2 })).rejects.toThrow('s: --volume 2: there is one volume.');
  const nowhere = stack([{ orientation: [] }, { orientation: [] }]);
  await expect(openDicomScan(nowhere, 's', { volume: 2 })).rejects.toThrow('--volume 2: its images have no positions');
});

it('nothing that people wrote is told', async () => {
  const written = ['ORIGINAL\\PRIMARY\\JANE DOE', 'ORIGINAL\\PRIMARY\\JOHN DOE'];
  const error: unknown = await openDicomScan(stack(written.flatMap((imageType) => [0, 2].map((mm) => at(mm, { imageType })))), 's').catch((cause: unknown) => cause);
  expect(String(error)).toContain('volume 1 (ImageType ORIGINAL/PRIMARY, 2 images), volume 2 (ImageType ORIGINAL/PRIMARY, 2 images)');
  expect(String(error)).not.toMatch(/DOE/);
});

it('volume, ask and dataset make take the one that is chosen', async () => {
  const wanted = await openAnyVolume(platform, 'echoes', { volume: 2 });
  const written = new Map<string, Uint8Array>();
  const writing = { ...platform, writeFile: (path: string, data: Uint8Array | string) => Promise.resolve(void written.set(path, data as Uint8Array)) };
  const { options } = parseFor(volumeProgram, { input: 'echoes', volume: '2', out: 'x.nii' });
  await runVolume({ platform: writing, options, terminal: { write: () => undefined }, stop: new AbortController().signal });
  const file = await openVolume(holdingFiles({ 'x.nii': written.get('x.nii')! }), 'x.nii');
  expect((await file.slice(2, 1)).values).toEqual((await wanted.slice(2, 1)).values);

  const choice = { slices: ['axial:1'], intensity: 'minmax', modality: '', structure: '', words: FLAGS } as const;
  const [[asked], [other]] = [
    await namedPictures(platform, ['echoes'], { ...choice, scan: { volume: 2 } }),
    await namedPictures(platform, ['echoes'], { ...choice, scan: { volume: 1 } }),
  ];
  const { data } = sliceToRgb(await wanted.slice(2, 1), 'minmax');
  const [shown, beside] = await Promise.all([asked, other].map((picture) => platform.decodeImage((picture?.source as { bytes: Uint8Array }).bytes, 'x')));
  expect(shown?.data).toEqual(data);
  expect(beside?.data).not.toEqual(data);

  const { volume } = await dicomImage(platform, 'echoes', undefined, { volume: 2 });
  expect([...volume.voxels]).toEqual([...(await file.stored())]);
  for (const out of ['x.nii', null])
    await expect(
      runVolume({ platform: holdingFiles({ 'a.nii': written.get('x.nii')! }), options: { ...options, input: ['a.nii'], out }, terminal: { write: () => undefined }, stop: new AbortController().signal }),
    ).rejects.toThrow('a.nii is no DICOM, so --volume chooses nothing there. Leave it out.');
});
