/** Series among mixed files: each is found, studies stay together, what cannot be read is told of by its path. */
import { readFileSync } from 'node:fs';
import { unzipSync } from 'fflate';
import { expect, it } from 'vitest';
import { DICOM_LIMITS } from '../../src/data/dicom/limits.ts';
import { asOne, seriesAmong } from '../../src/data/dicom/series.ts';
import { patientOf } from '../../src/data/drawn/sides.ts';
import { VolumeCache } from '../../src/data/medvision/slices.ts';
import { openDicomScan } from '../../src/data/dicom/scan.ts';
import { openAnyVolume } from '../../src/data/openVolume.ts';
import { parseFor } from '../../src/options/program.ts';
import { volumeProgram } from '../../src/options/volume.ts';
import { runVolume } from '../../src/run/volume/volume.ts';
import { dicomFile } from './dicomFile.ts';
import { holdingFiles } from './filesInMemory.ts';

const objects = unzipSync(readFileSync(new URL('../golden/dicom_objects.zip', import.meta.url)));

function as(name: string, study: string, series: string): Uint8Array {
  const text = Buffer.from(objects[name]!).toString('latin1').replaceAll('1.2.3.77', study).replaceAll('1.2.3.78', series);
  return Buffer.from(text, 'latin1');
}

it('mixed files are put into series', async () => {
  const files = {
    'a/1': as('axial/000.dcm', '1.2.3.71', '1.2.3.82'),
    'a/2': as('cr_imager.dcm', '1.2.3.72', '1.2.3.83'),
    'a/3': as('axial/001.dcm', '1.2.3.71', '1.2.3.82'),
    'a/4': as('sagittal/000.dcm', '1.2.3.71', '1.2.3.81'),
    'a/5': as('axial/000.dcm', '1.2.3.71', '1.2.3.82'),
    'a/6': as('axial/002.dcm', '1.2.3.71', '1.2.3.82').subarray(0, 900),
    'a/DICOMDIR': as('axial/002.dcm', '1.2.3.71', '1.2.3.84'),
  };
  const told: string[] = [];
  const found = await seriesAmong(holdingFiles(files), Object.keys(files), DICOM_LIMITS, (path) => {
    told.push(path);
    return Promise.resolve();
  });
  const paths = found.series.map((series) => series.map(({ path }) => path));
  expect(paths).toEqual([['a/1', 'a/3', 'a/5'], ['a/4'], ['a/2']]);
  expect(found.faults.map(({ path }) => path)).toEqual(['a/6']);
  expect(found.withoutPixels).toEqual([]);
  expect(told).toEqual(Object.keys(files));
  const { files: kept, notes } = asOne(found.series[0]!, 'scan');
  expect(kept.map(({ path }) => path)).toEqual(['a/1', 'a/3']);
  expect(notes).toEqual(['1 file is a duplicate of another one (same SOPInstanceUID) and left out']);
  expect(() => asOne(found.series.flat(), 'scan')).toThrow('scan: 3 series are mixed here');
});

/** Three series of two slices; their values say which. */
function mixed(): Record<string, Uint8Array> {
  const of = [
    { uid: '1.2.3.11', number: 3, description: 'T1 Größe' },
    { uid: '1.2.3.12', number: 40, description: 'Jane Doe, T2' },
    { uid: '1.2.3.13', number: 3, description: '40' },
  ];
  return Object.fromEntries(
    of.flatMap((series, s) =>
      [0, 1].map((slice) => {
        const [spacing, orientation] = [[1, 1] as const, [1, 0, 0, 0, 1, 0]];
        const values = Int16Array.of(s, s, s, s);
        const file = dicomFile({
          rows: 2,
          columns: 2,
          values,
          position: [0, 0, slice],
          orientation,
          spacing,
          instance: 10 * s + slice,
          series,
        });
        return [`study/${s}${slice}`, file];
      }),
    ),
  );
}

it.each<[string, number]>([
  [' t1 größe', 0],
  ['1.2.3.12', 1],
  ['jane doe, T2', 1],
  ['1.2.3.13', 2],
])('a series among others is read when it is named: %s', async (series, which) => {
  const platform = holdingFiles(mixed());
  const scan = await openDicomScan(platform, 'study', { series });
  expect(scan.size).toEqual([2, 2, 2]);
  expect([...(await scan.readSlice(1)).values]).toEqual([which, which, which, which]);
  expect(scan.notes).toContain('4 images of other series left out');
  const volume = await openAnyVolume(platform, 'study', { series });
  expect([...(await volume.slice(2, 0)).values]).toEqual([which, which, which, which]);
});

it('what is mixed, or asked for and not there, is told by numbers, without what people wrote', async () => {
  const platform = holdingFiles(mixed());
  const said = async (series: string | null): Promise<string> => {
    const error: unknown = await openDicomScan(platform, 'study', { series }).catch((cause: unknown) => cause);
    return error instanceof Error ? error.message : '';
  };
  const all = 'series 3 (CT, 2 files, 2×2), series 40 (CT, 2 files, 2×2), series 3 (CT, 2 files, 2×2)';
  expect(await said(null)).toBe(
    `study: 3 series are mixed here: ${all}. Choose one with vernier volume, ask and dataset make by its SeriesInstanceUID or ` +
      'SeriesDescription: --series TEXT; or give a folder with one. A plan has no such choice: let its image_file name what ' +
      'vernier volume study --series TEXT --out scan.nii.gz writes.',
  );
  // So does a plan whose image_file is that folder, of its header and of its voxels.
  const inData = Object.fromEntries(Object.entries(mixed()).map(([path, file]) => [`data/${path}`, file]));
  const volumes = new VolumeCache(holdingFiles(inData), 'data');
  const words = /3 series are mixed here: .* A plan has no such choice/;
  await expect(volumes.header('study')).rejects.toThrow(words);
  await expect(volumes.open('study')).rejects.toThrow(words);
  // A number that two have, and one that is the name of another.
  expect(await said('3')).toContain('study: 2 series are mixed here: series 3');
  expect(await said('40')).toContain('study: 2 series are mixed here: series 40 (CT, 2 files, 2×2), series 3');
  expect(await said('7')).toBe(`study: no image is of series "7"; there is ${all}. Choose one by its number.`);
  for (const series of [null, '3', '7']) expect(await said(series)).not.toMatch(/Jane|Größe|1\.2\.3/);
});

it('what is written of one of several series is what a plan may name', async () => {
  const platform = holdingFiles(mixed());
  const written: Record<string, Uint8Array> = {};
  const writeFile = (path: string, data: Uint8Array | string): Promise<void> => Promise.resolve(void (written[path] = data as Uint8Array));
  const { options } = parseFor(volumeProgram, { input: 'study', series: '40', out: 'data/scan.nii.gz' });
  await expect(
    runVolume({ platform: { ...platform, writeFile }, options, terminal: { write: () => undefined }, stop: new AbortController().signal }),
  ).rejects.toThrow('2 series are mixed here');
  options.series = '1.2.3.12';
  await runVolume({ platform: { ...platform, writeFile }, options, terminal: { write: () => undefined }, stop: new AbortController().signal });
  const volumes = new VolumeCache(holdingFiles(written), 'data');
  const [named, chosen] = [await volumes.open('scan.nii.gz'), await openAnyVolume(platform, 'study', { series: '1.2.3.12' })];
  expect(named.shape).toEqual(chosen.shape);
  for (const dim of [0, 1, 2] as const) expect((await named.slice(dim, 1)).values).toEqual((await chosen.slice(dim, 1)).values);
});

it('empty files of a folder are named', async () => {
  const { '00': _, ...others } = mixed();
  const files = { ...others, 'study/IM0007': new Uint8Array(), 'study/a.dcm': new Uint8Array(), 'study/notes.txt': Uint8Array.of(65) };
  const { notes } = await openDicomScan(holdingFiles(files), 'study', { series: '1.2.3.12' });
  expect(notes).toContain('2 empty files (IM0007, a.dcm) left out; if they are images of the series, fetch them again');
  expect(notes).toContain('1 file of the folder is no DICOM and left out');
  await expect(openDicomScan(holdingFiles({ 'e/a.dcm': new Uint8Array() }), 'e')).rejects.toThrow(
    'no DICOM file with an image lies here (0 other files, 1 empty file (a.dcm)). Give the folder of a series.',
  );
});

it('scans of one study are held out together', () => {
  expect(patientOf('Study 12, CT series 1')).toBe('Study 12');
  expect(patientOf('Study 12, X-ray image 3')).toBe('Study 12');
  expect(patientOf('Study 12.png')).toBe('Study 12');
  expect(patientOf('Study 1 of knees, left.png')).toBe('Study 1 of knees, left');
});
