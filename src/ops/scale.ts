/** Multiplication by a constant. */
import type { Tensor } from '../gpu/tensor.ts';
import { cellGroups, cellsOf } from './cells.ts';
import type { GradientTarget, Tape } from './tape.ts';

/** factor · x, any shape. */
export function scale(t: Tape, x: Tensor, factor: number): Tensor {
  const cells = cellsOf(x.size);
  const size = x.size / cells.width;
  const multiply = (from: Tensor, { tensor, accumulate }: GradientTarget): void => {
    t.dispatch(t.kernel('scale', cells.spec), { x: from, y: tensor }, { size, factor, accumulate }, cellGroups(cells, x.size));
  };
  const y = t.alloc(x.shape);
  multiply(x, { tensor: y, accumulate: 0 });
  t.record(y, x.requiresGrad, (dy) => {
    const dx = t.gradient(x);
    if (dx) multiply(dy, dx);
  });
  return y;
}
