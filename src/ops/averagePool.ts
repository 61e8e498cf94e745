/** nn.AvgPool2d over the patches of square images, kernel and stride equal: what turns SigLIP's patches into Gemma's image tokens. */
import { assertShape } from '../gpu/tensor.ts';
import type { Tensor } from '../gpu/tensor.ts';
import type { Tape } from './tape.ts';

export interface AveragePoolOptions {
  images: number;
  /** Patches to a side of an image. */
  side: number;
  /** Patches to a side of the square that is averaged; a rest at the right and the bottom is left out, as in PyTorch. */
  kernel: number;
}

/** x (images · side², C), row by row of each image; returns (images · ⌊side/kernel⌋², C). */
export function averagePool(t: Tape, x: Tensor, { images, side, kernel }: AveragePoolOptions): Tensor {
  const size = x.rowSize;
  assertShape(x, [images * side * side, size], 'averagePool');
  const pooled = Math.floor(side / kernel);
  const y = t.alloc([images * pooled * pooled, size]);
  const params = { size, side, pooled, kernel };
  t.dispatch(t.kernel('average_pool'), { x, y }, { ...params, count: y.size }, Math.ceil(y.size / 256));
  t.record(y, x.requiresGrad, (dy) => {
    const dx = t.gradient(x);
    if (!dx) return;
    t.dispatch(
      t.kernel('average_pool_backward'),
      { dy, dx: dx.tensor },
      { ...params, count: x.size, accumulate: dx.accumulate },
      Math.ceil(x.size / 256),
    );
  });
  return y;
}
