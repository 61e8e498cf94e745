/**
 * A strip or tile of a TIFF page unpacked: PackBits (TIFF 6.0, section 9), LZW (section 13), deflate (Adobe's technical note of 2002), and
 * the differences of predictor 2 (section 14) and 3 (Adobe's technical note 3 of 2005) summed up. What is written has a size that is known
 * before, so that nothing unfolds beyond it.
 */
import { Unzlib } from 'fflate';
import { Adler } from '../adler.ts';
import { swapBytes } from '../nifti.ts';
import { isDeflate, LZW, PACK_BITS } from './pages.ts';
import type { TiffPage } from './pages.ts';

/** What is wrong, as the end of a sentence. */
export class BadSegment extends Error {}

/**
 * @param packed bytes as they stand in the file
 * @param into room for the rows that are wanted, at the start of its buffer
 * @param most bytes that the part may have: writers fill the last strip up
 * @returns little endian, in `into`
 * @throws BadSegment where it has less, or is corrupt
 */
export function unpackSegment(
  { compression, predictor, bits, segment }: Pick<TiffPage, 'compression' | 'predictor' | 'bits' | 'segment'>,
  packed: Uint8Array,
  into: Uint8Array<ArrayBuffer>,
  most: number,
  littleEndian: boolean,
): void {
  const written = ((): number => {
    if (isDeflate(compression)) return inflated(packed, into, most);
    if (compression === LZW) return lzw(packed, into);
    if (compression === PACK_BITS) return packBits(packed, into);
    into.set(packed.subarray(0, into.length));
    return Math.min(packed.length, into.length);
  })();
  if (written < into.length) throw new BadSegment(`has ${written} of ${into.length} bytes`);
  const bytes = bits / 8;
  // The planes of predictor 3 begin with the highest byte, whatever the file's order.
  if (!littleEndian && predictor !== 3) swapBytes(into, bytes);
  if (predictor === 2) sumUp(into, segment[0], bytes);
  if (predictor === 3) sumUpFloats(into, segment[0], bytes);
}

const PIECE_BYTES = 1 << 16;
/** Behind the checksum, up to the next even or quarter place. */
const MOST_PADDING = 3;

function inflated(packed: Uint8Array, into: Uint8Array, most: number): number {
  let at = 0;
  const sum = new Adler();
  const unzlib = new Unzlib((bytes) => {
    if (at < into.length) into.set(bytes.subarray(0, into.length - at), at);
    at += bytes.length;
    sum.add(bytes);
  });
  try {
    for (let from = 0; from < packed.length && at <= most; from += PIECE_BYTES) unzlib.push(packed.slice(from, from + PIECE_BYTES));
    if (at <= most) unzlib.push(new Uint8Array(0), true);
  } catch (cause) {
    throw new BadSegment('is cut off or corrupt', { cause });
  }
  if (at > most) throw new BadSegment(`unfolds to more than its ${most} bytes`);
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  for (let padding = 0; padding <= MOST_PADDING && padding + 4 <= packed.length; padding++)
    if (view.getUint32(packed.length - 4 - padding) === sum.value) return Math.min(at, into.length);
  throw new BadSegment('does not match its checksum');
}

function packBits(packed: Uint8Array, into: Uint8Array): number {
  let at = 0;
  for (let from = 0; from < packed.length && at < into.length;) {
    const head = packed[from++] ?? 0;
    if (head === 128) continue;
    if (head < 128) {
      const literal = packed.subarray(from, from + Math.min(head + 1, into.length - at));
      into.set(literal, at);
      at += literal.length;
      from += head + 1;
    } else if (from < packed.length) {
      const end = Math.min(into.length, at + 257 - head);
      into.fill(packed[from++] ?? 0, at, end);
      at = end;
    }
  }
  return at;
}

const CLEAR = 256;
const END = 257;
const MOST_CODES = 4096;

/** Codes of 9 to 12 bits, the highest first; they grow one code early. */
function lzw(packed: Uint8Array, into: Uint8Array): number {
  if (packed[0] === 0 && ((packed[1] ?? 0) & 1) === 1) throw new BadSegment('is compressed by the LZW of before 1992: save it again');
  // Of each code: the code before its last byte, that byte, and how many bytes it stands for.
  const before = new Uint16Array(MOST_CODES);
  const last = new Uint8Array(MOST_CODES).map((_, code) => code);
  const lengths = new Uint16Array(MOST_CODES).fill(1, 0, CLEAR);
  let [next, width, previous, at, held, heldBits] = [END + 1, 9, -1, 0, 0, 0];
  for (let from = 0; at < into.length;) {
    while (heldBits < width && from < packed.length) {
      held = ((held << 8) | (packed[from++] ?? 0)) & 0xff_ffff;
      heldBits += 8;
    }
    if (heldBits < width) break;
    heldBits -= width;
    const code = (held >> heldBits) & ((1 << width) - 1);
    if (code === END) break;
    if (code === CLEAR) {
      [next, width, previous] = [END + 1, 9, -1];
      continue;
    }
    if (code > next || (code === next && previous < 0)) throw new BadSegment('is corrupt');
    // A code that is only now being made is the one before it with its own first byte behind.
    const isNew = code === next;
    const known = isNew ? previous : code;
    const length = lengths[known] ?? 0;
    let first = known;
    for (let place = at + length - 1, walk = known; place >= at; place--) {
      if (place < into.length) into[place] = last[walk] ?? 0;
      first = walk;
      walk = before[walk] ?? 0;
    }
    at += length;
    const byte = last[first] ?? 0;
    if (isNew) {
      if (at < into.length) into[at] = byte;
      at++;
    }
    if (previous >= 0 && next < MOST_CODES) {
      before[next] = previous;
      last[next] = byte;
      lengths[next] = (lengths[previous] ?? 0) + 1;
      next++;
      if (next + 1 >= 1 << width && width < 12) width++;
    }
    previous = code;
  }
  return Math.min(at, into.length);
}

/** Each number of a row is the difference from the one before it; sums wrap around. */
function sumUp(bytes: Uint8Array<ArrayBuffer>, columns: number, width: number): void {
  if (width === 8) {
    const numbers = new BigUint64Array(bytes.buffer, 0, bytes.length / 8);
    for (let row = 0; row < numbers.length; row += columns)
      for (let i = row + 1; i < row + columns; i++) numbers[i] = (numbers[i] ?? 0n) + (numbers[i - 1] ?? 0n);
    return;
  }
  const kinds = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array } as const;
  const numbers = new kinds[width as 1 | 2 | 4](bytes.buffer, 0, bytes.length / width);
  for (let row = 0; row < numbers.length; row += columns)
    for (let i = row + 1; i < row + columns; i++) numbers[i] = (numbers[i] ?? 0) + (numbers[i - 1] ?? 0);
}

/** The bytes of a row, the highest of all its numbers first, as differences. */
function sumUpFloats(bytes: Uint8Array, columns: number, width: number): void {
  const row = new Uint8Array(columns * width);
  for (let at = 0; at < bytes.length; at += row.length) {
    row.set(bytes.subarray(at, at + row.length));
    for (let i = 1; i < row.length; i++) row[i] = (row[i] ?? 0) + (row[i - 1] ?? 0);
    for (let column = 0; column < columns; column++)
      for (let byte = 0; byte < width; byte++) bytes[at + column * width + byte] = row[(width - 1 - byte) * columns + column] ?? 0;
  }
}
