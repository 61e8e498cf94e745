/**
 * NIfTI-1 and NIfTI-2 volumes (`.nii`, `.nii.gz`), read as nibabel reads them, because the reference's pixels and pixel sizes come from there:
 * voxels as stored (no reorientation), zooms from `pixdim`, scaling by scl_slope/scl_inter in double precision. The voxels stay in their stored
 * type; a slice is decoded when it is asked for. A header is believed only as far as the file's size can bear it out, so an absurd header or a
 * gzip bomb costs no memory.
 */
import { NIFTI1, NIFTI2 } from 'nifti-reader-js';
import type { Platform } from '../platform.ts';
import { UserError } from '../platform.ts';
import { fileChunks } from './gzip.ts';

export type SliceDim = 0 | 1 | 2;

/** One plane of a volume; `values` is (rows, cols) row-major. The first remaining axis of the volume is the row axis. */
export interface VolumeSlice {
  values: Float64Array;
  rows: number;
  cols: number;
}

export interface NiftiHeader {
  path: string;
  version: 1 | 2;
  littleEndian: boolean;
  /** [i, j, k] in stored axes; missing dimensions are 1. */
  shape: [number, number, number];
  /** mm, as stored: float32 values in NIfTI-1, doubles in NIfTI-2. As in nibabel, 0 becomes 1 and a sign is dropped. */
  zooms: [number, number, number];
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

type VoxelArray =
  Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array | BigInt64Array | BigUint64Array;

interface DataType {
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

/** Deflate cannot expand by more than this, so a header that needs more is not borne out by the file. */
const MAX_GZIP_RATIO = 1032;
const MAX_VOLUME_BYTES = 4 * 2 ** 30;
/** Enough for either header (NIfTI-2: 540 bytes). */
const HEADER_BYTES = 540;

export class Volume {
  readonly header: NiftiHeader;
  private readonly voxels: VoxelArray;
  private readonly parts: 1 | 2;

  constructor(header: NiftiHeader, voxels: VoxelArray, parts: 1 | 2) {
    this.header = header;
    this.voxels = voxels;
    this.parts = parts;
  }

  /** [i, j, k], stored axes. */
  get shape(): [number, number, number] {
    return this.header.shape;
  }

  /** mm along i, j, k. */
  get zooms(): [number, number, number] {
    return this.header.zooms;
  }

  /** Memory it holds. */
  get byteLength(): number {
    return this.header.byteLength;
  }

  /** `vol[index,:,:]`, `vol[:,index,:]` or `vol[:,:,index]`: (rows, cols) in stored order, no transpose, no flip. */
  slice(dim: SliceDim, index: number): VolumeSlice {
    const { shape, slope, inter, path } = this.header;
    const [ni, nj, nk] = shape;
    if (!Number.isInteger(index) || index < 0 || index >= shape[dim]) {
      throw new UserError(
        `${path}: slice ${index} along axis ${dim} does not exist; the volume is ${shape.join('×')}. Check the plan that names it.`,
      );
    }
    const rows = dim === 0 ? nj : ni;
    const cols = dim === 2 ? nj : nk;
    // The first axis runs fastest in the file.
    const rowStride = dim === 0 ? ni : 1;
    const colStride = dim === 2 ? ni : ni * nj;
    const start = index * (dim === 0 ? 1 : dim === 1 ? ni : ni * nj);
    const { voxels, parts } = this;
    const values = new Float64Array(rows * cols);
    const isScaled = slope !== 1 || inter !== 0;
    for (let col = 0; col < cols; col++) {
      let at = (start + col * colStride) * parts;
      for (let row = 0; row < rows; row++, at += rowStride * parts) {
        const stored = Number(voxels[at]);
        values[row * cols + col] = isScaled ? stored * slope + inter : stored;
      }
    }
    return { values, rows, cols };
  }
}

/** Reads only as many bytes as the header has. */
export async function readNiftiHeader(platform: Platform, path: string): Promise<NiftiHeader> {
  let head: Uint8Array = new Uint8Array(0);
  for await (const chunk of fileChunks(platform, path)) {
    head = concat(head, chunk, HEADER_BYTES);
    if (head.length >= HEADER_BYTES) break;
  }
  return parseHeader(head, path);
}

export async function openVolume(platform: Platform, path: string): Promise<Volume> {
  const fileBytes = await sizeOf(platform, path);
  let header: NiftiHeader | undefined;
  let head: Uint8Array = new Uint8Array(0);
  let voxelBytes = new Uint8Array(0);
  let position = 0; // of the next byte in the uncompressed file
  let surplus = 0;
  const place = (bytes: Uint8Array, at: number, into: NiftiHeader): void => {
    const from = Math.max(0, into.voxelOffset - at);
    const target = Math.max(0, at - into.voxelOffset);
    const part = bytes.subarray(from, from + Math.max(0, voxelBytes.length - target));
    if (part.length > 0) voxelBytes.set(part, target);
  };
  for await (const chunk of fileChunks(platform, path)) {
    if (header === undefined) {
      head = concat(head, chunk, Infinity);
      if (head.length < HEADER_BYTES) continue;
      header = parseHeader(head, path);
      voxelBytes = new Uint8Array(allocation(header, fileBytes));
      place(head, 0, header);
      position = head.length;
      head = new Uint8Array(0);
    } else {
      place(chunk, position, header);
      position += chunk.length;
    }
    // Read on to the end, where gzip's checksum is, but not through a tail that no volume has.
    surplus = position - header.voxelOffset - header.byteLength;
    if (surplus > 1 << 20) break;
  }
  if (header === undefined) {
    // Shorter than a NIfTI-2 header: a tiny NIfTI-1 file, or not NIfTI at all.
    header = parseHeader(head, path);
    voxelBytes = new Uint8Array(allocation(header, fileBytes));
    place(head, 0, header);
    surplus = head.length - header.voxelOffset - header.byteLength;
  }
  if (surplus < 0) {
    throw new UserError(
      `${path}: truncated. The header (${header.shape.join('×')}) asks for ${header.byteLength} bytes of voxels, ` +
        `${Math.max(0, header.byteLength + surplus)} are there. Fetch the file again.`,
    );
  }
  const type = dataType(header);
  if (header.littleEndian !== HOST_IS_LITTLE_ENDIAN) swapBytes(voxelBytes, type.bytes);
  return new Volume(header, new type.view(voxelBytes.buffer), type.parts);
}

function parseHeader(head: Uint8Array, path: string): NiftiHeader {
  const fail = (what: string): UserError => new UserError(`${path}: ${what}`);
  const notNifti = 'not a NIfTI volume (expected a 348-byte NIfTI-1 or 540-byte NIfTI-2 header with the magic "n+1" or "n+2")';
  if (head.length < 348) throw fail(`${notNifti}; it has only ${head.length} bytes. Fetch the file again.`);
  const bytes = head.slice();
  const view = new DataView(bytes.buffer);
  const littleEndian = [348, 540].includes(view.getInt32(0, true));
  const headerSize = view.getInt32(0, littleEndian);
  if (headerSize !== 348 && headerSize !== 540) throw fail(`${notNifti}. Check that the file is .nii or .nii.gz and not an archive or a page.`);
  if (head.length < headerSize) throw fail(`truncated: the NIfTI-2 header has 540 bytes, ${head.length} are there. Fetch the file again.`);
  const version = headerSize === 348 ? 1 : 2;
  // Only the header itself is handed over: the library would also walk the extensions, which nothing here needs, by lengths that nobody checked.
  const fields = version === 1 ? new NIFTI1() : new NIFTI2();
  fields.readHeader(bytes.buffer.slice(0, headerSize));
  const magic = String.fromCharCode(...bytes.subarray(version === 1 ? 344 : 4, version === 1 ? 347 : 7));
  if (magic !== `n+${version}`) {
    const pair = magic === `ni${version}` ? ' It is one half of an .hdr/.img pair; convert it to a single .nii file.' : '';
    throw fail(`${notNifti}; the magic is ${JSON.stringify(magic)}.${pair}`);
  }

  const rank = fields.dims[0] ?? 0;
  if (!Number.isInteger(rank) || rank < 1 || rank > 7) throw fail(`the header has ${rank} dimensions, 1 to 7 are possible. The file is corrupt.`);
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
      `voxel type ${fields.datatypeCode}${name === undefined ? '' : ` (${name})`} cannot be read; integers of 8 to 64 bits, float32, float64 and ` +
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
  return {
    path,
    version,
    littleEndian,
    shape,
    zooms: [zoom(1), zoom(2), zoom(3)],
    datatype: fields.datatypeCode,
    slope: hasSlope ? fields.scl_slope : 1,
    inter: hasSlope ? fields.scl_inter : 0,
    voxelOffset,
    byteLength: shape[0] * shape[1] * shape[2] * type.bytes * type.parts,
  };
}

/** Bytes to allocate for the voxels, once the file's own size has made them plausible. */
function allocation(header: NiftiHeader, fileBytes: { size: number; isGzip: boolean }): number {
  const { byteLength, path, shape } = header;
  const possible = fileBytes.isGzip ? fileBytes.size * MAX_GZIP_RATIO : fileBytes.size;
  if (byteLength > possible) {
    throw new UserError(
      `${path}: the header (${shape.join('×')}) asks for ${byteLength} bytes of voxels, but the file has only ${fileBytes.size} bytes. ` +
        'It is truncated or its header is wrong. Fetch the file again.',
    );
  }
  if (byteLength > MAX_VOLUME_BYTES) {
    throw new UserError(
      `${path}: ${byteLength} bytes of voxels (${shape.join('×')}); at most ${MAX_VOLUME_BYTES} can be opened. Crop or resample the volume.`,
    );
  }
  return byteLength;
}

async function sizeOf(platform: Platform, path: string): Promise<{ size: number; isGzip: boolean }> {
  const file = await platform.openFile(path);
  try {
    const magic = file.size >= 2 ? await file.read(0, 2) : new Uint8Array(2);
    return { size: file.size, isGzip: magic[0] === 0x1f && magic[1] === 0x8b };
  } finally {
    await file.close();
  }
}

function dataType(header: NiftiHeader): DataType {
  const type = DATA_TYPES.get(header.datatype);
  if (type === undefined) throw new UserError(`${header.path}: voxel type ${header.datatype} cannot be read.`);
  return type;
}

function concat(a: Uint8Array, b: Uint8Array, limit: number): Uint8Array {
  const joined = new Uint8Array(Math.min(limit, a.length + b.length));
  joined.set(a);
  joined.set(b.subarray(0, joined.length - a.length), a.length);
  return joined;
}

const HOST_IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function swapBytes(bytes: Uint8Array, width: number): void {
  for (let at = 0; at + width <= bytes.length; at += width) {
    for (let low = at, high = at + width - 1; low < high; low++, high--) {
      const kept = bytes[low] ?? 0;
      bytes[low] = bytes[high] ?? 0;
      bytes[high] = kept;
    }
  }
}
