/**
 * Adds to the rows of a tensor weighted sums of the rows of another: a sparse matrix. Qwen3-VL's patches take four rows of a learned table
 * of positions, by how near they are; its text takes the deep features of an image where its tokens stand. The matrix comes in both
 * orientations, so that the gradient is a sum in a fixed order as well, not a scatter with atomics.
 */
import { assertShape } from '../gpu/tensor.ts';
import type { Tensor } from '../gpu/tensor.ts';
import type { Parameter } from './parameter.ts';
import { storageOf } from './storage.ts';
import type { Tape } from './tape.ts';

/** Row r is the sum over e in offsets[r] … offsets[r + 1] − 1 of weights[e] · (row columns[e] of what it is applied to). */
export interface SparseRows<Index, Weight> {
  /** (rows + 1) u32 */
  offsets: Index;
  /** (entries) u32 */
  columns: Index;
  /** (entries) f32 */
  weights: Weight;
}

/** A sparse matrix (N, M) for x (N, C) and source (M, C), and its transpose for the way back. */
export interface RowMixture {
  forward: SparseRows<Tensor, Tensor>;
  backward: SparseRows<Tensor, Tensor>;
}

export type SparseTable = SparseRows<Uint32Array, Float32Array>;

/** The transpose of a matrix of `columns` columns; entries of a row ascend by the row that they come from. */
export function transposedRows({ offsets, columns, weights }: SparseTable, columnCount: number): SparseTable {
  const starts = new Uint32Array(columnCount + 1);
  for (const column of columns) starts[column + 1]! += 1;
  for (let i = 0; i < columnCount; i++) starts[i + 1]! += starts[i]!;
  const next = starts.slice();
  const out = { offsets: starts, columns: new Uint32Array(columns.length), weights: new Float32Array(columns.length) };
  for (let row = 0; row + 1 < offsets.length; row++) {
    for (let e = offsets[row]!; e < offsets[row + 1]!; e++) {
      const place = next[columns[e]!]!++;
      out.columns[place] = row;
      out.weights[place] = weights[e]!;
    }
  }
  return out;
}

/** x (N, C) + S·source for source (M, C), an activation or a table of any weight dtype; returns (N, C). */
export function addRows(t: Tape, x: Tensor, source: Tensor | Parameter, { forward, backward }: RowMixture): Tensor {
  const [rows, size] = x.shape as [number, number];
  const isTable = 'tensor' in source;
  const values = isTable ? source.tensor : source;
  const sourceRows = values.shape[0] ?? 0;
  assertShape(x, [rows, size], 'addRows, x');
  assertShape(values, [sourceRows, size], isTable ? `addRows, ${source.name}` : 'addRows, source');
  assertShape(forward.offsets, [rows + 1], 'addRows, forward offsets');
  assertShape(backward.offsets, [sourceRows + 1], 'addRows, backward offsets');
  const y = t.alloc(x.shape);
  t.device.copy(x.view, y.view, x.size * 4);
  const addTo = (to: Tensor, from: Tensor, table: SparseRows<Tensor, Tensor>): void => {
    const kernel = t.kernel('add_rows', { source: storageOf(from) });
    for (const part of to.parts) {
      for (const { view, rowStart, rows: partRows } of from.parts) {
        const params = { rows: part.rows, size, out_start: part.rowStart, row_start: rowStart, part_rows: partRows };
        t.dispatch(kernel, { source: view, ...table, y: part.view }, params, Math.ceil((part.rows * size) / 256));
      }
    }
  };
  addTo(y, values, forward);
  const trains = isTable ? source.grad !== undefined : source.requiresGrad;
  t.record(y, x.requiresGrad || trains, (dy) => {
    if (isTable) {
      if (source.grad) addTo(source.grad, dy, backward);
    } else {
      const dsource = t.gradient(source);
      if (dsource?.accumulate === 0) t.device.clear(dsource.tensor.view);
      if (dsource) addTo(dsource.tensor, dy, backward);
    }
    t.passGradient(x, dy);
  });
  return y;
}
