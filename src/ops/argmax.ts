/** Greedy choice of the next token. */
import type { Tensor } from '../gpu/tensor.ts';
import type { Tape } from './tape.ts';

/** (n) u32: the column of the largest value in each row of x (n, V); of equal ones the first, as torch.argmax. */
export function argmax(t: Tape, x: Tensor): Tensor {
  const size = x.rowSize;
  const rows = x.shape[0]!;
  const index = t.alloc([rows], 'u32');
  t.dispatch(t.kernel('argmax'), { x, index }, { rows, size }, rows);
  return index;
}
