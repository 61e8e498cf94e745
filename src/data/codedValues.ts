/**
 * Values of a slice as codes of 16 bits and what each code means. Scanners store some thousand different numbers, so what is computed of a
 * value (a window, a grey level) is computed once for each code that is there instead of for each pixel.
 */

export interface CodedValues {
  /** One a pixel, as they are stored. */
  readonly codes: Uint16Array;
  /** Where the picture's pixels are among the codes; absent: as they come. */
  readonly turn?: Turn;
  /** The value of each code, 65 536 of them. */
  readonly meanings: Float64Array;
  /** Whether all meanings are finite numbers. */
  readonly isFinite: boolean;
}

/** How a picture's rows and columns lie in a stored plane. */
export interface Turn {
  rows: number;
  cols: number;
  /** Steps in the stored plane from one row to the next, from one column to the next. */
  byRow: number;
  byCol: number;
}

export const CODES = 65_536;

export interface DistinctValues {
  /** The values that are there, each once a code, as numpy's float32. */
  values: Float32Array;
  /** How many pixels have it. */
  counts: Uint32Array;
  /** Codes of the values. */
  codes: Uint16Array;
}

/** For one slice after the other: a table of its own for each would cost more than counting. */
const countOf = new Uint32Array(CODES);

export function distinctValues({ codes, meanings }: CodedValues): DistinctValues {
  countOf.fill(0);
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0;
    countOf[code] = (countOf[code] ?? 0) + 1;
  }
  let count = 0;
  for (let code = 0; code < CODES; code++) if (countOf[code] !== 0) count++;
  const found = { values: new Float32Array(count), counts: new Uint32Array(count), codes: new Uint16Array(count) };
  for (let code = 0, at = 0; code < CODES; code++) {
    if (countOf[code] === 0) continue;
    found.values[at] = meanings[code] ?? NaN;
    found.counts[at] = countOf[code] ?? 0;
    found.codes[at++] = code;
  }
  return found;
}

/**
 * The level of each pixel of the picture.
 * @param levels of all codes
 * @param memory for them, if it is as large
 */
export function levelsOf({ codes, turn }: CodedValues, levels: Uint8Array, memory?: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const out = memory?.length === codes.length ? memory : new Uint8Array(codes.length);
  if (turn === undefined) lookUp(codes, levels, out, 0, out.length, 0, 1);
  else if (isInFours(turn, codes, out)) lookUpTurned(codes, levels, out, turn);
  else eachTurned(turn, (to, end, from, step) => lookUp(codes, levels, out, to, end, from, step));
  return out;
}

/** Whether two rows of the picture lie beside one another in the stored plane, and words of two codes and of four pixels are whole. */
function isInFours({ rows, cols, byRow, byCol }: Turn, codes: Uint16Array, out: Uint8Array): boolean {
  return Math.abs(byRow) === 1 && byCol % 2 === 0 && rows % 2 === 0 && cols % 4 === 0 && (codes.byteOffset | out.byteOffset) % 4 === 0;
}

/** As `lookUp` of a picture whose rows are columns of the stored plane, two of them at once: half of the time. */
function lookUpTurned(codes: Uint16Array, levels: Uint8Array, out: Uint8Array, { rows, cols, byRow, byCol }: Turn): void {
  const pairs = new Uint32Array(codes.buffer, codes.byteOffset, codes.length >> 1);
  const wide = new Uint32Array(out.buffer, out.byteOffset, out.length >> 2);
  const words = cols >> 2;
  const step = byCol >> 1;
  const start = byCol < 0 ? -step * (cols - 1) : 0;
  for (let top = 0; top < rows; top += TILE)
    for (let left = 0; left < cols; left += TILE)
      for (let row = top, bottom = Math.min(top + TILE, rows); row < bottom; row += 2) {
        // Of a pair, the lower half is the row that is stored first.
        let lower = row * words + (left >> 2);
        let upper = lower + words;
        let at = start + (row >> 1) + left * step;
        if (byRow < 0) {
          [lower, upper] = [upper, lower];
          at = start + ((rows - 2 - row) >> 1) + left * step;
        }
        for (let column = left, end = Math.min(left + TILE, cols); column < end; column += 4, at += 4 * step) {
          const a = pairs[at]!;
          const b = pairs[at + step]!;
          const c = pairs[at + 2 * step]!;
          const d = pairs[at + 3 * step]!;
          wide[lower++] = levels[a & 0xffff]! | (levels[b & 0xffff]! << 8) | (levels[c & 0xffff]! << 16) | (levels[d & 0xffff]! << 24);
          wide[upper++] = levels[a >>> 16]! | (levels[b >>> 16]! << 8) | (levels[c >>> 16]! << 16) | (levels[d >>> 16]! << 24);
        }
      }
}

function lookUp(codes: Uint16Array, levels: Uint8Array, out: Uint8Array, to: number, end: number, from: number, step: number): void {
  for (let at = from; to < end; to++, at += step) out[to] = levels[codes[at] ?? 0] ?? 0;
}

/** The picture of a stored plane, in `out`. */
export function turned<T extends Float64Array | Uint16Array | Uint8Array>(plane: T, out: T, turn: Turn): T {
  eachTurned(turn, (to, end, from, step) => {
    for (let at = from; to < end; to++, at += step) out[to] = plane[at] ?? 0;
  });
  return out;
}

/** Rows and columns that are read together: a column of the stored plane is then read from the cache. */
const TILE = 32;

/** Each run of pixels `to` … `end` of the picture, and where and at which steps they are stored. */
function eachTurned({ rows, cols, byRow, byCol }: Turn, run: (to: number, end: number, from: number, step: number) => void): void {
  const start = (byRow < 0 ? -byRow * (rows - 1) : 0) + (byCol < 0 ? -byCol * (cols - 1) : 0);
  for (let top = 0; top < rows; top += TILE)
    for (let left = 0; left < cols; left += TILE) {
      const [bottom, length] = [Math.min(top + TILE, rows), Math.min(TILE, cols - left)];
      for (let row = top; row < bottom; row++) {
        const to = row * cols + left;
        run(to, to + length, start + row * byRow + left * byCol, byCol);
      }
    }
}

/** Red, green, blue of each pixel, all the same. */
export function greyToRgb(grey: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(3 * grey.length);
  // Four pixels are three words; every runtime that has a GPU is little endian.
  const wide = new Uint32Array(out.buffer, 0, Math.floor(grey.length / 4) * 3);
  let i = 0;
  for (let to = 0; to < wide.length; i += 4) {
    const a = grey[i] ?? 0;
    const b = grey[i + 1] ?? 0;
    const c = grey[i + 2] ?? 0;
    const d = grey[i + 3] ?? 0;
    wide[to++] = a | (a << 8) | (a << 16) | (b << 24);
    wide[to++] = b | (b << 8) | (c << 16) | (c << 24);
    wide[to++] = c | (d << 8) | (d << 16) | (d << 24);
  }
  for (; i < grey.length; i++) out.fill(grey[i] ?? 0, 3 * i, 3 * i + 3);
  return out;
}
