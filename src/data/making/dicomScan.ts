/**
 * DICOM among the images of a data set: a series becomes a volume in RAS+, a projection or a picture in colour one slice whose rows are the
 * picture's.
 */
import { openDicomScan } from '../dicom/scan.ts';
import type { DicomScan, ScanChoice, ScanSlice } from '../dicom/scan.ts';
import { scanAffine, scanVolume } from '../dicom/toVolume.ts';
import type { NewVolume } from '../niftiWrite.ts';
import type { Platform } from '../../platform.ts';
import { flatVolume, luma } from './flatVolume.ts';

const FLOAT32 = 16;

export interface DicomImage {
  volume: NewVolume;
  isPicture: boolean;
  notes: string[];
}

/**
 * @param path of a file, or of a folder with one series
 * @param pixelSize of a picture whose file tells none: mm along rows and columns
 * @param choice of several series or volumes in the folder
 * @throws UserError that names it
 */
export async function dicomImage(
  platform: Platform,
  path: string,
  pixelSize: readonly [number, number] | undefined,
  choice: ScanChoice,
): Promise<DicomImage> {
  const scan = await openDicomScan(platform, path, choice);
  const notes = scan.notes.map((note) => `${path}: ${note}.`);
  const isPicture = scan.size[0] === 1 && (scanAffine(scan) === undefined || isColoured(scan));
  if (!isPicture) return { volume: await scanVolume(scan, path), isPicture, notes };
  return { volume: await projection(scan, pixelSize), isPicture, notes };
}

const isColoured = ({ samples, photometric }: DicomScan): boolean => samples === 3 || photometric === 'PALETTE COLOR';

async function projection(scan: DicomScan, said: readonly [number, number] | undefined): Promise<NewVolume> {
  const [, height, width] = scan.size;
  const [, rowMm, columnMm] = scan.spacing;
  const greys = greysOf(scan, await scan.readSlice(0));
  const size: readonly [number, number] | undefined = rowMm !== null && columnMm !== null ? [rowMm, columnMm] : said;
  const form = { datatype: FLOAT32, voxels: new Float32Array(height * width) };
  return flatVolume([height, width], form, size, (row, column) => greys(row * width + column));
}

/** The grey of each pixel, from its index. */
function greysOf(scan: DicomScan, slice: ScanSlice): (at: number) => number {
  if (isColoured(scan)) {
    const rgb = slice.rgb();
    return (at) => luma(rgb, 3 * at);
  }
  const { values } = slice;
  // MONOCHROME1 shows its greatest value black; a volume's greys are shown as they are.
  if (scan.photometric !== 'MONOCHROME1') return (at) => values[at] ?? 0;
  const top = values.reduce((sum, value) => Math.max(sum, value), -Infinity);
  return (at) => top - (values[at] ?? 0);
}
