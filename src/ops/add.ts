/** Sum of two tensors of one shape: the residual connection. */
import { assertShape } from '../gpu/tensor.ts';
import type { Tensor } from '../gpu/tensor.ts';
import { cellGroups, cellsOf } from './cells.ts';
import type { Tape } from './tape.ts';

export function add(t: Tape, a: Tensor, b: Tensor): Tensor {
  assertShape(b, a.shape, 'add, second operand');
  const y = t.alloc(a.shape);
  const cells = cellsOf(a.size);
  t.dispatch(t.kernel('add', cells.spec), { a, b, y }, { size: a.size / cells.width }, cellGroups(cells, a.size));
  t.record(y, a.requiresGrad || b.requiresGrad, (dy) => {
    t.passGradient(a, dy);
    t.passGradient(b, dy);
  });
  return y;
}
