/** Multiplication by a constant. */
import type { Tensor } from '../gpu/tensor.ts';
import type { GradientTarget, Tape } from './tape.ts';

/** factor · x, any shape. */
export function scale(t: Tape, x: Tensor, factor: number): Tensor {
  const size = x.size;
  const multiply = (from: Tensor, { tensor, accumulate }: GradientTarget): void => {
    t.dispatch(t.kernel('scale'), { x: from, y: tensor }, { size, factor, accumulate }, Math.ceil(size / 256));
  };
  const y = t.alloc(x.shape);
  multiply(x, { tensor: y, accumulate: 0 });
  t.record(y, x.requiresGrad, (dy) => {
    const dx = t.gradient(x);
    if (dx) multiply(dy, dx);
  });
  return y;
}
