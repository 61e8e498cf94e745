/**
 * Double quantisation: the largest magnitudes of NF4's blocks, less their mean, become bytes themselves, in blocks of 256 with one float32 each. A
 * byte is the nearest entry of bitsandbytes' "dynamic" map: a sign, an exponent to base ten of changing length, and a fraction in what bits remain.
 */
import { codeOf, midpoints, SMALLEST_ABSMAX } from './nf4.ts';
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

/** @param absmax (blocks) */
export function quantizeScales(absmax: Float32Array): Extract<BlockScales, { kind: 'double' }> {
  const { fround } = Math;
  const map = dynamicMap();
  const bounds = midpoints(map);
  const offset = torchMean(absmax);
  const bytes = new Uint8Array(absmax.length);
  const nested = new Float32Array(Math.ceil(absmax.length / NESTED_BLOCK));
  for (let start = 0; start < absmax.length; start += NESTED_BLOCK) {
    const centred = absmax.subarray(start, start + NESTED_BLOCK).map((value) => value - offset);
    let largest = 0;
    for (const value of centred) largest = Math.max(largest, Math.abs(value));
    const divisor = Math.max(largest, SMALLEST_ABSMAX);
    const isWhole = centred.length === NESTED_BLOCK;
    nested[start / NESTED_BLOCK] = isWhole ? largest : divisor;
    const inverse = fround(1 / divisor);
    centred.forEach((value, i) => (bytes[start + i] = codeOf(isWhole ? fround(value * inverse) : fround(value / divisor), bounds)));
  }
  return { kind: 'double', bytes, nested, nestedBlock: NESTED_BLOCK, offset, map };
}

/** (blocks) the largest magnitudes as they count in products, float32. */
export function restoredScales(scales: BlockScales): Float32Array {
  if (scales.kind === 'single') return scales.absmax;
  const { bytes, nested, nestedBlock, offset, map } = scales;
  return Float32Array.from(bytes, (byte, i) => Math.fround(map[byte]! * nested[Math.floor(i / nestedBlock)]!) + offset);
}
