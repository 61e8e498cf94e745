/**
 * NF4 (Dettmers et al. 2023, QLoRA) as bitsandbytes 0.50 makes it: values in row-major blocks of 64, each divided by its largest magnitude
 * and rounded to the nearest of 16 quantiles of a normal distribution, two codes a byte, the first in the high half. Every bit follows
 * bitsandbytes' arithmetic in float32, whatever the precision of the source: a whole block is multiplied by the reciprocal of its largest
 * magnitude, a last block that is cut short is divided by it, and what lies on a boundary takes the lower code. A tensor is given in runs
 * of blocks, so it need never be whole in memory. Codes are looked up: by the bits of a bf16 value, and for the others by the product's
 * place on a fine grid, unless a boundary is near.
 */
import { UserError } from '../../platform.ts';
import type { Dtype } from '../safetensors.ts';
import { bf16ToF32, f16ToF32 } from '../halfFloat.ts';
import { codeOf, midpoints } from './boundaries.ts';
import { nf4Simd } from './nf4Simd.ts';
import type { Nf4Simd } from './nf4Simd.ts';

/** The value of every code, ascending. */
export const NF4_VALUES = Float32Array.of(
  -1,
  -0.6961928009986877,
  -0.5250730514526367,
  -0.39491748809814453,
  -0.28444138169288635,
  -0.18477343022823334,
  -0.09105003625154495,
  0,
  0.07958029955625534,
  0.16093020141124725,
  0.24611230194568634,
  0.33791524171829224,
  0.44070982933044434,
  0.5626170039176941,
  0.7229568362236023,
  1,
);

export const NF4_BLOCK = 64;

export type FloatDtype = 'F32' | 'F16' | 'BF16';

export function isFloat(dtype: Dtype): dtype is FloatDtype {
  return dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';
}

/** bitsandbytes divides by no less, so that blocks of zeros stay zeros. */
export const SMALLEST_ABSMAX = Math.fround(1e-38);

const BOUNDS = midpoints(NF4_VALUES);

/**
 * [-1, 1] cut into fine cells: the code of every value in one, or MIXED where a boundary lies in it. A look is faster than a branch that
 * nobody can foresee.
 */
const CELLS_PER_UNIT = 1024;
const MIXED = 16;
const CELL_CODE = Uint8Array.from({ length: 2 * CELLS_PER_UNIT + 1 }, (_, cell) => {
  // A cell wider on both sides, for what rounding moves over an edge.
  const [low, high] = [cell - 1, cell + 2].map((edge) => codeOf(edge / CELLS_PER_UNIT - 1, BOUNDS)) as [number, number];
  return low === high ? low : MIXED;
});

/** Magnitudes a bf16 block is looked up in: seven exponents below the largest's; what is smaller is nearest to zero. */
const OCTAVES = 7;
const ZERO_CODE = 7;
let bf16Codes: Uint8Array | undefined;

/**
 * Whether the table holds for a largest magnitude of this exponent: neither a value that counts nor the reciprocal leaves the normal
 * numbers.
 */
function isLookedUp(exponent: number): boolean {
  return exponent >= 20 && exponent <= 240;
}

let vectors: { simd: Nf4Simd | undefined } | undefined;

function simdCodes(): Nf4Simd | undefined {
  vectors ??= { simd: nf4Simd(BOUNDS) };
  return vectors.simd;
}

/** By (fraction of the block's largest magnitude, sign, magnitude in units of bits above OCTAVES below it): the code. */
function makeBf16Codes(): Uint8Array {
  const codes = new Uint8Array(128 * 2048);
  for (let fraction = 0; fraction < 128; fraction++) {
    const inverse = Math.fround(1 / (1 + fraction / 128));
    for (let magnitude = 0; magnitude < 1024; magnitude++) {
      const value = (1 + (magnitude & 127) / 128) * 2 ** ((magnitude >> 7) - OCTAVES);
      const scaled = Math.fround(value * inverse);
      codes[(fraction << 11) | magnitude] = magnitude === 0 ? ZERO_CODE : codeOf(scaled, BOUNDS);
      codes[(fraction << 11) | 1024 | magnitude] = magnitude === 0 ? ZERO_CODE : codeOf(-scaled, BOUNDS);
    }
  }
  return codes;
}

/** Values of f16 that are widened at a time. */
const WIDENED = 2 ** 14;

export interface Nf4QuantizerOptions {
  /** Default 64. An even number. */
  blockSize?: number;
  /** Of the tensor, for messages. */
  label?: string;
}

export class Nf4Quantizer {
  /** Largest magnitude of every block that was quantised. */
  readonly absmax: Float32Array;
  private readonly dtype: FloatDtype;
  private readonly count: number;
  private readonly blockSize: number;
  private readonly label: string;
  /** Of the run at hand. */
  private firstBlock = 0;

  /** @param count values of the whole tensor */
  constructor(dtype: FloatDtype, count: number, { blockSize = NF4_BLOCK, label = 'a weight' }: Nf4QuantizerOptions = {}) {
    this.dtype = dtype;
    this.count = count;
    this.blockSize = blockSize;
    this.label = label;
    this.absmax = new Float32Array(Math.ceil(count / blockSize));
  }

  /**
   * The codes of a run of values, given as they lie in the file. Every run but the last of the tensor is a whole number of blocks.
   * @throws UserError for a value that is not finite
   */
  quantize(raw: Uint8Array, firstBlock: number): Uint8Array {
    const size = this.dtype === 'F32' ? 4 : 2;
    const aligned = raw.byteOffset % size === 0 ? raw : raw.slice();
    const length = raw.byteLength / size;
    const end = firstBlock * this.blockSize + length;
    if (end > this.count || (length % this.blockSize !== 0 && end < this.count)) {
      throw new Error(`${this.label}: a run of ${length} values is cut within a block`);
    }
    this.firstBlock = firstBlock;
    const codes = new Uint8Array(Math.ceil(length / 2));
    if (this.dtype === 'F32') this.pushValues(new Float32Array(aligned.buffer, aligned.byteOffset, length), 0, codes);
    else {
      const halves = new Uint16Array(aligned.buffer, aligned.byteOffset, length);
      if (this.dtype === 'F16') {
        const step = Math.ceil(WIDENED / this.blockSize) * this.blockSize;
        for (let at = 0; at < length; at += step) this.pushValues(f16ToF32(halves.subarray(at, at + step)), at, codes);
      } else this.pushBf16(halves, codes);
    }
    return codes;
  }

  private pushBf16(halves: Uint16Array, codes: Uint8Array): void {
    const simd = this.blockSize === NF4_BLOCK ? simdCodes() : undefined;
    if (simd) return this.pushVectors(simd, halves, codes);
    const table = (bf16Codes ??= makeBf16Codes());
    const { blockSize, absmax } = this;
    const first = this.firstBlock;
    const whole = halves.length - (halves.length % blockSize);
    const maximum = new Uint32Array(1);
    const asFloat = new Float32Array(maximum.buffer);
    for (let at = 0; at < whole; at += blockSize) {
      const end = at + blockSize;
      let most = 0;
      for (let i = at; i < end; i++) {
        const magnitude = halves[i]! & 0x7fff;
        most = magnitude > most ? magnitude : most;
      }
      const exponent = most >> 7;
      if (!isLookedUp(exponent)) {
        this.pushValues(bf16ToF32(halves.subarray(at, end)), at, codes);
        continue;
      }
      maximum[0] = most << 16;
      absmax[first + at / blockSize] = asFloat[0]!;
      const row = (most & 127) << 11;
      const floor = (exponent - OCTAVES) << 7;
      for (let i = at; i < end; i += 2) {
        const one = halves[i]!;
        const two = halves[i + 1]!;
        const a = (one & 0x7fff) - floor;
        const b = (two & 0x7fff) - floor;
        const high = table[row | ((one >> 5) & 1024) | (a > 0 ? a : 0)]!;
        codes[i >> 1] = (high << 4) | table[row | ((two >> 5) & 1024) | (b > 0 ? b : 0)]!;
      }
    }
    if (whole < halves.length) this.pushRest(bf16ToF32(halves.subarray(whole)), whole, codes);
  }

  /** As pushBf16. */
  private pushVectors(simd: Nf4Simd, halves: Uint16Array, codes: Uint8Array): void {
    const { blockSize } = this;
    const whole = halves.length - (halves.length % blockSize);
    const largest = simd.quantize(halves.subarray(0, whole), codes);
    this.absmax.set(bf16ToF32(largest), this.firstBlock);
    for (let block = 0; block < largest.length; block++) {
      if (isLookedUp(largest[block]! >> 7)) continue;
      this.pushValues(bf16ToF32(halves.subarray(block * blockSize, (block + 1) * blockSize)), block * blockSize, codes);
    }
    if (whole < halves.length) this.pushRest(bf16ToF32(halves.subarray(whole)), whole, codes);
  }

  /** @param at place of the first of these values in the run */
  private pushValues(values: Float32Array, at: number, codes: Uint8Array): void {
    const { blockSize } = this;
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    const whole = values.length - (values.length % blockSize);
    for (let start = 0; start < whole; start += blockSize) {
      const end = start + blockSize;
      const largest = this.keepLargest(values, bits, start, end, at);
      const inverse = Math.fround(1 / (largest > SMALLEST_ABSMAX ? largest : SMALLEST_ABSMAX));
      for (let i = start; i < end; i += 2) {
        const a = values[i]! * inverse;
        const b = values[i + 1]! * inverse;
        let high = CELL_CODE[((a + 1) * CELLS_PER_UNIT) | 0]!;
        let low = CELL_CODE[((b + 1) * CELLS_PER_UNIT) | 0]!;
        if (high === MIXED) high = codeOf(Math.fround(a), BOUNDS);
        if (low === MIXED) low = codeOf(Math.fround(b), BOUNDS);
        codes[(at + i) >> 1] = (high << 4) | low;
      }
    }
    if (whole < values.length) this.pushRest(values.slice(whole), at + whole, codes);
  }

  /** The last block, where it is short. A code without a partner is paired with that of zero. */
  private pushRest(values: Float32Array, at: number, codes: Uint8Array): void {
    const largest = Math.max(this.keepLargest(values, new Uint32Array(values.buffer), 0, values.length, at), SMALLEST_ABSMAX);
    this.absmax[this.absmax.length - 1] = largest;
    const code = (i: number): number => (i < values.length ? codeOf(Math.fround(values[i]! / largest), BOUNDS) : ZERO_CODE);
    for (let i = 0; i < values.length; i += 2) codes[(at + i) >> 1] = (code(i) << 4) | code(i + 1);
  }

  /** Magnitudes are ordered as their bits are. */
  private keepLargest(values: Float32Array, bits: Uint32Array, start: number, end: number, at: number): number {
    let place = start;
    let most = bits[start]! & 0x7fffffff;
    for (let i = start + 1; i < end; i++) {
      const magnitude = bits[i]! & 0x7fffffff;
      if (magnitude > most) {
        most = magnitude;
        place = i;
      }
    }
    if (most >= 0x7f800000) {
      throw new UserError(`${this.label} has a value that is not a finite number; the weights are damaged: download the model again.`);
    }
    return (this.absmax[this.firstBlock + (at + start) / this.blockSize] = Math.abs(values[place]!));
  }
}
