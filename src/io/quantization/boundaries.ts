/**
 * Rounding to the nearest of ascending values, as bitsandbytes does it: between two neighbours lies a boundary, and a value on it goes
 * down.
 */

/** The float32 between neighbours: a value up to it takes the lower code. */
export function midpoints(ascending: Float32Array): Float32Array {
  return Float32Array.from({ length: ascending.length - 1 }, (_, i) => Math.fround(ascending[i]! + ascending[i + 1]!) / 2);
}

/** How many boundaries lie below the value. */
export function codeOf(value: number, bounds: Float32Array): number {
  let low = 0;
  let high = bounds.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (bounds[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** `codeOf` for many values: the upper 16 bits of most values say it. @returns the codes of `values` */
export function codesOf(values: Float32Array, bounds: Float32Array, known: Uint16Array): Uint8Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const codes = new Uint8Array(values.length);
  for (let i = 0; i < codes.length; i++) {
    const code = known[bits[i]! >>> 16]!;
    codes[i] = code === UNKNOWN ? codeOf(values[i]!, bounds) : code;
  }
  return codes;
}

const UNKNOWN = 256;

/**
 * By the upper 16 bits of a float32: the code of all values with these, or UNKNOWN where a boundary lies between them. For at most 256
 * codes.
 */
export function knownCodes(bounds: Float32Array): Uint16Array {
  const ends = new Uint32Array(2);
  const values = new Float32Array(ends.buffer);
  return Uint16Array.from({ length: 65536 }, (_, upper) => {
    ends[0] = upper << 16;
    ends[1] = (upper << 16) | 0xffff;
    const [one, other] = [codeOf(values[0]!, bounds), codeOf(values[1]!, bounds)];
    return one === other ? one : UNKNOWN;
  });
}
