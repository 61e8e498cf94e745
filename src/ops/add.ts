/** Sum of two tensors of one shape: the residual connection. */
import { assertShape } from '../gpu/tensor.ts';
import type { Tensor } from '../gpu/tensor.ts';
import type { Tape } from './tape.ts';

export function add(t: Tape, a: Tensor, b: Tensor): Tensor {
  assertShape(b, a.shape, 'add, second operand');
  const y = t.alloc(a.shape);
  t.dispatch(t.kernel('add'), { a, b, y }, { size: a.size }, Math.ceil(a.size / 256));
  t.record(y, a.requiresGrad || b.requiresGrad, (dy) => {
    t.passGradient(a, dy);
    t.passGradient(b, dy);
  });
  return y;
}
