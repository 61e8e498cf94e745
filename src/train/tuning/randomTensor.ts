/** Tensors of random values made on the GPU: what is measured needs shapes, and values that are neither zeros nor denormals, but no files. */
import type { Device } from '../../gpu/device.ts';
import { BYTES_PER_ELEMENT, Tensor } from '../../gpu/tensor.ts';
import type { DType } from '../../gpu/tensor.ts';
import { allocateRows } from '../../models/weights.ts';

/** FORM of kernels/random_values.wgsl. */
const FORMS: Partial<Record<DType, number>> = { f32: 0, f16: 1, bf16: 2 };

export interface RandomOptions {
  /** Values are uniform in ±bound; default 1. */
  bound?: number;
  dtype?: DType;
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
    device.dispatch(kernel, { x: part.view }, { words, seed, stream, bound }, Math.ceil(words / 256));
  });
  return new Tensor(shape, dtype, parts);
}

/** Storages of kernels/load in which `randomWeight` can make a weight, as a product's problem names them. */
export const WEIGHT_STORAGES: readonly string[] = Object.keys(FORMS);

/** A frozen weight in a storage of kernels/load; undefined for one that cannot be made of random bits here. */
export function randomWeight(device: Device, shape: readonly number[], seed: number, storage: string): Tensor | undefined {
  if (!WEIGHT_STORAGES.includes(storage)) return undefined;
  const width = shape.slice(1).reduce((a, b) => a * b, 1);
  return randomTensor(device, shape, seed, { dtype: storage as DType, bound: Math.sqrt(3 / width) });
}

export function releaseTensors(device: Device, ...tensors: (Tensor | undefined)[]): void {
  for (const tensor of tensors) if (tensor) for (const part of tensor.parts) device.pool.release(part.view);
}
