import type { Tensor } from '../gpu/tensor.ts';

const WEIGHT_TYPES: Record<string, number> = { f32: 0, f16: 1, bf16: 2 };

/** The W_TYPE of kernels/lib/unpack.wgsl for a weight's dtype. */
export function weightType(weight: Tensor): number {
  const type = WEIGHT_TYPES[weight.dtype];
  if (type === undefined) throw new Error(`a weight cannot be ${weight.dtype}`);
  return type;
}
