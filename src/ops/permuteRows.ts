/** Rows in another order (Qwen's vision windows; groups of four patches as rows of 4·C), or some of them (the tokens that carry a label). */
import { assertShape } from '../gpu/tensor.ts';
import type { Tensor } from '../gpu/tensor.ts';
import type { GradientTarget, Tape } from './tape.ts';

/** What `gatherRows` takes as the inverse of a row that is not gathered. */
export const NO_ROW = 0xffffffff;

/** y[i] = x[order[i]] for x (N, …), order a permutation (N) u32, inverse (N) u32 with inverse[order[i]] = i. */
export function permuteRows(t: Tape, x: Tensor, order: Tensor, inverse: Tensor): Tensor {
  assertShape(order, [x.shape[0] ?? 0], 'permuteRows, order');
  return gatherRows(t, x, order, inverse);
}

/** y[i] = x[order[i]] for x (N, …) and order (M) u32, no row twice; inverse (N) u32 with inverse[order[i]] = i, else NO_ROW. Returns (M, …). */
export function gatherRows(t: Tape, x: Tensor, order: Tensor, inverse: Tensor): Tensor {
  const rows = order.size;
  const size = x.rowSize;
  assertShape(inverse, [x.shape[0] ?? 0], 'gatherRows, inverse');
  const gather = (from: Tensor, by: Tensor, { tensor, accumulate }: GradientTarget): void => {
    const params = { rows: by.size, size, accumulate };
    t.dispatch(t.kernel('permute_rows'), { x: from, order: by, y: tensor }, params, Math.ceil((by.size * size) / 256));
  };
  const y = t.alloc([rows, ...x.shape.slice(1)]);
  gather(x, order, { tensor: y, accumulate: 0 });
  t.record(y, x.requiresGrad, (dy) => {
    const dx = t.gradient(x);
    if (dx) gather(dy, inverse, dx);
  });
  return y;
}

/** The inverse of `order` over `rows` rows, as `permuteRows` and `gatherRows` want it. */
export function inverseOrder(order: Uint32Array, rows: number = order.length): Uint32Array {
  const inverse = new Uint32Array(rows).fill(NO_ROW);
  order.forEach((row, at) => (inverse[row] = at));
  return inverse;
}
