/** Takes the output of a fused projection (Qwen's vision `qkv`) apart into contiguous tensors. */
import type { Tensor } from '../gpu/tensor.ts';
import type { Tape } from './tape.ts';

/** x (T, ΣC) with `sizes` the widths C of the parts, in order; returns one (T, C) a width. */
export function splitColumns(t: Tape, x: Tensor, sizes: readonly number[]): Tensor[] {
  const [rows, columns] = x.shape;
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (rows === undefined || columns === undefined || x.shape.length !== 2 || total !== columns) {
    throw new Error(`splitColumns into ${sizes.join(' + ')}: expected x of shape (T, ${total}), found ${x.describe()}`);
  }
  let next = 0;
  const parts = sizes.map((part) => {
    const start = next;
    next += part;
    return { start, part, y: t.alloc([rows, part]) };
  });
  for (const { start, part, y } of parts) {
    t.dispatch(t.kernel('split_columns'), { x, y }, { rows, columns, start, part }, Math.ceil((rows * part) / 256));
  }
  const outputs = parts.map(({ y }) => y);
  t.record(outputs, x.requiresGrad, (...dys) => {
    const dx = t.gradient(x);
    if (!dx) return;
    // Together the parts cover every column, so the first write to a new gradient needs no clearing.
    parts.forEach(({ start, part }, at) => {
      const params = { rows, columns, start, part, accumulate: dx.accumulate };
      t.dispatch(t.kernel('split_columns_backward'), { dy: dys[at]!, dx: dx.tensor }, params, Math.ceil((rows * part) / 256));
    });
  });
  return outputs;
}
