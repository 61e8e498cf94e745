/**
 * Tensors of random values made on the GPU: what is measured needs shapes, and values that are neither zeros nor denormals, but no files.
 */
import type { Device } from '../../gpu/device.ts';
import { BYTES_PER_ELEMENT, Tensor } from '../../gpu/tensor.ts';
import type { PlainDType } from '../../gpu/tensor.ts';
import { nf4Head } from '../../gpu/packedLayout.ts';
import type { NestedScales } from '../../gpu/packedLayout.ts';
import { NESTED_BLOCK } from '../../io/quantization/doubleQuantization.ts';
import { NF4_BLOCK } from '../../io/quantization/nf4.ts';
import { roomForNf4 } from '../../models/quantizedWeights.ts';
import { allocateRows } from '../../models/loadWeights.ts';

/** FORM of kernels/random_values.wgsl. */
const FORMS: Partial<Record<PlainDType, number>> = { f32: 0, f16: 1, bf16: 2 };

export interface RandomOptions {
  /** Values are uniform in ±bound; default 1. */
  bound?: number;
  dtype?: PlainDType;
  label?: string;
}

/** A matrix or vector, split between rows where the adapter binds less; the same values for the same seed. */
export function randomTensor(device: Device, shape: readonly number[], seed: number, options: RandomOptions = {}): Tensor {
  const { bound = 1, dtype = 'f32', label = 'weights' } = options;
  const form = FORMS[dtype];
  if (form === undefined) throw new Error(`random values are f32, f16 or bf16, found ${dtype}`);
  const rowSize = shape.slice(1).reduce((a, b) => a * b, 1);
  const parts = allocateRows(device, shape[0]!, rowSize * BYTES_PER_ELEMENT[dtype], label);
  const kernel = device.kernel('random_values', { FORM: form });
  parts.forEach((part, stream) => {
    const words = Math.ceil((part.rows * rowSize * BYTES_PER_ELEMENT[dtype]) / 4);
    device.dispatch(kernel, { x: part.view }, { first: 0, words, seed, stream, bound }, Math.ceil(words / 256));
  });
  return new Tensor(shape, dtype, parts);
}

/** FORM of kernels/random_values.wgsl for codes. */
const BITS = 3;
/** Storages of kernels/load in which `randomWeight` can make a weight, as a product's problem names them. */
export const WEIGHT_STORAGES: readonly string[] = [...Object.keys(FORMS), 'nf4'];

/** A frozen weight in a storage of kernels/load; undefined for one that cannot be made of random bits here. */
export function randomWeight(device: Device, shape: readonly number[], seed: number, storage: string): Tensor | undefined {
  const bound = Math.sqrt(3 / shape.slice(1).reduce((a, b) => a * b, 1));
  if (storage === 'nf4') return randomNf4(device, shape, seed, bound);
  return storage in FORMS ? randomTensor(device, shape, seed, { dtype: storage as PlainDType, bound }) : undefined;
}

/** Quantised twice, as bitsandbytes does, from bf16: codes of random bits, and blocks whose largest values are about the bound. */
function randomNf4(device: Device, shape: readonly number[], seed: number, bound: number): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  const { tensor, parts } = roomForNf4(device, { shape, blockSize: NF4_BLOCK, nestedBlock: NESTED_BLOCK, precision: 'BF16' });
  const scales = randomScales(Math.ceil(size / NF4_BLOCK), bound);
  const kernel = device.kernel('random_values', { FORM: BITS });
  parts.forEach(({ view, layout }, stream) => {
    device.write(view, nf4Head(layout, scales, 'bf16'));
    const words = layout.codeBytes / 4;
    device.dispatch(kernel, { x: view }, { first: layout.codeWord, words, seed, stream, bound: 0 }, Math.ceil(words / 256));
  });
  return tensor;
}

/** Of a random NF4 weight of so many blocks: from half of the bound to one and a half. */
export function randomScales(blocks: number, bound: number): NestedScales {
  return {
    bytes: Uint8Array.from({ length: blocks }, (_, i) => i * 37),
    nested: new Float32Array(Math.ceil(blocks / NESTED_BLOCK)).fill(1),
    nestedBlock: NESTED_BLOCK,
    offset: 0,
    map: Float32Array.from({ length: 256 }, (_, i) => bound * (0.5 + i / 255)),
  };
}

export function releaseTensors(device: Device, ...tensors: (Tensor | undefined)[]): void {
  for (const tensor of tensors) if (tensor) for (const part of tensor.parts) device.pool.release(part.view);
}
