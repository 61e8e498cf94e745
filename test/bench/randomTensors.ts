/** Random tensors for timing: values do not matter, but zeros and denormals may be faster or slower than what training sees. */
import type { Device } from '../../src/gpu/device.ts';
import { Tensor } from '../../src/gpu/tensor.ts';
import type { DType } from '../../src/gpu/tensor.ts';
import { f32ToBf16 } from '../../src/io/halfFloat.ts';
import { allocateRows } from '../../src/models/weights.ts';

/** Uniform in ±bound. */
export function randomValues(count: number, seed: number, bound = 1): Float32Array<ArrayBuffer> {
  const values = new Float32Array(count);
  let state = (seed * 2654435761 + 12345) >>> 0;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = (state / 2 ** 31 - 1) * bound;
  }
  return values;
}

const PIECE = 2 ** 22;

/** A matrix (or vector) of random values, split where the adapter asks for it; large ones repeat themselves every 4 M values. */
export function randomTensor(device: Device, shape: readonly number[], seed: number, options: { bound?: number; dtype?: 'f32' | 'bf16' } = {}): Tensor {
  const { bound = 1, dtype = 'f32' } = options;
  const rows = shape[0]!;
  const rowSize = shape.slice(1).reduce((a, b) => a * b, 1);
  const size = rows * rowSize;
  const values = randomValues(Math.min(size, PIECE), seed, bound);
  const data = dtype === 'bf16' ? f32ToBf16(values) : values;
  const bytesEach = dtype === 'bf16' ? 2 : 4;
  const parts = allocateRows(device, rows, rowSize * bytesEach, 'weights');
  for (const part of parts) {
    const count = part.rows * rowSize;
    for (let at = 0; at < count; at += data.length) {
      device.write(part.view, data.subarray(0, Math.min(data.length, count - at)), at * bytesEach);
    }
  }
  return new Tensor(shape, dtype satisfies DType, parts);
}

export function release(device: Device, ...tensors: (Tensor | undefined)[]): void {
  for (const tensor of tensors) if (tensor) for (const part of tensor.parts) device.pool.release(part.view);
}
