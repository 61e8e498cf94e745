/** A slice that is asked about, as the picture and the size of a pixel that rows of it have. */
import { sliceDimOf } from '../../src/data/drawn/annotation.ts';
import type { Plane } from '../../src/data/planes.ts';
import type { Volume } from '../../src/data/nifti.ts';
import { UserError } from '../../src/platform.ts';
import type { DecodedImage } from '../../src/platform.ts';
import { intensityFor, pixelSizeOf, sliceSeen } from '../data/scanPixels.ts';
import type { Scan } from '../studio/project.ts';
import { texts } from '../texts.ts';

export interface SliceChoice extends Pick<Scan, 'name' | 'modality' | 'intensity' | 'spacing'> {
  /** Where a scan of the project lies, or a volume that was picked. */
  file: string | File;
  plane: Plane;
  /** From 0. */
  index: number;
  /** What a window for CT is chosen by. */
  structure: string;
}

export interface AskedSlice {
  image: DecodedImage;
  /** For messages. */
  path: string;
  /** mm, as `pixel_size` has it; absent where neither the scan nor the file says it. */
  pixelSize?: [width: number, height: number];
}

/** @throws UserError for a slice that is not there */
export async function askedSlice(
  volume: Volume,
  { name, plane, index, structure, spacing, ...levels }: Omit<SliceChoice, 'file'>,
): Promise<AskedSlice> {
  const dim = sliceDimOf(plane);
  const last = volume.shape[dim] - 1;
  if (!Number.isInteger(index) || index < 0 || index > last) throw new UserError(texts.use.noSlice(name, plane, last));
  const path = `${name}, ${plane} ${index}`;
  const image = sliceSeen(await volume.slice(dim, index), intensityFor(levels, structure), path);
  const said = spacing ?? (volume.header.hasZooms ? [...volume.zooms] : null);
  const size = pixelSizeOf({ kind: 'volume', spacing: said }, plane);
  return { image, path, ...(size && { pixelSize: [size[1], size[0]] }) };
}
