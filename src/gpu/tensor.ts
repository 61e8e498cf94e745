/**
 * A Tensor is a shape, a dtype and the buffer ranges that hold it, contiguous and row-major. Activations are one range. A weight larger
 * than the adapter can bind is several ranges, split between rows (the first dimension).
 */
import type { BufferView } from './pool.ts';

export type DType = 'f32' | 'f16' | 'bf16' | 'u32' | 'i32';

export const BYTES_PER_ELEMENT: Record<DType, number> = { f32: 4, f16: 2, bf16: 2, u32: 4, i32: 4 };

/** A run of whole rows of a tensor in one buffer range. */
export interface TensorPart {
  view: BufferView;
  rowStart: number;
  rows: number;
}

export class Tensor {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly parts: readonly TensorPart[];
  /** True when a backward pass must deliver a gradient for this tensor; set by the tape. */
  requiresGrad = false;

  constructor(shape: readonly number[], dtype: DType, storage: BufferView | readonly TensorPart[]) {
    this.shape = shape;
    this.dtype = dtype;
    this.parts = 'buffer' in storage ? [{ view: storage, rowStart: 0, rows: shape[0] ?? 1 }] : storage;
  }

  get size(): number {
    return this.shape.reduce((product, extent) => product * extent, 1);
  }

  /** Bytes of the values, without padding. */
  get bytes(): number {
    return this.size * BYTES_PER_ELEMENT[this.dtype];
  }

  /** Product of all dimensions but the first. */
  get rowSize(): number {
    return this.shape.slice(1).reduce((product, extent) => product * extent, 1);
  }

  /** The one range that holds the tensor; only weights are ever split. */
  get view(): BufferView {
    const [part] = this.parts;
    if (part === undefined || this.parts.length !== 1) {
      throw new Error(`tensor ${this.describe()} is split over ${this.parts.length} buffers where one is needed`);
    }
    return part.view;
  }

  describe(): string {
    return `(${this.shape.join(', ')}) ${this.dtype}`;
  }
}

/** Throws unless `tensor` has exactly this shape; `name` says which operand of which op it is. */
export function assertShape(tensor: Tensor, shape: readonly number[], name: string): void {
  if (tensor.shape.length !== shape.length || tensor.shape.some((extent, at) => extent !== shape[at])) {
    throw new Error(`${name}: expected shape (${shape.join(', ')}), found ${tensor.describe()}`);
  }
}
