/** Rows in another order: Qwen's vision windows, which move groups of four patches, seen as rows of 4·C. */
import { assertShape } from '../gpu/tensor.ts';
import type { Tensor } from '../gpu/tensor.ts';
import { cellGroups, cellsOf } from './cells.ts';
import type { GradientTarget, Tape } from './tape.ts';

/** y[i] = x[order[i]] for x (N, …); order (N) u32 is a permutation and inverse (N) u32 its inverse: inverse[order[i]] = i. */
export function permuteRows(t: Tape, x: Tensor, order: Tensor, inverse: Tensor): Tensor {
  const rows = x.shape[0] ?? 0;
  const cells = cellsOf(x.rowSize);
  const size = x.rowSize / cells.width;
  assertShape(order, [rows], 'permuteRows, order');
  assertShape(inverse, [rows], 'permuteRows, inverse');
  const permute = (from: Tensor, by: Tensor, { tensor, accumulate }: GradientTarget): void => {
    t.dispatch(
      t.kernel('permute_rows', cells.spec),
      { x: from, order: by, y: tensor },
      { rows, size, accumulate },
      cellGroups(cells, x.size),
    );
  };
  const y = t.alloc(x.shape);
  permute(x, order, { tensor: y, accumulate: 0 });
  t.record(y, x.requiresGrad, (dy) => {
    const dx = t.gradient(x);
    if (dx) permute(dy, inverse, dx);
  });
  return y;
}
