/** Scans as pixels and their sizes: the same for what is shown and for what is trained on. */
import { sliceDimOf } from '../../src/data/drawn/annotation.ts';
import type { Plane } from '../../src/data/drawn/annotation.ts';
import type { PixelSize } from '../../src/data/drawn/measured.ts';
import { sliceAxes } from '../../src/data/medvision/landmarks.ts';
import type { DecodedImage, Platform } from '../../src/platform.ts';
import type { Scan } from '../studio/project.ts';

/** mm that a pixel is high and wide; null where the scan's size is not known. */
export function pixelSizeOf({ kind, spacing }: Pick<Scan, 'kind' | 'spacing'>, plane: Plane | null): PixelSize | null {
  if (spacing === null) return null;
  if (kind === 'picture' || plane === null) return [spacing[1] ?? NaN, spacing[0] ?? NaN];
  const [rowAxis, columnAxis] = sliceAxes({ sliceDim: sliceDimOf(plane) });
  return [spacing[rowAxis] ?? NaN, spacing[columnAxis] ?? NaN];
}

/** A picture's RGB. Greys of more than 8 bits are spread over what the picture uses, as viewers do. */
export async function pictureOf(files: Platform, { file, name }: Pick<Scan, 'file' | 'name'>): Promise<DecodedImage> {
  return files.decodeImage(await files.readFile(file), name, { sixteenBit: 'window' });
}
