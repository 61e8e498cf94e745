/**
 * The header of a NIfTI-1 or NIfTI-2 file, checked and understood as nibabel does: zooms from `pixdim` (0 becomes 1, a sign is dropped), no
 * scaling where scl_slope is 0 or no number, missing dimensions are 1.
 */
import { UserError } from '../platform.ts';
import { affineOf } from './niftiSpace.ts';
import type { Affine } from './niftiSpace.ts';

export interface NiftiHeader {
  path: string;
  version: 1 | 2;
  littleEndian: boolean;
  /** [i, j, k] in stored axes; missing dimensions are 1. */
  shape: [number, number, number];
  /** mm (see spacingUnit), as stored: float32 values in NIfTI-1, doubles in NIfTI-2. As in nibabel, 0 becomes 1 and a sign is dropped. */
  zooms: [number, number, number];
  /** Whether the header says a size along each of its axes: `zooms` has 1 where it says 0. */
  hasZooms: boolean;
  /** Axes along which no size is known, where the file is no NIfTI: nothing says that their zoom of 1 is a mm. */
  sizeless?: readonly (0 | 1 | 2)[];
  /** Voxel indices to mm, as nibabel has it. */
  affine: Affine;
  /** Whether the header says which way the axes run (qform_code, sform_code); else the first runs to the left, as by nibabel. */
  hasOrientation: boolean;
  /** What the header says the voxel sizes are in; they are taken for mm whatever it is, as by nibabel. */
  spacingUnit: SpacingUnit;
  /** NIfTI data type code. */
  datatype: number;
  /** `stored * slope + inter`; (1, 0) where the header has no valid slope. */
  slope: number;
  inter: number;
  /** Byte offset of the first voxel in the uncompressed file. */
  voxelOffset: number;
  /** Bytes of all voxels. */
  byteLength: number;
}

/** xyzt_units of the header, its spatial part. */
export type SpacingUnit = 'mm' | 'metres' | 'microns' | 'no unit';

export type VoxelArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

export interface DataType {
  /** Bytes of one number (a complex voxel has two). */
  bytes: number;
  /** Numbers of a voxel. Of a complex voxel the first, its real part, is used, as by nibabel's get_fdata. */
  parts: 1 | 2;
  view: new (buffer: ArrayBuffer) => VoxelArray;
}

const DATA_TYPES = new Map<number, DataType>([
  [2, { bytes: 1, parts: 1, view: Uint8Array }],
  [4, { bytes: 2, parts: 1, view: Int16Array }],
  [8, { bytes: 4, parts: 1, view: Int32Array }],
  [16, { bytes: 4, parts: 1, view: Float32Array }],
  [32, { bytes: 4, parts: 2, view: Float32Array }],
  [64, { bytes: 8, parts: 1, view: Float64Array }],
  [256, { bytes: 1, parts: 1, view: Int8Array }],
  [512, { bytes: 2, parts: 1, view: Uint16Array }],
  [768, { bytes: 4, parts: 1, view: Uint32Array }],
  [1024, { bytes: 8, parts: 1, view: BigInt64Array }],
  [1280, { bytes: 8, parts: 1, view: BigUint64Array }],
  [1792, { bytes: 8, parts: 2, view: Float64Array }],
]);

const UNSUPPORTED_TYPES = new Map<number, string>([
  [1, '1-bit'],
  [128, 'RGB colour'],
  [1536, '128-bit float'],
  [2048, '256-bit complex'],
  [2304, 'RGBA colour'],
]);

const SPACING_UNITS: readonly SpacingUnit[] = ['no unit', 'metres', 'mm', 'microns'];

/** Enough for either header (NIfTI-2: 540 bytes). */
export const HEADER_BYTES = 540;

/** @param head the first bytes of the uncompressed file, `HEADER_BYTES` where it has as many; `path` is for messages */
export async function parseHeader(head: Uint8Array, path: string): Promise<NiftiHeader> {
  const { NIFTI1, NIFTI2 } = await import('nifti-reader-js'); // when there is a volume
  const fail = (what: string): UserError => new UserError(`${path}: ${what}`);
  const notNifti = 'not a NIfTI volume (expected a 348-byte NIfTI-1 or 540-byte NIfTI-2 header with the magic "n+1" or "n+2")';
  if (head.length < 348) throw fail(`${notNifti}; it has only ${head.length} bytes. Fetch the file again.`);
  const bytes = head.slice();
  const view = new DataView(bytes.buffer);
  const littleEndian = [348, 540].includes(view.getInt32(0, true));
  const headerSize = view.getInt32(0, littleEndian);
  if (headerSize !== 348 && headerSize !== 540)
    throw fail(`${notNifti}. Check that the file is .nii or .nii.gz and not an archive or a page.`);
  if (head.length < headerSize) throw fail(`truncated: the NIfTI-2 header has 540 bytes, ${head.length} are there. Fetch the file again.`);
  const version = headerSize === 348 ? 1 : 2;
  // Only the header itself is handed over: the library would also walk the extensions, which nothing here needs, by lengths that nobody
  // checked.
  const fields = version === 1 ? new NIFTI1() : new NIFTI2();
  fields.readHeader(bytes.buffer.slice(0, headerSize));
  const magic = String.fromCharCode(...bytes.subarray(version === 1 ? 344 : 4, version === 1 ? 347 : 7));
  if (magic !== `n+${version}`) {
    const pair = magic === `ni${version}` ? ' It is one half of an .hdr/.img pair; convert it to a single .nii file.' : '';
    throw fail(`${notNifti}; the magic is ${JSON.stringify(magic)}.${pair}`);
  }

  const rank = fields.dims[0] ?? 0;
  if (!Number.isInteger(rank) || rank < 1 || rank > 7)
    throw fail(`the header has ${rank} dimensions, 1 to 7 are possible. The file is corrupt.`);
  const dims = fields.dims.slice(1, rank + 1);
  if (!dims.every((d) => Number.isSafeInteger(d) && d >= 1))
    throw fail(`the header's dimensions are ${dims.join('×')}; each must be at least 1. The file is corrupt.`);
  if (dims.slice(3).some((d) => d !== 1))
    throw fail(`a ${rank}-dimensional volume (${dims.join('×')}); 3 dimensions are expected. Split it into single volumes.`);
  const shape: [number, number, number] = [dims[0] ?? 1, dims[1] ?? 1, dims[2] ?? 1];

  const zoom = (axis: number): number => {
    const stored = axis <= rank ? (fields.pixDims[axis] ?? 1) : 1;
    if (!Number.isFinite(stored))
      throw fail(`voxel size ${stored} along axis ${axis - 1} (pixdim[${axis}]); a length in mm is expected. Repair the header.`);
    return stored === 0 ? 1 : Math.abs(stored);
  };
  const type = DATA_TYPES.get(fields.datatypeCode);
  if (type === undefined) {
    const name = UNSUPPORTED_TYPES.get(fields.datatypeCode);
    throw fail(
      `voxel type ${fields.datatypeCode}${name === undefined ? '' : ` (${name})`} cannot be read; integers of 8 to 64 bits, float32, ` +
        `float64 and ` +
        'complex are. Convert the volume.',
    );
  }
  const minOffset = version === 1 ? 352 : 544;
  const voxelOffset = fields.vox_offset === 0 ? minOffset : fields.vox_offset;
  if (!Number.isSafeInteger(voxelOffset) || voxelOffset < minOffset || voxelOffset > 2 ** 31) {
    throw fail(`voxels are said to start at byte ${voxelOffset}; ${minOffset} or a little more is expected. The file is corrupt.`);
  }
  // As nibabel: a slope of 0 or one that is not finite means that nothing is scaled.
  const hasSlope = fields.scl_slope !== 0 && Number.isFinite(fields.scl_slope);
  if (hasSlope && !Number.isFinite(fields.scl_inter))
    throw fail(`the header scales voxels by ${fields.scl_slope} but adds ${fields.scl_inter}. Repair scl_inter.`);
  const zooms: [number, number, number] = [zoom(1), zoom(2), zoom(3)];
  // Read here: the library's own affine takes the qform where nibabel takes the sform.
  const sform = Array.from({ length: 12 }, (_, at) =>
    version === 1 ? view.getFloat32(280 + 4 * at, littleEndian) : view.getFloat64(400 + 8 * at, littleEndian),
  );
  return {
    path,
    version,
    littleEndian,
    shape,
    zooms,
    affine: affineOf({ ...fields, sform }, shape, zooms),
    hasOrientation: fields.qform_code > 0 || fields.sform_code > 0,
    hasZooms: fields.pixDims.slice(1, Math.min(rank, 3) + 1).every((mm) => mm !== 0),
    spacingUnit: SPACING_UNITS[fields.xyzt_units & 7] ?? 'no unit',
    datatype: fields.datatypeCode,
    slope: hasSlope ? fields.scl_slope : 1,
    inter: hasSlope ? fields.scl_inter : 0,
    voxelOffset,
    byteLength: shape[0] * shape[1] * shape[2] * type.bytes * type.parts,
  };
}

/** How the voxels of a header that was accepted are stored. */
export function dataType(header: NiftiHeader): DataType {
  const type = DATA_TYPES.get(header.datatype);
  if (type === undefined) throw new UserError(`${header.path}: voxel type ${header.datatype} cannot be read.`);
  return type;
}
