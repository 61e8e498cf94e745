/**
 * A weight in NF4, wherever it comes from: quantised while it is read, or stored so by bitsandbytes. Codes come in runs of blocks, so that
 * no weight is ever whole in memory; the blocks' scales, a hundredth of it, come whole.
 */
import { f32ToBf16, f32ToF16, bf16ToF32, f16ToF32 } from '../halfFloat.ts';
import type { ModelFolder } from '../modelFolder.ts';
import { elementBytes, elementCount } from '../safetensors.ts';
import { NESTED_BLOCK, quantizeScales, restoredScales } from './doubleQuantization.ts';
import type { BlockScales } from './doubleQuantization.ts';
import { isFloat, NF4_BLOCK, NF4_VALUES, Nf4Quantizer } from './nf4.ts';
import type { FloatDtype } from './nf4.ts';

export interface Nf4Weight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly blockSize: number;
  /** Blocks whose scales share a scale of their own; none: scales are float32. */
  readonly nestedBlock: number | 'none';
  /** Precision that bitsandbytes gives the values back in: that of the weight before it was quantised. */
  readonly precision: FloatDtype;
  /** Bytes read for the codes of the whole weight. */
  readonly sourceBytes: number;
  /** The codes of some blocks as bitsandbytes packs them, two a byte, the first in the high half. */
  codes(firstBlock: number, blocks: number): Promise<Uint8Array>;
  /** Costs a pass over the weight where not all codes have been asked for before. */
  scales(): Promise<BlockScales>;
}

/** Source bytes of a run of blocks. */
const RUN_BYTES = 2 ** 21;

export function blockCount(weight: Pick<Nf4Weight, 'shape' | 'blockSize'>): number {
  return Math.ceil(elementCount(weight.shape) / weight.blockSize);
}

/** All codes in order, each run read while the one before is used. */
export async function* codeRuns(weight: Nf4Weight): AsyncIterable<{ firstBlock: number; codes: Uint8Array }> {
  const blocks = blockCount(weight);
  const perRun = Math.max(1, Math.floor((RUN_BYTES * blocks) / Math.max(weight.sourceBytes, 1)));
  for (let firstBlock = 0; firstBlock < blocks; firstBlock += perRun) {
    yield { firstBlock, codes: await weight.codes(firstBlock, Math.min(perRun, blocks - firstBlock)) };
  }
}

/** A float tensor of the folder, quantised as bitsandbytes does (block 64, scales quantised too). */
export class QuantizedWeight implements Nf4Weight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly blockSize = NF4_BLOCK;
  readonly nestedBlock = NESTED_BLOCK;
  readonly precision: FloatDtype;
  readonly sourceBytes: number;
  private readonly folder: ModelFolder;
  private quantizer: Nf4Quantizer | undefined;
  /** Blocks whose codes were asked for, as long as that was in order from the first. */
  private seen = 0;
  /** The run after the last one, being read already. */
  private ahead: { firstBlock: number; raw: Promise<Uint8Array> } | undefined;

  constructor(folder: ModelFolder, name: string) {
    const { dtype, shape, bytes } = folder.info(name);
    if (!isFloat(dtype)) throw new Error(`${name} is ${dtype}; only floats are quantised`);
    this.folder = folder;
    this.name = name;
    this.shape = shape;
    this.precision = dtype;
    this.sourceBytes = bytes;
  }

  async codes(firstBlock: number, blocks: number): Promise<Uint8Array> {
    const quantizer = (this.quantizer ??= new Nf4Quantizer(this.precision, elementCount(this.shape), {
      label: `${this.folder.dir}: ${this.name}`,
    }));
    const raw = await (this.ahead?.firstBlock === firstBlock ? this.ahead.raw : this.read(firstBlock, blocks));
    const next = firstBlock + blocks;
    this.ahead = undefined;
    if (next < quantizer.absmax.length) {
      const reading = this.read(next, Math.min(blocks, quantizer.absmax.length - next));
      reading.catch(() => undefined); // told to whoever asks for it
      this.ahead = { firstBlock: next, raw: reading };
    }
    const codes = quantizer.quantize(raw, firstBlock);
    if (firstBlock <= this.seen) this.seen = Math.max(this.seen, next);
    return codes;
  }

  async scales(): Promise<BlockScales> {
    const blocks = blockCount(this);
    if (this.seen < blocks) for await (const _ of codeRuns(this)) void _;
    const scales = quantizeScales(this.quantizer!.absmax);
    this.quantizer = undefined;
    this.seen = 0;
    return scales;
  }

  private read(firstBlock: number, blocks: number): Promise<Uint8Array> {
    const blockBytes = NF4_BLOCK * elementBytes(this.precision);
    const start = firstBlock * blockBytes;
    return this.folder.readRange(this.name, start, Math.min(blocks * blockBytes, this.sourceBytes - start));
  }
}

/**
 * The values of some blocks, as bitsandbytes gives them back: code times scale in float32, rounded to the weight's precision.
 * @param scales (blocks of the weight) restored; the blocks are those from `firstBlock` on
 */
export function dequantize(
  codes: Uint8Array,
  count: number,
  firstBlock: number,
  scales: Float32Array,
  { blockSize, precision }: Pick<Nf4Weight, 'blockSize' | 'precision'>,
): Float32Array {
  const values = new Float32Array(count);
  for (let start = 0, block = firstBlock; start < count; start += blockSize, block++) {
    const scale = scales[block]!;
    const end = Math.min(start + blockSize, count);
    for (let i = start; i < end; i++) {
      const byte = codes[i >> 1]!;
      values[i] = NF4_VALUES[i % 2 === 0 ? byte >> 4 : byte & 15]! * scale;
    }
  }
  return rounded(values, precision);
}

function rounded(values: Float32Array, precision: FloatDtype): Float32Array {
  if (precision === 'F32') return values;
  return precision === 'BF16' ? bf16ToF32(f32ToBf16(values)) : f16ToF32(f32ToF16(values));
}

/** Values of a weight, in any order; neighbouring ones at a time cost least. */
export class DequantizedReader {
  private readonly weight: Nf4Weight;
  private scales: Promise<Float32Array> | undefined;

  constructor(weight: Nf4Weight) {
    this.weight = weight;
  }

  /** `count` values from value `first` on. */
  async values(first: number, count: number): Promise<Float32Array> {
    const { weight } = this;
    this.scales ??= weight.scales().then(restoredScales);
    const scales = await this.scales;
    const { blockSize } = weight;
    const firstBlock = Math.floor(first / blockSize);
    const start = firstBlock * blockSize;
    const end = Math.min(Math.ceil((first + count) / blockSize) * blockSize, elementCount(weight.shape));
    const codes = await weight.codes(firstBlock, Math.ceil((end - start) / blockSize));
    return dequantize(codes, end - start, firstBlock, scales, weight).subarray(first - start, first - start + count);
  }
}
