/** A DICOM scan as a volume with its axes to the right, forwards and up (RAS+), as NIfTI has them: nothing is resampled. */
import { UserError } from '../../platform.ts';
import type { VoxelArray } from '../niftiHeader.ts';
import { rasSpace } from '../niftiSpace.ts';
import type { Affine, RasSpace } from '../niftiSpace.ts';
import type { NewVolume } from '../niftiWrite.ts';
import { cross } from './placement.ts';
import type { Vector } from './placement.ts';
import type { DicomScan } from './scan.ts';

const INT16 = 4;
const FLOAT32 = 16;
const UINT16 = 512;
/** What a volume in memory may have. */
const MOST_BYTES = 4 * 2 ** 30;

/**
 * Indices of a column, a row and a slice to mm to the right, forwards and up; undefined where the file does not tell it.
 * DICOM counts to the left and to the back (PS3.3, C.7.6.2.1.1).
 */
export function scanAffine({ placement, step, spacing, size }: DicomScan): Affine | undefined {
  const [, rowMm, columnMm] = spacing;
  if (placement === undefined || rowMm === null || columnMm === null) return undefined;
  // A single slice has no way to the next; its normal stands there.
  const next = step ?? (size[0] === 1 ? cross(placement.alongRow, placement.alongColumn) : undefined);
  if (next === undefined) return undefined;
  const rows = ([0, 1, 2] as const).map((axis) => {
    const sign = axis === 2 ? 1 : -1;
    const at = (vector: Vector, mm: number): number => sign * vector[axis] * mm || 0;
    return [at(placement.alongRow, columnMm), at(placement.alongColumn, rowMm), at(next, 1), at(placement.position, 1)];
  });
  return [...rows, [0, 0, 0, 1]];
}

/** How the scan's voxels lie in RAS+. @param name in messages @throws UserError where distances or places are not known */
export function scanSpace(scan: DicomScan, name: string): RasSpace {
  const [slices, rows, columns] = scan.size;
  if (scan.samples !== 1) throw new UserError(`${name}: it is in colour, which is no volume. Take a slice of it as a picture (.png).`);
  const affine = scanAffine(scan);
  const [between, rowMm, columnMm] = scan.spacing;
  if (affine === undefined || rowMm === null || columnMm === null) {
    const why = scan.noVolume?.text ?? 'the file does not tell where its slices lie, or the size of their pixels';
    throw new UserError(`${name}: no volume can be made of it: ${why}. Take its slices as pictures (.png).`);
  }
  return rasSpace([columns, rows, slices], [columnMm, rowMm, between ?? 1], affine);
}

/** @throws UserError as `scanSpace`, and for more than a volume in memory may have */
export async function scanVolume(scan: DicomScan, name: string): Promise<NewVolume> {
  const space = scanSpace(scan, name);
  const [slices, rows, columns] = scan.size;
  const count = slices * rows * columns;
  if (4 * count > MOST_BYTES)
    throw new UserError(`${name}: a volume of ${columns}×${rows}×${slices} voxels is too large to be made in memory.`);
  const values = new Float32Array(count);
  const [ni, nj] = space.shape;
  const strides = [1, ni, ni * nj];
  // The step in the volume for the next column, row and slice, and where the first of all goes.
  const steps = [0, 0, 0];
  let start = 0;
  space.from.forEach(({ axis, isTurned }, out) => {
    const stride = strides[out] ?? 0;
    steps[axis] = isTurned ? -stride : stride;
    if (isTurned) start += stride * ((space.shape[out] ?? 1) - 1);
  });
  const [byColumn = 0, byRow = 0, bySlice = 0] = steps;
  let [low, high, isWhole] = [Infinity, -Infinity, true];
  for (let slice = 0; slice < slices; slice++) {
    const { values: plane } = await scan.readSlice(slice);
    for (let row = 0, from = 0; row < rows; row++) {
      let to = start + slice * bySlice + row * byRow;
      for (let column = 0; column < columns; column++, from++, to += byColumn) {
        const value = plane[from] ?? 0;
        values[to] = value;
        if (value < low) low = value;
        if (value > high) high = value;
        if (isWhole && !Number.isInteger(value)) isWhole = false;
      }
    }
  }
  const { shape, zooms, affine } = space;
  return { shape, zooms, affine, ...voxelsOf(values, isWhole, low, high) };
}

/** In the smallest type that holds all values exactly. */
function voxelsOf(values: Float32Array, isWhole: boolean, low: number, high: number): { datatype: number; voxels: VoxelArray } {
  if (isWhole && low >= -32_768 && high <= 32_767) return { datatype: INT16, voxels: Int16Array.from(values) };
  if (isWhole && low >= 0 && high <= 65_535) return { datatype: UINT16, voxels: Uint16Array.from(values) };
  return { datatype: FLOAT32, voxels: values };
}
