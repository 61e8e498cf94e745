/** In the worker: a slice that is asked about, as the picture and the size of a pixel that rows of it have. */
import { sliceDimOf } from '../../src/data/drawn/annotation.ts';
import type { Plane } from '../../src/data/drawn/annotation.ts';
import { openVolume } from '../../src/data/nifti.ts';
import { UserError } from '../../src/platform.ts';
import type { Platform } from '../../src/platform.ts';
import { intensityFor, pixelSizeOf, sliceSeen } from '../data/scanPixels.ts';
import type { Scan } from '../studio/project.ts';
import { texts } from '../texts.ts';

export interface SliceChoice extends Pick<Scan, 'name' | 'modality' | 'intensity' | 'spacing'> {
  /** Where a scan of the project lies, or a volume that was picked. */
  file: string | File;
  plane: Plane;
  /** From 0; NaN where nothing was said. */
  index: number;
  /** What a window for CT is chosen by. */
  structure: string;
}

export interface AskedSlice {
  /** PNG. */
  bytes: Uint8Array;
  /** For messages. */
  path: string;
  /** mm, as `pixel_size` has it; absent where neither the scan nor the file says it. */
  pixelSize?: [width: number, height: number];
}

/** @param file where the volume lies @throws UserError for a slice that is not there */
export async function askedSlice(
  files: Platform,
  file: string,
  { name, plane, index, structure, spacing, ...levels }: Omit<SliceChoice, 'file'>,
): Promise<AskedSlice> {
  const volume = await openVolume(files, file);
  const dim = sliceDimOf(plane);
  const last = volume.shape[dim] - 1;
  if (!Number.isInteger(index) || index < 0 || index > last) throw new UserError(texts.use.noSlice(name, plane, last));
  const path = `${name}, ${plane} ${index}`;
  const { data, width, height } = sliceSeen(await volume.slice(dim, index), intensityFor(levels, structure), path);
  const bytes = await files.encodePng(data, width, height, 3);
  const said = spacing ?? (volume.header.hasZooms ? [...volume.zooms] : null);
  const size = pixelSizeOf({ kind: 'volume', spacing: said }, plane);
  return { bytes, path, ...(size && { pixelSize: [size[1], size[0]] }) };
}
