/**
 * The numbers that test/golden/base_configs.py and base_variants.py draw, made again: so that neither weights nor pixels need to be stored.
 */

/** `count` numbers in (−1, 1): lowbias32 of the index, counted on from a hash of the name (FNV-1a). */
export function noise(name: string, count: number): Float64Array {
  let seed = 2166136261;
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 16777619);
  return Float64Array.from({ length: count }, (_, i) => {
    let x = (i + seed) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
    return ((x ^ (x >>> 16)) >>> 0) / 2 ** 31 - 1;
  });
}
