/** A picture as a volume of one slice, whose rows are the picture's. */
import type { VoxelArray } from '../niftiHeader.ts';
import type { NewVolume } from '../niftiWrite.ts';

/**
 * @param into voxels of the picture's height × width, written: the picture's value at each row and column
 * @param pixelSize mm along rows and columns; undefined: unknown
 */
export function flatVolume(
  [height, width]: readonly [number, number],
  { datatype, voxels }: { datatype: number; voxels: Exclude<VoxelArray, BigInt64Array | BigUint64Array> },
  pixelSize: readonly [number, number] | undefined,
  valueAt: (row: number, column: number) => number,
): NewVolume {
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) voxels[column * height + row] = valueAt(row, column);
  const zooms: [number, number, number] = [...(pixelSize ?? [1, 1]), 1] as [number, number, number];
  const affine = [...zooms.map((zoom, axis) => [0, 1, 2, 3].map((at) => (at === axis ? zoom : 0))), [0, 0, 0, 1]];
  return { shape: [height, width, 1], zooms, affine, datatype, voxels, isUnitless: pixelSize === undefined };
}

/** The grey of a colour, as Pillow makes it (ITU-R 601-2). @param at of its red */
export function luma(rgb: Uint8Array, at: number): number {
  const [red = 0, green = 0, blue = 0] = rgb.subarray(at, at + 3);
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
}
