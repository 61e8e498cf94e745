/** Operands of the matrix products in the tests: random values as a dtype holds them, on the GPU and here, and products in float64. */
import type { Device } from '../../src/gpu/device.ts';
import { BYTES_PER_ELEMENT, Tensor } from '../../src/gpu/tensor.ts';
import type { TensorPart } from '../../src/gpu/tensor.ts';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../src/io/halfFloat.ts';
import { randomOperand } from './gradientCheck.ts';

export type WeightType = 'f32' | 'f16' | 'bf16';

export interface Uploaded {
  tensor: Tensor;
  values: Float32Array;
}

/** Values as the dtype holds them, and the tensor with them on `on`, its rows cut into runs of at most `rowsEach`. They lie in (-scale, scale). */
export function upload(on: Device, shape: [number, number], seed: number, dtype: WeightType = 'f32', rowsEach = shape[0], scale = 1): Uploaded {
  const exact = randomOperand(shape, seed, scale).data;
  const bits = dtype === 'f32' ? exact : dtype === 'f16' ? f32ToF16(exact) : f32ToBf16(exact);
  const values = bits instanceof Float32Array ? bits : dtype === 'f16' ? f16ToF32(bits) : bf16ToF32(bits);
  const parts: TensorPart[] = [];
  for (let rowStart = 0; rowStart < shape[0]; rowStart += rowsEach) {
    const rows = Math.min(rowsEach, shape[0] - rowStart);
    const view = on.pool.acquire(rows * shape[1] * BYTES_PER_ELEMENT[dtype], 'test');
    on.write(view, bits.subarray(rowStart * shape[1], (rowStart + rows) * shape[1]));
    parts.push({ view, rowStart, rows });
  }
  return { tensor: new Tensor(shape, dtype, parts), values };
}

export function release(on: Device, ...tensors: Tensor[]): void {
  for (const tensor of tensors) for (const part of tensor.parts) on.pool.release(part.view);
}

/** Σ_i left(i)·right(i) for every (row, column). */
export function product(m: number, n: number, k: number, left: (row: number, i: number) => number, right: (column: number, i: number) => number): Float64Array {
  const out = new Float64Array(m * n);
  for (let row = 0; row < m; row++) {
    for (let column = 0; column < n; column++) {
      let sum = 0;
      for (let i = 0; i < k; i++) sum += left(row, i) * right(column, i);
      out[row * n + column] = sum;
    }
  }
  return out;
}
