/**
 * Counter-based random numbers: a number is a hash of (seed, stream, step, index), never the state of a generator. A resumed run, a
 * recomputed block and any number of workers therefore see the same draws. Only u32 operations, because `kernels/lib/rng.wgsl` computes the
 * same hash.
 */

/** PCG output permutation as a 32-bit hash (Jarzynski & Olano, "Hash Functions for GPU Rendering", 2020). */
export function pcg(value: number): number {
  const state = (Math.imul(value, 747796405) + 2891336453) >>> 0;
  const word = Math.imul((state >>> ((state >>> 28) + 4)) ^ state, 277803737) >>> 0;
  return ((word >>> 22) ^ word) >>> 0;
}

/** u32. Arguments are taken modulo 2³². */
export function counterHash(seed: number, stream: number, step: number, index: number): number {
  return pcg(index ^ pcg(step ^ pcg(stream ^ pcg(seed))));
}

/** A draw stream's number: what keeps the hash of one use apart from that of another. */
export function streamId(name: string): number {
  let hash = 0x811c9dc5; // FNV-1a
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/**
 * The permutation of 0..n-1 that sorting by hash gives. Ties (one pair in 2³²) keep their order, so the result depends on (n, seed, stream)
 * alone. `step` is the epoch, for a new order each time.
 */
export function shuffled(n: number, seed: number, stream: number, step = 0): Uint32Array {
  // Keys are hash·2²¹ + index: below 2⁵³, so a numeric sort of doubles is exact for n up to two million; beyond that, sort by a comparison.
  if (n <= 2 ** 21) {
    const keys = new Float64Array(n);
    for (let i = 0; i < n; i++) keys[i] = counterHash(seed, stream, step, i) * 2 ** 21 + i;
    keys.sort();
    return Uint32Array.from(keys, (key) => key % 2 ** 21);
  }
  const hashes = new Uint32Array(n);
  for (let i = 0; i < n; i++) hashes[i] = counterHash(seed, stream, step, i);
  const order = new Uint32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  return order.sort((a, b) => (hashes[a] ?? 0) - (hashes[b] ?? 0) || a - b);
}
