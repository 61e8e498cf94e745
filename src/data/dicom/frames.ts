/** Where the bytes of each frame lie: one after the other, or in fragments (PS3.5, A.4). */
import { UserError } from '../../platform.ts';
import type { StoredPixels } from './file.ts';
import { frameBits } from './format.ts';
import type { PixelFormat } from './format.ts';
import type { DicomLimits } from './limits.ts';

/** Gives the bytes of a frame as the file has them. @param into the caller's memory, which they may lie in if they fit */
export type FrameReader = (frame: number, into?: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;

const ITEM = 0xfffee000;
const DELIMITER = 0xfffee0dd;

/** @throws UserError where the file has less than its frames need */
export function frameReader(file: StoredPixels, format: PixelFormat, limits: DicomLimits): FrameReader {
  const { pixels, source, path, syntax } = file;
  if (pixels === undefined) throw new UserError(`${path}: this DICOM file has no pixels. Give one with an image.`);
  if (pixels.length === undefined) {
    let frames: Promise<Uint8Array[]> | undefined;
    return async (frame) => {
      frames ??= encodedFrames(file, format.frames, pixels.offset, limits);
      const bytes = (await frames)[frame];
      if (bytes === undefined) throw new UserError(`${path}: frame ${frame + 1} of ${format.frames} is missing. Export the file again.`);
      return bytes;
    };
  }
  if (syntax.compression !== undefined)
    throw new UserError(`${path}: it is said to be ${syntax.name}, but its pixels are not in fragments. Export the DICOM file again.`);
  const bits = frameBits(format);
  const expected = Math.ceil((bits * format.frames) / 8);
  const present = Math.min(pixels.length, source.size - pixels.offset);
  if (present < expected)
    throw new UserError(
      `${path}: its pixels are cut off: ${format.frames} × ${format.rows}×${format.columns} need ${expected} bytes, ${present} there. ` +
        'Fetch or export the file again.',
    );
  // An even number of bytes is written; where it is that of three samples a pixel, no byte says whether they are RGB or YCbCr.
  const whole = (format.rows * format.columns * format.samples * format.bitsAllocated * format.frames) / 8;
  if (format.photometric === 'YBR_FULL_422' && (present === whole || present === whole + (whole % 2)))
    throw new UserError(
      `${path}: PhotometricInterpretation is YBR_FULL_422, but its pixels have ${present} bytes, those of three samples a pixel ` +
        `(${expected} are expected). Correct it to RGB or YBR_FULL, whichever they are.`,
    );
  // Bytes (and bits) that were written as 16-bit words are swapped in pairs in big endian (PS3.5, 8.1.1); a frame may begin within a pair.
  const isInPairs = syntax.isBigEndian === true && pixels.vr === 'OW' && format.bitsAllocated <= 8;
  const grain = isInPairs ? 2 : 1;
  return async (frame, into) => {
    // Frames of single bits may begin within a byte.
    const from = Math.floor((frame * bits) / 8);
    const to = Math.ceil(((frame + 1) * bits) / 8);
    const start = from - (from % grain);
    const length = Math.min(to + (to % grain), present) - start;
    const bytes = await source.read(pixels.offset + start, length, into && into.length >= length ? into : undefined);
    return isInPairs ? swappedPairs(bytes).subarray(from - start, to - start) : bytes;
  };
}

function swappedPairs(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte, i) => bytes[i ^ 1] ?? byte);
}

/** Fragments by the frame that begins at each offset; undefined where a frame would have none. */
function partedAt(offsets: readonly number[], fragments: readonly Fragment[]): Fragment[][] | undefined {
  const frames: Fragment[][] = offsets.map(() => []);
  let frame = 0;
  for (const fragment of fragments) {
    while (frame + 1 < offsets.length && fragment.offset >= (offsets[frame + 1] ?? Infinity)) frame++;
    if (fragment.offset >= (offsets[frame] ?? 0)) frames[frame]?.push(fragment);
  }
  return frames.every((parts) => parts.length > 0) ? frames : undefined;
}

interface Fragment {
  /** From the first byte after the basic offset table. */
  offset: number;
  bytes: Uint8Array;
}

async function encodedFrames(file: StoredPixels, count: number, start: number, limits: DicomLimits): Promise<Uint8Array[]> {
  const { source, path } = file;
  const size = source.size - start;
  if (size > limits.encodedBytes)
    throw new UserError(`${path}: its compressed frames have ${size} bytes, ${limits.encodedBytes} are the most that are read at once.`);
  const { table, fragments } = readFragments(await source.read(start, size), path);
  const offsets = file.extendedOffsets.length > 0 ? file.extendedOffsets : table;
  if (fragments.length === 0) throw new UserError(`${path}: its compressed pixels are empty. Export the DICOM file again.`);
  if (count === 1) return [joined(fragments)];
  const parted = offsets.length === count ? partedAt(offsets, fragments) : undefined;
  if (parted !== undefined) return parted.map((parts, i) => joined(parts).subarray(0, file.extendedLengths[i]));
  if (fragments.length === count) return fragments.map(({ bytes }) => bytes);
  const begun = groupedByMarker(fragments);
  if (begun.length === count) return begun.map(joined);
  throw new UserError(
    `${path}: ${fragments.length} fragments cannot be told apart into ${count} frames, as there is no offset table. Export the file again.`,
  );
}

function readFragments(bytes: Uint8Array, path: string): { table: number[]; fragments: Fragment[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fragments: Fragment[] = [];
  let table: number[] | undefined;
  let first = 0;
  for (let at = 0; ;) {
    if (at + 8 > bytes.length) {
      // Some writers leave the delimiter out; what is there is whole.
      if (at === bytes.length && fragments.length > 0) break;
      throw new UserError(`${path}: its compressed pixels are cut off. Fetch or export the DICOM file again.`);
    }
    const tag = view.getUint16(at, true) * 0x10000 + view.getUint16(at + 2, true);
    if (tag === DELIMITER) break;
    const length = view.getUint32(at + 4, true);
    if (tag !== ITEM || at + 8 + length > bytes.length)
      throw new UserError(`${path}: its compressed pixels are cut off or corrupt. Fetch or export the DICOM file again.`);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (table === undefined) {
      table = Array.from({ length: length >> 2 }, (_, i) => view.getUint32(at + 8 + 4 * i, true));
      first = at + 8 + length;
    } else fragments.push({ offset: at - first, bytes: data });
    at += 8 + length;
  }
  return { table: table ?? [], fragments };
}

/** A fragment that begins as a JPEG, JPEG-LS (SOI) or JPEG 2000 (SOC) stream does begins a frame. */
function groupedByMarker(fragments: readonly Fragment[]): Fragment[][] {
  const frames: Fragment[][] = [];
  for (const fragment of fragments) {
    const [first, second, third] = fragment.bytes;
    const begins = first === 0xff && ((second === 0xd8 && third === 0xff) || (second === 0x4f && third === 0xff));
    if (begins || frames.length === 0) frames.push([fragment]);
    else frames.at(-1)?.push(fragment);
  }
  return frames;
}

function joined(fragments: readonly Fragment[]): Uint8Array {
  const [only] = fragments;
  if (fragments.length === 1 && only !== undefined) return only.bytes;
  const bytes = new Uint8Array(fragments.reduce((sum, fragment) => sum + fragment.bytes.length, 0));
  let at = 0;
  for (const fragment of fragments) {
    bytes.set(fragment.bytes, at);
    at += fragment.bytes.length;
  }
  return bytes;
}
