/**
 * NIfTI-1 and NIfTI-2 volumes (`.nii`, `.nii.gz`), read as nibabel reads them, because the reference's pixels and pixel sizes come from
 * there: voxels as stored (no reorientation), zooms from `pixdim`, scaling by scl_slope/scl_inter in double precision. Of an uncompressed
 * file only the bytes of a slice are read; a compressed one is unpacked once and its voxels stay in their stored type. A header is believed
 * only as far as the file's size can bear it out, so an absurd header or a gzip bomb costs no memory.
 */
import type { Platform } from '../platform.ts';
import { UserError } from '../platform.ts';
import type { CodedValues } from './codedValues.ts';
import { checkRatio, fileChunks } from './gzip.ts';
import { dataType, HEADER_BYTES, parseHeader } from './niftiHeader.ts';
import type { DataType, NiftiHeader, VoxelArray } from './niftiHeader.ts';

export type { NiftiHeader } from './niftiHeader.ts';
export type SliceDim = 0 | 1 | 2;

/** One plane of a volume; `values` is (rows, cols) row-major. The first remaining axis of the volume is the row axis. */
export interface VolumeSlice {
  readonly values: Float64Array;
  /** The same as codes, where they are stored so: then nothing is lost by not asking for `values`. */
  readonly coded?: CodedValues;
  readonly rows: number;
  readonly cols: number;
  /** Gives its memory back, for another slice. Nothing may be asked of the slice after it. */
  readonly release?: () => void;
}

/** Deflate cannot expand by more than this, so a header that needs more is not borne out by the file. */
const MAX_GZIP_RATIO = 1032;
export const MAX_VOLUME_BYTES = 4 * 2 ** 30;
/** A file this small is read at once. */
const SMALL_BYTES = 1 << 20;
/** What may follow the voxels in a compressed file; nibabel ignores it, and real files have a few bytes of it at most. */
const MAX_SURPLUS_BYTES = 1 << 20;

/** A volume open for slices: its voxels are in memory, or are read from its file when they are asked for. */
export class Volume {
  readonly header: NiftiHeader;
  private readonly type: DataType;
  private readonly file: Platform | undefined;
  private voxels: VoxelArray | undefined;
  private loading: Promise<VoxelArray> | undefined;
  private sagittalReads = 0;

  /** With `voxels`, or with the platform on which the (uncompressed) file of the header can be read again. */
  constructor(header: NiftiHeader, source: VoxelArray | Platform) {
    this.header = header;
    this.type = dataType(header);
    if (ArrayBuffer.isView(source)) this.voxels = source;
    else this.file = source;
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
    return this.voxels?.byteLength ?? 0;
  }

  /**
   * `vol[index,:,:]`, `vol[:,index,:]` or `vol[:,:,index]`: (rows, cols) in stored order, no transpose, no flip.
   * @throws UserError where there is no such slice
   */
  async slice(dim: SliceDim, index: number): Promise<VolumeSlice> {
    const { shape, path } = this.header;
    const [ni, nj, nk] = shape;
    if (!Number.isInteger(index) || index < 0 || index >= shape[dim]) {
      throw new UserError(
        `${path}: slice ${index} along axis ${dim} does not exist; the volume is ${shape.join('×')}. Check the plan that names it.`,
      );
    }
    const rows = dim === 0 ? nj : ni;
    const cols = dim === 2 ? nj : nk;
    const voxels = this.voxels ?? (await this.held(dim));
    if (voxels === undefined) return this.decoded(await this.readPlane(dim === 2 ? 2 : 1, index), rows, cols, 0, 1, ni);
    // The first axis runs fastest in the file.
    const start = index * (dim === 0 ? 1 : dim === 1 ? ni : ni * nj);
    return this.decoded(voxels, rows, cols, start, dim === 0 ? ni : 1, dim === 2 ? ni : ni * nj);
  }

  private decoded(voxels: VoxelArray, rows: number, cols: number, start: number, rowStride: number, colStride: number): VolumeSlice {
    const { slope, inter } = this.header;
    const { parts } = this.type;
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

  /**
   * The voxels as a whole where that is the better way: small files, and slices across all rows, which touch every page of the file, so
   * that from the second one on it is worth its memory. Undefined: read the plane alone.
   */
  private async held(dim: SliceDim): Promise<VoxelArray | undefined> {
    const { byteLength } = this.header;
    if (byteLength > SMALL_BYTES && dim !== 0) return undefined;
    if (dim === 0 && this.sagittalReads++ === 0 && byteLength > SMALL_BYTES) return this.readAll();
    this.loading ??= this.readAll();
    this.voxels = await this.loading;
    return this.voxels;
  }

  /** All voxels as stored, without slope and intercept, the first axis fastest; of complex voxels both parts. Not to be written to. */
  async stored(): Promise<VoxelArray> {
    return this.voxels ?? this.readAll();
  }

  private async readAll(): Promise<VoxelArray> {
    return this.readRuns([{ offset: 0, length: this.header.byteLength }]);
  }

  /** The plane's voxels, (cols, rows) with the first axis fastest. */
  private async readPlane(dim: 1 | 2, index: number): Promise<VoxelArray> {
    const [ni, nj, nk] = this.header.shape;
    const row = ni * this.type.bytes * this.type.parts;
    if (dim === 2) return this.readRuns([{ offset: index * nj * row, length: nj * row }]);
    return this.readRuns(Array.from({ length: nk }, (_, k) => ({ offset: (k * nj + index) * row, length: row })));
  }

  private async readRuns(runs: readonly { offset: number; length: number }[]): Promise<VoxelArray> {
    const bytes = new Uint8Array(runs.reduce((sum, { length }) => sum + length, 0));
    const file = await this.file?.openFile(this.header.path);
    try {
      let at = 0;
      for (const { offset, length } of runs) {
        const run = await file?.read(this.header.voxelOffset + offset, length);
        if (run !== undefined) bytes.set(run, at);
        at += length;
      }
    } finally {
      await file?.close();
    }
    return viewed(bytes, this.header, this.type);
  }
}

/** Reads only as many bytes as the header has. */
export async function readNiftiHeader(platform: Platform, path: string): Promise<NiftiHeader> {
  let head: Uint8Array = new Uint8Array(0);
  for await (const chunk of fileChunks(platform, path, 4096)) {
    head = concat(head, chunk, HEADER_BYTES);
    if (head.length >= HEADER_BYTES) break;
  }
  return parseHeader(head, path);
}

/** @throws UserError that names the file, for whatever is not a volume that could be read to its end */
export async function openVolume(platform: Platform, path: string): Promise<Volume> {
  const { size, isGzip } = await fileFacts(platform, path);
  if (!isGzip) {
    const header = await readNiftiHeader(platform, path);
    checkSize(header, size, isGzip);
    return new Volume(header, platform);
  }
  let header: NiftiHeader | undefined;
  let head: Uint8Array = new Uint8Array(0);
  let voxelBytes = new Uint8Array(0);
  let position = 0; // of the next byte in the uncompressed file
  const stated = { bytes: 0 };
  const accept = (into: NiftiHeader): void => {
    header = into;
    checkSize(into, size, isGzip);
    voxelBytes = roomFor(into);
    stated.bytes = into.voxelOffset + into.byteLength + MAX_SURPLUS_BYTES;
  };
  const place = (bytes: Uint8Array, into: NiftiHeader): void => {
    const from = Math.max(0, into.voxelOffset - position);
    const target = Math.max(0, position - into.voxelOffset);
    const part = bytes.subarray(from, from + Math.max(0, voxelBytes.length - target));
    if (part.length > 0) voxelBytes.set(part, target);
    position += bytes.length;
    // Read on to the end, where gzip's checksum is, but not through a tail that no volume has.
    if (position - into.voxelOffset - into.byteLength > MAX_SURPLUS_BYTES) {
      throw new UserError(
        `${path}: the header (${into.shape.join('×')}) asks for ${into.byteLength} bytes of voxels, and the compressed data goes on far ` +
          `beyond them. ` +
          'The header is wrong, or the file is a gzip bomb. Fetch the file again.',
      );
    }
  };
  for await (const chunk of fileChunks(platform, path, undefined, stated)) {
    if (header !== undefined) {
      place(chunk, header);
      continue;
    }
    head = concat(head, chunk, Infinity);
    if (head.length < HEADER_BYTES) continue;
    const parsed = await parseHeader(head, path);
    accept(parsed);
    place(head, parsed);
    head = new Uint8Array(0);
  }
  if (header === undefined) {
    // Shorter than a NIfTI-2 header: a tiny NIfTI-1 file, or not NIfTI at all.
    const parsed = await parseHeader(head, path);
    accept(parsed);
    place(head, parsed);
    header = parsed;
  }
  const found = position - header.voxelOffset;
  if (found < header.byteLength) throw truncated(header, found);
  return new Volume(header, viewed(voxelBytes, header, dataType(header)));
}

/** @throws UserError where this machine has not so much */
export function roomFor({ path, shape, byteLength }: Pick<NiftiHeader, 'path' | 'shape' | 'byteLength'>): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(byteLength);
  } catch (cause) {
    throw new UserError(
      `${path}: there is no memory for its ${byteLength} bytes of voxels (${shape.join('×')}). Crop or resample the volume.`,
      {
        cause,
      },
    );
  }
}

function truncated({ path, shape, byteLength }: NiftiHeader, found: number): UserError {
  return new UserError(
    `${path}: truncated. The header (${shape.join('×')}) asks for ${byteLength} bytes of voxels, ${Math.max(0, found)} are there. Fetch ` +
      `the file again.`,
  );
}

/**
 * Whether the file has the voxels that its header asks for, without unpacking it where its own length says so: what is cut off is then told
 * before anything is made of the volume.
 * @throws UserError that names the file
 */
export async function checkVoxels(platform: Platform, header: NiftiHeader): Promise<void> {
  const { size, isGzip, unpackedSize } = await fileFacts(platform, header.path);
  checkSize(header, size, isGzip);
  // The length at the end of a gzip file is modulo 2³², and that of the last member alone; where it is another, all of it is looked at.
  if (isGzip && unpackedSize !== (header.voxelOffset + header.byteLength) % 2 ** 32) await openVolume(platform, header.path);
}

/** @throws UserError where the voxels cannot be in a file of this size */
function checkSize(header: NiftiHeader, fileBytes: number, isGzip: boolean): void {
  const { byteLength, path, shape, voxelOffset } = header;
  if (byteLength > (isGzip ? fileBytes * MAX_GZIP_RATIO : fileBytes - voxelOffset)) {
    throw new UserError(
      `${path}: the header (${shape.join('×')}) asks for ${byteLength} bytes of voxels, but the file has only ${fileBytes} bytes. ` +
        'It is truncated or its header is wrong. Fetch the file again.',
    );
  }
  if (isGzip) checkRatio(path, byteLength, fileBytes, byteLength);
  if (byteLength > MAX_VOLUME_BYTES) {
    throw new UserError(
      `${path}: ${byteLength} bytes of voxels (${shape.join('×')}); at most ${MAX_VOLUME_BYTES} can be opened. Crop or resample the ` +
        `volume.`,
    );
  }
}

async function fileFacts(platform: Platform, path: string): Promise<{ size: number; isGzip: boolean; unpackedSize: number }> {
  const file = await platform.openFile(path);
  try {
    const magic = file.size >= 2 ? await file.read(0, 2) : new Uint8Array(2);
    const end = file.size >= 4 ? await file.read(file.size - 4, 4) : new Uint8Array(4);
    const unpackedSize = new DataView(end.buffer, end.byteOffset).getUint32(0, true);
    return { size: file.size, isGzip: magic[0] === 0x1f && magic[1] === 0x8b, unpackedSize };
  } finally {
    await file.close();
  }
}

/** @param bytes a buffer of their own, in the file's byte order; swapped in place */
export function voxelsOfBytes(bytes: Uint8Array<ArrayBuffer>, header: NiftiHeader): VoxelArray {
  return viewed(bytes, header, dataType(header));
}

function viewed(bytes: Uint8Array<ArrayBuffer>, header: NiftiHeader, type: DataType): VoxelArray {
  if (header.littleEndian !== HOST_IS_LITTLE_ENDIAN) swapBytes(bytes, type.bytes);
  return new type.view(bytes.buffer);
}

function concat(a: Uint8Array, b: Uint8Array, limit: number): Uint8Array {
  const joined = new Uint8Array(Math.min(limit, a.length + b.length));
  joined.set(a);
  joined.set(b.subarray(0, joined.length - a.length), a.length);
  return joined;
}

const HOST_IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** In place. @param width bytes of a number */
export function swapBytes(bytes: Uint8Array, width: number): void {
  for (let at = 0; at + width <= bytes.length; at += width) {
    for (let low = at, high = at + width - 1; low < high; low++, high--) {
      const kept = bytes[low] ?? 0;
      bytes[low] = bytes[high] ?? 0;
      bytes[high] = kept;
    }
  }
}
