/**
 * `numpy.random.default_rng(seed).permutation(n)`, to the bit: SeedSequence, PCG64 (XSL-RR, 128 bits of state) and the Fisher-Yates shuffle
 * with masked draws, as numpy has had them since 1.17. The `datasets` library splits and shuffles with it, and so does the reference.
 */

const MASK_64 = (1n << 64n) - 1n;
const MASK_128 = (1n << 128n) - 1n;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

/** Eight u32 of numpy's SeedSequence(seed), for a seed below 2³². */
function seedWords(seed: number): number[] {
  let constant = 0x43b0d7e5;
  const hash = (value: number): number => {
    let mixed = value ^ constant;
    constant = Math.imul(constant, 0x931e8875);
    mixed = Math.imul(mixed, constant);
    return mixed ^ (mixed >>> 16);
  };
  const pool = [hash(seed), hash(0), hash(0), hash(0)];
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) {
      if (from === to) continue;
      const mixed = (Math.imul(0xca01f9dd, pool[to] ?? 0) - Math.imul(0x4973f715, hash(pool[from] ?? 0))) | 0;
      pool[to] = mixed ^ (mixed >>> 16);
    }
  }
  constant = 0x8b51f9dd;
  return Array.from({ length: 8 }, (_, i) => {
    let word = (pool[i % 4] ?? 0) ^ constant;
    constant = Math.imul(constant, 0x58f38ded);
    word = Math.imul(word, constant);
    return (word ^ (word >>> 16)) >>> 0;
  });
}

/** The generator's stream of u32: the low half of every 64-bit output, then the high one. */
function pcg64(seed: number): () => number {
  const words = seedWords(seed).map(BigInt);
  const long = (at: number): bigint => ((words[at + 1] ?? 0n) << 32n) | (words[at] ?? 0n);
  const increment = ((((long(4) << 64n) | long(6)) << 1n) | 1n) & MASK_128;
  let state = (increment + ((long(0) << 64n) | long(2))) & MASK_128;
  const step = (): void => {
    state = (state * MULTIPLIER + increment) & MASK_128;
  };
  step();
  let kept: number | undefined;
  return () => {
    if (kept !== undefined) {
      const high = kept;
      kept = undefined;
      return high;
    }
    step();
    const folded = (state >> 64n) ^ (state & MASK_64);
    const turn = state >> 122n;
    const output = ((folded >> turn) | (folded << (64n - turn))) & MASK_64;
    kept = Number(output >> 32n);
    return Number(output & 0xffffffffn);
  };
}

/** @param seed from 0 to 2³² − 1 @param n below 2³² */
export function numpyPermutation(n: number, seed: number): Uint32Array {
  const order = new Uint32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  const next = pcg64(seed);
  for (let i = n - 1; i > 0; i--) {
    const at = below(i + 1, next);
    const kept = order[i] ?? 0;
    order[i] = order[at] ?? 0;
    order[at] = kept;
  }
  return order;
}

/** numpy's random_interval: draws masked to the bits of `range - 1`, until one is below `range`. */
function below(range: number, next: () => number): number {
  const shift = Math.clz32(range - 1);
  for (;;) {
    const value = next() & (0xffffffff >>> shift);
    if (value >>> 0 < range) return value >>> 0;
  }
}
