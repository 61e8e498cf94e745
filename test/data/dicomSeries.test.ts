/** Series among mixed files: each is found, studies stay together, what cannot be read is told of by its path. */
import { readFileSync } from 'node:fs';
import { unzipSync } from 'fflate';
import { expect, it } from 'vitest';
import { DICOM_LIMITS } from '../../src/data/dicom/limits.ts';
import { asOne, seriesAmong } from '../../src/data/dicom/series.ts';
import { patientOf } from '../../src/data/drawn/sides.ts';
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

it('scans of one study are held out together', () => {
  expect(patientOf('Study 12, CT series 1')).toBe('Study 12');
  expect(patientOf('Study 12, X-ray image 3')).toBe('Study 12');
  expect(patientOf('Study 12.png')).toBe('Study 12');
  expect(patientOf('Study 1 of knees, left.png')).toBe('Study 1 of knees, left');
});
