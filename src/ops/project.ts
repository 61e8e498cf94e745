/**
 * A product with a bare matrix from the right, y = xW: Gemma 3's `mm_input_projection_weight`, which is stored (in, out) and is no linear
 * layer.
 */
import { assertShape } from '../gpu/tensor.ts';
import type { Tensor } from '../gpu/tensor.ts';
import { matmulNN, matmulNT, matmulTN } from './matmul.ts';
import type { Parameter } from './parameter.ts';
import type { Tape } from './tape.ts';

/** x (T, in) f32, weight (in, out) of any weight dtype; returns (T, out). */
export function project(t: Tape, x: Tensor, weight: Parameter): Tensor {
  const { device } = t;
  const inSize = weight.tensor.shape[0]!;
  const rows = x.shape[0]!;
  assertShape(x, [rows, inSize], `project ${weight.name}, x`);
  const y = t.alloc([rows, weight.tensor.rowSize]);
  matmulNN(device, x, weight.tensor, y);
  t.record(y, x.requiresGrad || weight.grad !== undefined, (dy) => {
    if (weight.grad) matmulTN(device, x, dy, weight.grad);
    const dx = t.gradient(x);
    if (dx) matmulNT(device, dy, weight.tensor, dx.tensor, { accumulate: dx.accumulate === 1 });
  });
  return y;
}
