/**
 * Double quantisation: the largest magnitudes of NF4's blocks, less their mean, become bytes themselves, in blocks of 256 with one float32
 * each. A byte is the nearest entry of bitsandbytes' "dynamic" map: a sign, an exponent to base ten of changing length, and a fraction in
 * what bits remain.
 */
import { codesOf, knownCodes, midpoints } from './boundaries.ts';
import { SMALLEST_ABSMAX } from './nf4.ts';
import { torchMean } from './torchMean.ts';

export const NESTED_BLOCK = 256;

/** What of the blocks' largest magnitudes is kept: a byte each, or, without double quantisation, the float32. */
export type BlockScales =
  | { kind: 'single'; absmax: Float32Array }
  | {
      kind: 'double';
      /** (blocks) entries of `map` */
      bytes: Uint8Array;
      /** (⌈blocks / nestedBlock⌉) */
      nested: Float32Array;
      nestedBlock: number;
      offset: number;
      /** (256) */
      map: Float32Array;
    };

const SIGN_AND_EXPONENT_BITS = 7;

let signedMap: Float32Array | undefined;

/** bitsandbytes' create_dynamic_map(signed=True): 256 values, ascending. */
export function dynamicMap(): Float32Array {
  return (signedMap ??= makeDynamicMap());
}

function makeDynamicMap(): Float32Array {
  const values = [0, 1];
  for (let exponent = 0; exponent < SIGN_AND_EXPONENT_BITS; exponent++) {
    const fractions = linspace(0.1, 1, 2 ** exponent + 1);
    const scale = Math.fround(10 ** (exponent - SIGN_AND_EXPONENT_BITS + 1));
    for (let i = 0; i + 1 < fractions.length; i++) {
      const value = Math.fround(scale * Math.fround(Math.fround(fractions[i]! + fractions[i + 1]!) / 2));
      values.push(value, -value);
    }
  }
  return Float32Array.from(values).sort();
}

/** torch.linspace in float32: from both ends towards the middle, in fused multiply-adds. */
function linspace(start: number, end: number, steps: number): Float32Array {
  const { fround } = Math;
  const step = fround((fround(end) - fround(start)) / (steps - 1));
  const half = Math.floor(steps / 2);
  return Float32Array.from({ length: steps }, (_, i) => (i < half ? fround(start) + step * i : fround(end) - step * (steps - i - 1)));
}

let lookup: { bounds: Float32Array; known: Uint16Array } | undefined;

/** @param absmax (blocks) */
export function quantizeScales(absmax: Float32Array): Extract<BlockScales, { kind: 'double' }> {
  const { fround } = Math;
  const map = dynamicMap();
  if (!lookup) {
    const bounds = midpoints(map);
    lookup = { bounds, known: knownCodes(bounds) };
  }
  const offset = torchMean(absmax);
  const scaled = new Float32Array(absmax.length);
  const nested = new Float32Array(Math.ceil(absmax.length / NESTED_BLOCK));
  for (let start = 0; start < absmax.length; start += NESTED_BLOCK) {
    const end = Math.min(start + NESTED_BLOCK, absmax.length);
    const isWhole = end - start === NESTED_BLOCK;
    let largest = 0;
    for (let i = start; i < end; i++) {
      scaled[i] = absmax[i]! - offset;
      largest = Math.max(largest, Math.abs(scaled[i]!));
    }
    const divisor = Math.max(largest, SMALLEST_ABSMAX);
    nested[start / NESTED_BLOCK] = isWhole ? largest : divisor;
    const inverse = fround(1 / divisor);
    for (let i = start; i < end; i++) scaled[i] = isWhole ? scaled[i]! * inverse : scaled[i]! / divisor;
  }
  return { kind: 'double', bytes: codesOf(scaled, lookup.bounds, lookup.known), nested, nestedBlock: NESTED_BLOCK, offset, map };
}

/** (blocks) the largest magnitudes as they count in products, float32. */
export function restoredScales(scales: BlockScales): Float32Array {
  if (scales.kind === 'single') return scales.absmax;
  const { bytes, nested, nestedBlock, offset, map } = scales;
  return Float32Array.from(bytes, (byte, i) => Math.fround(map[byte]! * nested[Math.floor(i / nestedBlock)]!) + offset);
}
