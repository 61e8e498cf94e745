/**
 * Rotary position embedding (Su et al. 2021) with the pairing of transformers' `rotate_half`; the model makes the tables, M-RoPE included.
 */
import { assertShape } from '../gpu/tensor.ts';
import type { Tensor } from '../gpu/tensor.ts';
import { cellGroups, cellsOf } from './cells.ts';
import type { GradientTarget, Tape } from './tape.ts';

/** Cosine and sine of every position's angles, f32 (T, D/2) each; constants. */
export interface RopeTables {
  cos: Tensor;
  sin: Tensor;
}

/** x (T, H, D) with D even; returns (T, H, D). */
export function rope(t: Tape, x: Tensor, { cos, sin }: RopeTables): Tensor {
  const [tokens, heads, size] = x.shape;
  if (tokens === undefined || heads === undefined || size === undefined || x.shape.length !== 3 || size % 2 !== 0) {
    throw new Error(`rope: expected x of shape (T, H, D) with D even, found ${x.describe()}`);
  }
  assertShape(cos, [tokens, size / 2], 'rope, cos');
  assertShape(sin, [tokens, size / 2], 'rope, sin');
  const cells = cellsOf(size / 2);
  const pairs = x.size / 2 / cells.width;
  const turn = (from: Tensor, { tensor, accumulate }: GradientTarget, direction: 1 | -1): void => {
    const params = { pairs, heads, half_size: size / 2 / cells.width, direction, accumulate };
    t.dispatch(t.kernel('rope', cells.spec), { x: from, cos_table: cos, sin_table: sin, y: tensor }, params, cellGroups(cells, x.size / 2));
  };
  const y = t.alloc(x.shape);
  turn(x, { tensor: y, accumulate: 0 }, 1);
  t.record(y, x.requiresGrad, (dy) => {
    const dx = t.gradient(x);
    if (dx) turn(dy, dx, -1);
  });
  return y;
}
