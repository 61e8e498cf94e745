/**
 * A Tensor is a shape, a dtype and the buffer ranges that hold it, contiguous and row-major. Activations are one range. A weight larger
 * than the adapter can bind is several ranges, split between rows (the first dimension).
 */
import type { BufferView } from './pool.ts';

export type PlainDType = 'f32' | 'f16' | 'bf16' | 'u32' | 'i32';
/** Quantised weights, whose every part is codes and scales in one buffer (packedLayout.ts). */
export type PackedDType = 'nf4' | 'int8';
export type DType = PlainDType | PackedDType;

export const BYTES_PER_ELEMENT: Record<PlainDType, number> = { f32: 4, f16: 2, bf16: 2, u32: 4, i32: 4 };

export function isPacked(dtype: DType): dtype is PackedDType {
  return dtype === 'nf4' || dtype === 'int8';
}

/** A run of whole rows of a tensor in one buffer range. */
export interface TensorPart {
  view: BufferView;
  rowStart: number;
  rows: number;
}

/** (rows, …) contiguous and row-major; rows are split over `parts` where the GPU binds less than the whole. */
export class Tensor {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly parts: readonly TensorPart[];
  /** The dtype that holds every value exactly: of a quantised weight, what it may be unpacked to. */
  readonly exactIn: PlainDType;
  /** True when a backward pass must deliver a gradient for this tensor; set by the tape. */
  requiresGrad = false;

  constructor(shape: readonly number[], dtype: DType, storage: BufferView | readonly TensorPart[], exactIn?: PlainDType) {
    this.shape = shape;
    this.dtype = dtype;
    this.exactIn = exactIn ?? (isPacked(dtype) ? 'f32' : dtype);
    this.parts = 'buffer' in storage ? [{ view: storage, rowStart: 0, rows: shape[0] ?? 1 }] : storage;
  }

  get size(): number {
    return this.shape.reduce((product, extent) => product * extent, 1);
  }

  /** Bytes of the values, without padding; of a quantised weight, of its parts. */
  get bytes(): number {
    if (isPacked(this.dtype)) return this.parts.reduce((sum, { view }) => sum + view.bytes, 0);
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
