import type { DType, Tensor } from '../gpu/tensor.ts';

const STORAGES: readonly DType[] = ['f32', 'f16', 'bf16', 'nf4', 'int8'];

/** How kernels read a weight: the file of kernels/load named after its dtype. */
export function storageOf(weight: Tensor): DType {
  if (!STORAGES.includes(weight.dtype)) throw new Error(`a weight cannot be ${weight.dtype}`);
  return weight.dtype;
}
