/** NIfTI-1 files (https://nifti.nimh.nih.gov/nifti-1): voxels of one of the types that are read here, with an affine in mm. */
import { gzipSync } from 'fflate';
import type { Affine } from './niftiSpace.ts';
import type { VoxelArray } from './niftiHeader.ts';

export interface NewVolume {
  /** Voxels along i, j, k; of each at most 32 767. */
  shape: readonly [number, number, number];
  /** mm along them. */
  zooms: readonly [number, number, number];
  affine: Affine;
  /** NIfTI's code of the voxels' type (2 uint8, 4 int16, 8 int32, 16 float32, 64 float64, 512 uint16, …). */
  datatype: number;
  /** As stored, the first axis fastest, in the machine's byte order (little endian). */
  voxels: VoxelArray;
  /** `stored * slope + inter`. Default 1 and 0. */
  slope?: number;
  inter?: number;
  /** No size of a pixel is known: `zooms` are no mm. */
  isUnitless?: boolean;
}

const HEADER_BYTES = 352;
const MM = 2;
/** Of the sform: coordinates of the scanner, or aligned to them. */
const ALIGNED = 2;

/** The bytes of a `.nii` file; gzip them with `gzipped`. @throws RangeError for more voxels along an axis than the format can say */
export function niftiBytes(volume: NewVolume): Uint8Array {
  const head = niftiHead(volume);
  const body = niftiBody(volume);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

/** The voxels as they follow the header in the file: not a copy. */
export function niftiBody({ voxels }: NewVolume): Uint8Array {
  return new Uint8Array(voxels.buffer, voxels.byteOffset, voxels.byteLength);
}

/** What comes before the voxels. @throws RangeError as `niftiBytes` */
export function niftiHead(volume: NewVolume): Uint8Array {
  const { shape, zooms, affine, datatype, voxels, slope = 1, inter = 0, isUnitless = false } = volume;
  if (shape.some((size) => size > 32_767)) throw new RangeError(`NIfTI-1 has at most 32767 voxels along an axis, not ${shape.join('×')}.`);
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, 348, true);
  [3, ...shape, 1, 1, 1, 1].forEach((size, at) => view.setInt16(40 + 2 * at, size, true));
  view.setInt16(70, datatype, true);
  view.setInt16(72, 8 * voxels.BYTES_PER_ELEMENT, true);
  [1, ...zooms].forEach((zoom, at) => view.setFloat32(76 + 4 * at, zoom, true));
  view.setFloat32(108, HEADER_BYTES, true);
  view.setFloat32(112, slope, true);
  view.setFloat32(116, inter, true);
  view.setUint8(123, isUnitless ? 0 : MM);
  view.setInt16(254, ALIGNED, true);
  for (let row = 0; row < 3; row++)
    for (let column = 0; column < 4; column++) view.setFloat32(280 + 16 * row + 4 * column, affine[row]?.[column] ?? 0, true);
  bytes.set(new TextEncoder().encode('n+1'), 344);
  return bytes;
}

/** Without a time, so that the same volume is the same file. */
export function gzipped(bytes: Uint8Array): Uint8Array {
  return gzipSync(bytes, { level: 6, mtime: 0 });
}
