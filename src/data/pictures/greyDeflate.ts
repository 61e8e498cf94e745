/**
 * Greys as a zlib stream of PNG rows in colour, where each pixel is three bytes alike. A general matcher spends most of its time on the
 * second and the third byte and on searching; here a copy is one of pixels: of the last place of the same two, else of the same one, both
 * found in tables, and of those that follow as far as they are the same. Smaller than zlib's fast levels in half of their time, and the
 * same bytes in every runtime. RFC 1950 and 1951; the filter is PNG's second, the difference from the row above.
 */
import { BitWriter } from './bitWriter.ts';
import { codeWords, lengthsOf } from './huffman.ts';

const FILTER_UP = 2;
const END = 256;
const FIRST_LENGTH = 257;
const LITERALS = 286;
const DISTANCES = 30;
const FARTHEST = 32_768;
/** Pixels of the longest copy, 258 bytes. */
const LONGEST = 86;
/**
 * Bits of the longest code words, as few as 286 symbols can do with: the word of a copy of one pixel, that of its distance and what the
 * distance's symbol leaves open (13) are one number of 31 bits.
 */
const WORD_BITS = 9;
const ADLER = 65_521;

/** Of each length in pixels: its symbol, and bits behind it with their number. */
const LENGTH_SYMBOL = new Uint16Array(LONGEST + 1);
const LENGTH_REST = new Uint8Array(LONGEST + 1);
const LENGTH_REST_BITS = new Uint8Array(LONGEST + 1);
for (let symbol = 0, length = 3; symbol < 28; symbol++) {
  const bits = symbol < 8 ? 0 : (symbol >> 2) - 1;
  for (let rest = 0; rest < 1 << bits; rest++, length++) {
    if (length % 3 !== 0 || length > 255) continue;
    LENGTH_SYMBOL[length / 3] = FIRST_LENGTH + symbol;
    LENGTH_REST[length / 3] = rest;
    LENGTH_REST_BITS[length / 3] = bits;
  }
}
LENGTH_SYMBOL[LONGEST] = LITERALS - 1; // 258 bytes have a symbol of their own, the last

/** Words of 4 bits, from their last bit. */
const NIBBLE = codeWords(new Uint8Array(16).fill(4));

/** The last pixel of each difference, and the first one of each pair of them. */
const lastPixel = new Int32Array(256);
const lastPair = new Int32Array(1 << 16);
const literalCounts = new Uint32Array(LITERALS);
const distanceCounts = new Uint32Array(32);

/** The same memory for all pictures of a size, which come one after the other. Larger ones are let go. */
const KEPT_PIXELS = 1 << 22;
let scratch = memoryFor(0, 0);

interface Scratch {
  width: number;
  /** Each pixel less the one above. */
  rows: Uint8Array<ArrayBuffer>;
  tokens: Int32Array;
  out: Uint32Array<ArrayBuffer>;
}

function memoryFor(width: number, height: number): Scratch {
  const pixels = width * height;
  // A row's filter and at most three literals of a pixel; none takes more than a word of 32 bits. And the head.
  const most = 3 * pixels + height + 256;
  return { width, rows: new Uint8Array(pixels), tokens: new Int32Array(most), out: new Uint32Array(most) };
}

/** @param grey rows × columns @returns a zlib stream that stays as it is until the next call */
export function deflatedGreys(grey: Uint8Array, width: number, height: number): Uint8Array<ArrayBuffer> {
  const isKept = scratch.width === width && scratch.rows.length === width * height;
  const memory = isKept ? scratch : memoryFor(width, height);
  if (memory.rows.length <= KEPT_PIXELS) scratch = memory;
  const { rows, tokens, out } = memory;
  const sum = differences(grey, width, height, rows);
  literalCounts.fill(0);
  distanceCounts.fill(0);
  const count = tokenized(memory, height, tokens);
  literalCounts[END] = 1;
  const literalLengths = lengthsOf(literalCounts, WORD_BITS);
  const distanceLengths = lengthsOf(distanceCounts.subarray(0, DISTANCES), WORD_BITS);
  const bits = new BitWriter(out);
  writeHead(bits, literalLengths, distanceLengths);
  writeTokens(bits, tokens, count, literalLengths, distanceLengths);
  return bits.end(sum);
}

/** Each pixel less the one above, into `rows`. @returns Adler-32 of the stream: of each row a filter, then three bytes a pixel */
function differences(grey: Uint8Array, width: number, height: number, rows: Uint8Array): number {
  const bytes = 3 * width + 1;
  const isWide = (width | grey.byteOffset) % 4 === 0;
  const wide = isWide ? new Uint32Array(grey.buffer, grey.byteOffset, grey.length >> 2) : new Uint32Array(0);
  const wideRows = new Uint32Array(rows.buffer, 0, wide.length);
  const words = width >> 2;
  let low = 1;
  let high = 0;
  for (let y = 0; y < height; y++) {
    // Of all differences so far in the row, and of these sums: each byte counts as often as bytes follow it, and once more.
    let all = 0;
    let weighted = 0;
    if (isWide) {
      // Four at a time: nothing is carried from one byte into the next.
      const end = (y + 1) * words;
      for (let at = y * words; at < end; at++) {
        const own = wide[at]!;
        const above = y === 0 ? 0 : wide[at - words]!;
        weighted += 4 * all;
        if (own === above) {
          wideRows[at] = 0;
          continue;
        }
        const four = ((own | 0x80808080) - (above & 0x7f7f7f7f)) ^ ((own ^ ~above) & 0x80808080);
        wideRows[at] = four;
        const b = (four >>> 8) & 255;
        const ab = (four & 255) + b;
        const c = (four >>> 16) & 255;
        const abc = ab + c;
        const d = abc + (four >>> 24);
        weighted += (four & 255) + ab + abc + d;
        all += d;
      }
    } else {
      const end = (y + 1) * width;
      for (let at = y * width; at < end; at++) {
        const own = (grey[at]! - (y === 0 ? 0 : grey[at - width]!)) & 255;
        rows[at] = own;
        all += own;
        weighted += all;
      }
    }
    high = (high + bytes * (low + FILTER_UP) + 9 * weighted - 3 * all) % ADLER;
    low = (low + FILTER_UP + 3 * all) % ADLER;
  }
  return high * 65_536 + low;
}

/**
 * Into `tokens`: a literal as its complement; a copy as the symbol of its distance (5 bits), what that leaves open (13), its pixels.
 * @returns how many
 */
function tokenized({ rows, width }: Scratch, height: number, tokens: Int32Array): number {
  const pairs = lastPair;
  const singles = lastPixel;
  const distances = distanceCounts;
  // Pixels between places that a distance reaches, filters of rows and all.
  const near = Math.floor(((FARTHEST - 1) * width) / (3 * width + 1));
  let count = 0;
  const share = 1 / width;
  // Copies of one and of two pixels, as most are.
  let ones = 0;
  let twos = 0;
  pairs.fill(-FARTHEST);
  singles.fill(-FARTHEST);
  for (let y = 0; y < height; y++) {
    tokens[count++] = ~FILTER_UP;
    const first = y * width;
    const end = first + width;
    for (let at = first; at < end;) {
      const value = rows[at]!;
      let from = 0;
      let length = 1;
      let key = 0;
      if (at + 1 < end) {
        key = (value << 8) | rows[at + 1]!;
        from = pairs[key]!;
        pairs[key] = at;
        length = 2;
      }
      if (length === 1 || at - from > near) {
        from = singles[value]!;
        length = 1;
        if (at - from > near) {
          tokens[count] = tokens[count + 1] = tokens[count + 2] = ~value;
          count += 3;
          literalCounts[value]! += 3;
          singles[value] = at;
          at++;
          continue;
        }
      }
      // One less, as symbols count. A filter is before each row.
      const rowsBack = from >= first ? 0 : y - Math.floor((from + 0.5) * share);
      const distance = 3 * (at - from) + rowsBack - 1;
      const bits = (30 - Math.clz32(distance)) | 0;
      const symbol = (2 * bits + (distance >> bits)) | 0;
      distances[symbol]!++;
      const head = symbol | ((distance & ((1 << bits) - 1)) << 5);
      singles[value] = at;
      if (length === 1) {
        ones++;
        tokens[count++] = head | (1 << 18);
        at++;
        continue;
      }
      singles[key & 255] = at + 1;
      if (at + 2 < end) pairs[((key & 255) << 8) | rows[at + 2]!] = at + 1;
      if (rows[at + 2] !== rows[from + 2]) {
        twos++;
        tokens[count++] = head | (2 << 18);
        at += 2;
        continue;
      }
      // Neither row is left: a filter follows.
      const most = Math.min(end - at, (y - rowsBack + 1) * width - from, LONGEST);
      while (length < most && rows[at + length] === rows[from + length]) length++;
      for (let i = at + Math.max(2, distance === 2 ? length - 2 : 2); i < at + length; i++) {
        singles[rows[i]!] = i;
        if (i + 1 < end) pairs[(rows[i]! << 8) | rows[i + 1]!] = i;
      }
      literalCounts[LENGTH_SYMBOL[length]!]!++;
      tokens[count++] = head | (length << 18);
      at += length;
    }
  }
  literalCounts[FILTER_UP]! += height;
  literalCounts[FIRST_LENGTH]! += ones;
  literalCounts[LENGTH_SYMBOL[2]!]! += twos;
  return count;
}

/** One block with codes of its own. */
function writeHead(bits: BitWriter, literalLengths: Uint8Array, distanceLengths: Uint8Array): void {
  bits.put(0x0178, 16); // zlib: deflate with a window of 32 kB, the fastest level
  bits.put(1 | (2 << 1), 3);
  bits.put(LITERALS - 257, 5);
  bits.put(DISTANCES - 1, 5);
  // The lengths of words are 0 to 15 in 4 bits each: the order of RFC 1951 has the symbols for repetitions first.
  bits.put(19 - 4, 4);
  for (let i = 0; i < 19; i++) bits.put(i < 3 ? 0 : 4, 3);
  for (const lengths of [literalLengths, distanceLengths]) for (const length of lengths) bits.put(NIBBLE[length]!, 4);
}

function writeTokens(bits: BitWriter, tokens: Int32Array, count: number, literalLengths: Uint8Array, distanceLengths: Uint8Array): void {
  const literals = codeWords(literalLengths);
  const distances = codeWords(distanceLengths);
  // Of a copy of one pixel, both words as one.
  const one = literals[FIRST_LENGTH]!;
  const oneBits = literalLengths[FIRST_LENGTH]!;
  const pair = Int32Array.from(distances, (word) => one | (word << oneBits));
  const pairBits = Uint8Array.from(distanceLengths, (length) => length + oneBits);
  const { out } = bits;
  let { at, word, filled } = bits;
  for (let i = 0; i < count; i++) {
    const token = tokens[i]!;
    let value = 0;
    let size = 0;
    if (token >= 0) {
      const symbol = token & 31;
      const length = token >> 18;
      const rest = (token >> 5) & 0x1fff;
      if (length === 1) {
        size = pairBits[symbol]!;
        value = pair[symbol]! | (rest << size);
      } else {
        const lengthSymbol = LENGTH_SYMBOL[length]!;
        const lengthBits = literalLengths[lengthSymbol]!;
        value = literals[lengthSymbol]! | (LENGTH_REST[length]! << lengthBits);
        size = lengthBits + LENGTH_REST_BITS[length]!;
        word |= value << filled;
        filled += size;
        if (filled >= 32) {
          out[at++] = word;
          filled -= 32;
          word = value >>> (size - filled);
        }
        size = distanceLengths[symbol]!;
        value = distances[symbol]! | (rest << size);
      }
      size += (symbol >> 1) - 1;
    } else {
      value = literals[~token]!;
      size = literalLengths[~token]!;
    }
    word |= value << filled;
    filled += size;
    if (filled >= 32) {
      out[at++] = word;
      filled -= 32;
      word = value >>> (size - filled);
    }
  }
  bits.at = at;
  bits.word = word;
  bits.filled = filled;
  bits.put(literals[END]!, literalLengths[END]!);
}
