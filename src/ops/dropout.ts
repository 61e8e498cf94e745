/**
 * Dropout (Srivastava et al. 2014), inverted as in PyTorch, with counter-based draws: a recomputed block and a resumed run see the same
 * mask.
 */
import type { Tensor } from '../gpu/tensor.ts';
import type { GradientTarget, Tape } from './tape.ts';

/**
 * x with each element kept with probability 1 - rate and then divided by it. `stream` (u32) tells this dropout's draws from any other's.
 * Outside training, or at rate 0, it is `x` itself.
 */
export function dropout(t: Tape, x: Tensor, rate: number, stream: number): Tensor {
  if (!(rate >= 0 && rate < 1)) throw new Error(`dropout: expected a rate in [0, 1), found ${rate}`);
  if (!t.training || rate === 0) return x;
  const size = x.size;
  const { seed, step } = t.random;
  const mask = (from: Tensor, { tensor, accumulate }: GradientTarget): void => {
    t.dispatch(t.kernel('dropout'), { x: from, y: tensor }, { size, seed, stream, step, rate, accumulate }, Math.ceil(size / 256));
  };
  const y = t.alloc(x.shape);
  mask(x, { tensor: y, accumulate: 0 });
  t.record(y, x.requiresGrad, (dy) => {
    const dx = t.gradient(x);
    if (dx) mask(dy, dx);
  });
  return y;
}
