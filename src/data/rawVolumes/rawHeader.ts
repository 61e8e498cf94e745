/** What headers of NRRD and MetaImage say, in one form: voxels of one type, one after the other, and where they lie. */
import { UserError } from '../../platform.ts';
import { dataType } from '../niftiHeader.ts';
import type { NiftiHeader } from '../niftiHeader.ts';
import type { Affine } from '../niftiSpace.ts';

export interface RawHeader {
  /** Voxels along the first axis, which is stored fastest, the second and the third. */
  shape: [number, number, number];
  /** NIfTI's code of their type. */
  datatype: number;
  littleEndian: boolean;
  /** gzip has a header of its own, zlib has its. */
  encoding: 'raw' | 'gzip' | 'zlib';
  /** The file of the voxels, where it is another: its name beside the header, as the header has it. */
  dataFile: string | undefined;
  /** Of the voxels: in this file, or in the other one. 'end': the last bytes of the file are the voxels. */
  offset: number | 'end';
  /** Lines to go past from there. */
  skippedLines: number;
  /** Bytes to go past after these, or, of what is compressed, after it is unpacked. */
  skippedBytes: number;
  /** Bytes of the compressed voxels, where the header says it. */
  packedBytes: number | undefined;
  zooms: [number, number, number];
  /** Whether sizes of voxels are said. */
  hasZooms: boolean;
  /** Indices to mm to the right, forwards and up. */
  affine: Affine;
  hasOrientation: boolean;
  notes: string[];
}

export type Vector = [number, number, number];

/** Headers have some hundred bytes; one of a diffusion series has some 10 000. */
export const MOST_HEADER_BYTES = 1 << 20;
/** As in NIfTI-1, which they may be written as. */
const MOST_VOXELS_A_SIDE = 32_767;

export type VoxelForm = Pick<RawHeader, 'shape' | 'datatype' | 'littleEndian' | 'zooms' | 'hasZooms' | 'affine' | 'hasOrientation'>;

/** As the header of a NIfTI file whose voxels begin at its first byte. */
export function volumeHeader(
  { shape, zooms, hasZooms, affine, hasOrientation, datatype, littleEndian }: VoxelForm,
  path: string,
  { slope, inter }: Pick<NiftiHeader, 'slope' | 'inter'> = { slope: 1, inter: 0 },
): NiftiHeader {
  const form = {
    path,
    version: 2 as const, // sizes in double precision
    littleEndian,
    shape,
    zooms,
    hasZooms,
    affine,
    hasOrientation,
    spacingUnit: 'mm' as const,
    datatype,
    slope,
    inter,
    voxelOffset: 0,
  };
  const [ni, nj, nk] = shape;
  return { ...form, byteLength: ni * nj * nk * dataType({ ...form, byteLength: 0 }).bytes };
}

/** Numbers between spaces. @throws UserError for what is none */
export function numbersOf(text: string, count: number, what: string, path: string): number[] {
  const words = text.trim().split(/\s+/);
  const values = words.map(Number);
  if (values.length !== count || words.includes('') || !values.every(Number.isFinite))
    throw new UserError(`${path}: ${what} is ${JSON.stringify(text.slice(0, 60))}; ${count} numbers are expected. Save the file again.`);
  return values;
}

/** @param sizes voxels along each axis @throws UserError for what is no volume */
export function shapeOf(sizes: readonly number[], path: string): [number, number, number] {
  const isWhole = sizes.every((size) => Number.isSafeInteger(size) && size >= 1 && size <= MOST_VOXELS_A_SIDE);
  if (!isWhole || sizes.length === 0)
    throw new UserError(`${path}: its sizes are ${sizes.join('×')}; whole numbers from 1 to ${MOST_VOXELS_A_SIDE} are expected.`);
  if (sizes.slice(3).some((size) => size !== 1))
    throw new UserError(`${path}: it has ${sizes.length} dimensions (${sizes.join('×')}); 3 are expected. Split it into single volumes.`);
  return [sizes[0] ?? 1, sizes[1] ?? 1, sizes[2] ?? 1];
}

/**
 * Lengths of voxels and the affine, from the way along each axis and the place of the first voxel.
 * @param steps mm to the left, to the back and up, of the next voxel along each axis
 * @throws UserError where they span no space
 */
export function placed(steps: readonly [Vector, Vector, Vector], origin: Vector, path: string): Pick<RawHeader, 'zooms' | 'affine'> {
  const zooms = steps.map((step) => Math.hypot(...step)) as Vector;
  const [a, b, c] = steps.map((step, axis) => step.map((mm) => mm / (zooms[axis] ?? 1)) as Vector) as [Vector, Vector, Vector];
  const volume = a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0]);
  if (!zooms.every((mm) => mm > 0 && mm < 1e6) || !(Math.abs(volume) > 1e-3) || !origin.every(Number.isFinite))
    throw new UserError(
      `${path}: the directions of its axes (${steps.map((step) => step.join(' ')).join(', ')}) span no volume. Save it again.`,
    );
  const rows = ([0, 1, 2] as const).map((row) => {
    const sign = row === 2 ? 1 : -1;
    return [...steps.map((step) => sign * step[row] || 0), sign * origin[row] || 0];
  });
  return { zooms, affine: [...rows, [0, 0, 0, 1]] };
}
