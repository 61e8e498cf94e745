/** Takes the output of a fused projection (Qwen's vision `qkv`) apart into contiguous tensors. */
import type { Tensor } from '../gpu/tensor.ts';
import { cellGroups, cellsOf } from './cells.ts';
import type { Tape } from './tape.ts';

/** x (T, ΣC) with `sizes` the widths C of the parts, in order; returns one (T, C) a width. */
export function splitColumns(t: Tape, x: Tensor, sizes: readonly number[]): Tensor[] {
  const [rows, columns] = x.shape;
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (rows === undefined || columns === undefined || x.shape.length !== 2 || total !== columns) {
    throw new Error(`splitColumns into ${sizes.join(' + ')}: expected x of shape (T, ${total}), found ${x.describe()}`);
  }
  const cells = cellsOf(...sizes);
  let next = 0;
  const parts = sizes.map((part) => {
    const start = next;
    next += part;
    const params = { rows, columns: columns / cells.width, start: start / cells.width, part: part / cells.width };
    return { params, groups: cellGroups(cells, rows * part), y: t.alloc([rows, part]) };
  });
  for (const { params, groups, y } of parts) t.dispatch(t.kernel('split_columns', cells.spec), { x, y }, params, groups);
  const outputs = parts.map(({ y }) => y);
  t.record(outputs, x.requiresGrad, (...dys) => {
    const dx = t.gradient(x);
    if (!dx) return;
    // Together the parts cover every column, so the first write to a new gradient needs no clearing.
    parts.forEach(({ params, groups }, at) => {
      const bindings = { dy: dys[at]!, dx: dx.tensor };
      t.dispatch(t.kernel('split_columns_backward', cells.spec), bindings, { ...params, accumulate: dx.accumulate }, groups);
    });
  });
  return outputs;
}
