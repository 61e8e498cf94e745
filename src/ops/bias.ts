import type { Tensor } from '../gpu/tensor.ts';
import type { Tape } from './tape.ts';

/** grad (N) += column sums of dy (T, N). */
export function addColumnSums(t: Tape, dy: Tensor, grad: Tensor): void {
  const size = grad.size;
  t.dispatch(t.kernel('bias_backward'), { dy, dbias: grad }, { rows: dy.size / size, size }, Math.ceil(size / 32));
}
