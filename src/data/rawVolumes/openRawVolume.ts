/**
 * NRRD and MetaImage as volumes: voxels as they are stored, with the affine of their headers. Of uncompressed files slices are read when
 * they are asked for; compressed ones are unpacked once, to what the header says and no further.
 */
import { Unzlib } from 'fflate';
import { lastName, UserError } from '../../platform.ts';
import type { Platform, RangedFile } from '../../platform.ts';
import { Adler } from '../adler.ts';
import { checkRatio, gunzipMembers } from '../gzip.ts';
import { MAX_VOLUME_BYTES, roomFor, Volume, voxelsOfBytes } from '../nifti.ts';
import { isNrrd } from './isRawVolume.ts';
import { metaImageEnd, metaImageHeader } from './metaImage.ts';
import { nrrdHeader } from './nrrd.ts';
import { MOST_HEADER_BYTES, volumeHeader } from './rawHeader.ts';
import type { RawHeader } from './rawHeader.ts';

export interface RawVolume {
  volume: Volume;
  /** Sentences. */
  notes: string[];
}

type Files = Pick<Platform, 'openFile' | 'exists'>;

/** Deflate cannot expand by more than this. */
const MOST_DEFLATED = 1032;
const PIECE_BYTES = 1 << 16;

/** @throws UserError that names the file, for whatever could not be read to its end */
export async function openRawVolume(platform: Platform, path: string): Promise<RawVolume> {
  const header = await readHeader(platform, path);
  const dataPath = header.dataFile === undefined ? path : besides(path, header.dataFile);
  if (header.dataFile !== undefined && !(await platform.exists(dataPath)))
    throw new UserError(
      `${path}: its voxels lie in ${lastName(dataPath)}, which is not beside it. Put it there, or save both as one file.`,
    );
  const file = await platform.openFile(dataPath);
  try {
    const into = volumeHeader(header, dataPath);
    const { byteLength } = into;
    if (byteLength > MAX_VOLUME_BYTES)
      throw new UserError(`${path}: ${byteLength} bytes of voxels (${header.shape.join('×')}); at most ${MAX_VOLUME_BYTES} can be opened.`);
    const start = await dataStart(file, header, byteLength);
    const present = Math.max(0, file.size - start);
    const isRaw = header.encoding === 'raw';
    if (byteLength > (isRaw ? present : present * MOST_DEFLATED))
      throw new UserError(
        `${path}: the header (${header.shape.join('×')}) asks for ${byteLength} bytes of voxels, but ${present} are there` +
          `${isRaw ? '' : ', packed'}. It is truncated or its header is wrong. Fetch the file again.`,
      );
    if (!isRaw) checkRatio(path, byteLength, present, byteLength);
    if (isRaw) return { volume: new Volume({ ...into, voxelOffset: start }, platform), notes: header.notes };
    const bytes = await unpacked(file, header, start, byteLength, path);
    return { volume: new Volume(into, voxelsOfBytes(bytes, into)), notes: header.notes };
  } finally {
    await file.close();
  }
}

/** A header of one file must not lead to another place: the name alone counts. */
function besides(path: string, name: string): string {
  return path.slice(0, path.length - lastName(path).length) + lastName(name.replaceAll('\\', '/'));
}

async function readHeader(platform: Files, path: string): Promise<RawHeader> {
  const file = await platform.openFile(path);
  try {
    for (let wanted = 4096; ; wanted *= 8) {
      const length = Math.min(wanted, file.size, MOST_HEADER_BYTES);
      const bytes = await file.read(0, length);
      // One letter a byte, so that places in the text are places in the file; names beyond Latin are not needed.
      const text = new TextDecoder('latin1').decode(bytes);
      const found = isNrrd(bytes) ? nrrdEnd(text, length === file.size) : metaImageEnd(text);
      if (found !== undefined) {
        const read = isNrrd(bytes) ? nrrdHeader : metaImageHeader;
        return read(text.slice(0, found), found, path);
      }
      if (length === file.size || length === MOST_HEADER_BYTES)
        throw new UserError(`${path}: its header does not end within ${length} bytes; it is cut off or corrupt. Fetch it again.`);
    }
  } finally {
    await file.close();
  }
}

/** Behind the empty line; a header with a file beside it may end with the file. */
function nrrdEnd(text: string, isWhole: boolean): number | undefined {
  const found = /\r?\n\r?\n/.exec(text);
  if (found !== null) return found.index + found[0].length;
  return isWhole && /^data ?file:/im.test(text) ? text.length : undefined;
}

async function dataStart(file: RangedFile, header: RawHeader, byteLength: number): Promise<number> {
  if (header.offset === 'end') return Math.max(0, file.size - byteLength);
  let at = header.offset;
  for (let lines = header.skippedLines; lines > 0 && at < file.size;) {
    const bytes = await file.read(at, Math.min(PIECE_BYTES, file.size - at));
    const end = bytes.indexOf(10);
    at += end < 0 ? bytes.length : end + 1;
    if (end >= 0) lines--;
    if (at - header.offset > MOST_HEADER_BYTES)
      throw new UserError(`${file.path}: the lines before its voxels do not end. Fetch it again.`);
  }
  return header.encoding === 'raw' ? at + header.skippedBytes : at;
}

async function unpacked(
  file: RangedFile,
  header: RawHeader,
  start: number,
  byteLength: number,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const end = header.packedBytes === undefined ? file.size : Math.min(file.size, start + header.packedBytes);
  const bytes = roomFor({ path, shape: header.shape, byteLength });
  let position = -header.skippedBytes;
  const pieces = piecesOf(file, start, end);
  const unfolded = header.encoding === 'gzip' ? gunzipMembers(pieces, path) : unzlibbed(pieces, path);
  for await (const piece of unfolded) {
    const from = Math.max(0, -position);
    const room = byteLength - Math.max(0, position);
    if (from < piece.length && room > 0) bytes.set(piece.subarray(from, from + room), Math.max(0, position));
    position += piece.length;
    if (position > byteLength + PIECE_BYTES * MOST_DEFLATED)
      throw new UserError(`${path}: its voxels unfold far beyond the ${byteLength} bytes that the header asks for. Fetch it again.`);
  }
  if (position < byteLength)
    throw new UserError(
      `${path}: truncated. The header (${header.shape.join('×')}) asks for ${byteLength} bytes of voxels, ` +
        `${Math.max(0, position)} are there. Fetch the file again.`,
    );
  return bytes;
}

async function* piecesOf(file: RangedFile, start: number, end: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = start; at < end; at += PIECE_BYTES) yield file.read(at, Math.min(PIECE_BYTES, end - at));
}

async function* unzlibbed(pieces: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<Uint8Array, void, undefined> {
  let held: Uint8Array[] = [];
  const unzlib = new Unzlib((bytes) => void held.push(bytes));
  const sum = new Adler();
  let tail: Uint8Array = new Uint8Array(0);
  const push = (bytes: Uint8Array, isLast: boolean): void => {
    try {
      unzlib.push(bytes, isLast);
    } catch (cause) {
      throw new UserError(`${path}: its compressed voxels are truncated or corrupt. Fetch the file again.`, { cause });
    }
  };
  for await (const bytes of pieces) {
    tail = Uint8Array.from([...tail, ...bytes.subarray(-4)].slice(-4));
    push(bytes.slice(), false);
    for (const one of held) sum.add(one);
    yield* held;
    held = [];
  }
  push(new Uint8Array(0), true);
  for (const one of held) sum.add(one);
  yield* held;
  const stated = tail.length < 4 ? NaN : new DataView(tail.buffer, tail.byteOffset).getUint32(0);
  if (stated !== sum.value) throw new UserError(`${path}: the checksum of its compressed voxels does not match. Fetch the file again.`);
}
