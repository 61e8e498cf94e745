import type { DType, Tensor } from '../gpu/tensor.ts';

const STORAGES: readonly DType[] = ['f32', 'f16', 'bf16', 'nf4', 'int8'];

/** How kernels read a weight, or a cache: the file of kernels/load named after its dtype. */
export function storageOf(weight: Tensor): DType {
  if (!STORAGES.includes(weight.dtype)) throw new Error(`an operand cannot be stored as ${weight.dtype}`);
  return weight.dtype;
}
