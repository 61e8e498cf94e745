/** DICOM among the images of a data set: a series becomes a volume in RAS+, a projection one slice whose rows are the picture's. */
import { openDicomScan } from '../dicom/scan.ts';
import type { DicomScan } from '../dicom/scan.ts';
import { scanAffine, scanVolume } from '../dicom/toVolume.ts';
import type { NewVolume } from '../niftiWrite.ts';
import type { Platform } from '../../platform.ts';

const FLOAT32 = 16;

export interface DicomImage {
  volume: NewVolume;
  isPicture: boolean;
  notes: string[];
}

/**
 * @param path of a file, or of a folder with one series
 * @param pixelSize of a picture whose file tells none: mm along rows and columns
 * @throws UserError that names it
 */
export async function dicomImage(platform: Platform, path: string, pixelSize: readonly [number, number] | undefined): Promise<DicomImage> {
  const scan = await openDicomScan(platform, path);
  const notes = scan.notes.map((note) => `${path}: ${note}.`);
  const isPicture = scan.size[0] === 1 && scanAffine(scan) === undefined && scan.samples === 1;
  if (!isPicture) return { volume: await scanVolume(scan, path), isPicture, notes };
  return { volume: await projection(scan, pixelSize), isPicture, notes };
}

async function projection(scan: DicomScan, said: readonly [number, number] | undefined): Promise<NewVolume> {
  const [, height, width] = scan.size;
  const [, rowMm, columnMm] = scan.spacing;
  const { values } = await scan.readSlice(0);
  // MONOCHROME1 shows its greatest value black; a volume's greys are shown as they are.
  const top = scan.photometric === 'MONOCHROME1' ? values.reduce((sum, value) => Math.max(sum, value), -Infinity) : undefined;
  const voxels = new Float32Array(values.length);
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const value = values[row * width + column] ?? 0;
      voxels[column * height + row] = top === undefined ? value : top - value;
    }
  const size: readonly [number, number] | undefined = rowMm !== null && columnMm !== null ? [rowMm, columnMm] : said;
  const zooms: [number, number, number] = [...(size ?? [1, 1]), 1] as [number, number, number];
  const affine = [...zooms.map((zoom, axis) => [0, 1, 2, 3].map((at) => (at === axis ? zoom : 0))), [0, 0, 0, 1]];
  return { shape: [height, width, 1], zooms, affine, datatype: FLOAT32, voxels, isUnitless: size === undefined };
}
