/** Element-wise activations, by the names of Hugging Face's `hidden_act` (`gelu_tanh` is their `gelu_pytorch_tanh`). */
import type { Tensor } from '../gpu/tensor.ts';
import { cellGroups, cellsOf } from './cells.ts';
import type { Tape } from './tape.ts';

export type Activation = 'silu' | 'gelu_tanh' | 'gelu' | 'quick_gelu';

/** ACTIVATION of kernels/lib/activation.wgsl. */
export const ACTIVATION_CODES: Readonly<Record<Activation, number>> = { silu: 0, gelu_tanh: 1, gelu: 2, quick_gelu: 3 };

/** act(x), any shape. `gelu` is the exact one, with erf. */
export function activation(t: Tape, x: Tensor, name: Activation): Tensor {
  const cells = cellsOf(x.size);
  const spec = { ...cells.spec, ACTIVATION: ACTIVATION_CODES[name] };
  const size = x.size / cells.width;
  const groups = cellGroups(cells, x.size);
  const y = t.alloc(x.shape);
  t.dispatch(t.kernel('activation', spec), { x, y }, { size }, groups);
  t.record(y, x.requiresGrad, (dy) => {
    if (t.inherit(x, dy)) {
      t.dispatch(t.kernel('activation_backward', { ...spec, IN_PLACE: true }), { x, dy: x, dx: dy }, { size, accumulate: 0 }, groups);
      return;
    }
    const dx = t.gradient(x);
    if (dx) t.dispatch(t.kernel('activation_backward', spec), { x, dy, dx: dx.tensor }, { size, accumulate: dx.accumulate }, groups);
  });
  return y;
}
