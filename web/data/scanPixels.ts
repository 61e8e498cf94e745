/** Scans as pixels and their sizes: the same for what is shown and for what is trained on. */
import { sliceDimOf } from '../../src/data/drawn/annotation.ts';
import type { DrawnAnnotation, SliceSize } from '../../src/data/drawn/annotation.ts';
import type { Plane } from '../../src/data/planes.ts';
import type { DicomScan } from '../../src/data/dicom/scan.ts';
import type { PixelSize } from '../../src/data/drawn/measured.ts';
import { checkFinite, intensityOf, percentiles, sliceToRgb } from '../../src/data/medvision/intensity.ts';
import type { Intensity, Window } from '../../src/data/medvision/intensity.ts';
import { sliceAxes } from '../../src/data/medvision/landmarks.ts';
import type { VolumeSlice } from '../../src/data/nifti.ts';
import { UserError } from '../../src/platform.ts';
import type { DecodedImage, Platform } from '../../src/platform.ts';
import type { Scan } from '../studio/project.ts';

/** mm that a pixel is high and wide; null where the scan's size is not known. */
export function pixelSizeOf({ kind, spacing }: Pick<Scan, 'kind' | 'spacing'>, plane: Plane | null): PixelSize | null {
  if (spacing === null) return null;
  if (kind === 'picture' || plane === null) return [spacing[1] ?? NaN, spacing[0] ?? NaN];
  const [rowAxis, columnAxis] = sliceAxes({ sliceDim: sliceDimOf(plane) });
  return [spacing[rowAxis] ?? NaN, spacing[columnAxis] ?? NaN];
}

/** [a column, a row], as `spacing` of a picture of DICOM; null where the file does not say it. */
export function pictureSpacing({ spacing: [, rows, columns] }: DicomScan): [number, number] | null {
  return rows === null || columns === null ? null : [columns, rows];
}

/** A picture's RGB. Greys of more than 8 bits are spread over what the picture uses, as viewers do. */
export async function pictureOf(files: Platform, { file, name }: Pick<Scan, 'file' | 'name'>): Promise<DecodedImage> {
  return files.decodeImage(await files.readFile(file), name, { sixteenBit: 'window' });
}

/** What goes wrong with a scan's copy is said of the scan: nobody knows where the copy lies. */
export async function ofScan<T>({ file, name }: Pick<Scan, 'file' | 'name'>, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(error.message.replaceAll(file, name), { cause: error });
  }
}

/** What a window for CT is chosen by. */
export function structureOf({ shape, label }: Pick<DrawnAnnotation, 'shape' | 'label'>): string {
  return shape === 'box' || shape === 'ellipse' ? label.trim() : '';
}

/** How the model sees a volume where that structure is asked for. */
export function intensityFor({ intensity, modality }: Pick<Scan, 'intensity' | 'modality'>, structure: string): Intensity {
  return intensityOf(intensity, modality, structure);
}

/** The slice as the model sees it. @throws UserError that begins with `where`, for values that are no numbers */
export function sliceSeen(slice: VolumeSlice, intensity: Intensity, where: string): DecodedImage {
  checkFinite(slice, where);
  return sliceToRgb(slice, intensity);
}

/** Of a slice: what its values reach from and to. */
export interface Ranges {
  minmax: Window;
  percentile: Window;
}

/** Of what is finite. */
export function rangesOf(values: Float32Array): Ranges {
  let [least, greatest] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < least && value !== -Infinity) least = value;
    if (value > greatest && value !== Infinity) greatest = value;
  }
  const minmax = least <= greatest ? { low: least, high: greatest } : { low: 0, high: 1 };
  const [low, high] = percentiles(values);
  return { minmax, percentile: Number.isFinite(low) && Number.isFinite(high) ? { low, high } : minmax };
}

/** What is black and white to the model. */
export function windowSeen({ minmax, percentile }: Ranges, intensity: Intensity): Window {
  if (typeof intensity === 'object') return intensity;
  return intensity === 'percentile' ? percentile : minmax;
}

/** Of the slices of a plane. @param shape of the scan: voxels along its axes, or height and width of a picture; null: not read yet */
export function sizeOf(shape: readonly number[] | null, plane: Plane | null): SliceSize | undefined {
  if (shape === null) return undefined;
  if (plane === null) return { height: shape[0] ?? 0, width: shape[1] ?? 0 };
  const [rowAxis, columnAxis] = sliceAxes({ sliceDim: sliceDimOf(plane) });
  return { height: shape[rowAxis] ?? 0, width: shape[columnAxis] ?? 0 };
}
