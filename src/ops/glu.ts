/** Gated linear unit (Shazeer 2020): act(gate) · up, the middle of a LLaMA-like feed-forward. */
import { assertShape } from '../gpu/tensor.ts';
import type { Tensor } from '../gpu/tensor.ts';
import { ACTIVATION_CODES } from './activation.ts';
import { cellGroups, cellsOf } from './cells.ts';
import type { Tape } from './tape.ts';

/** gate and up (T, F), two tensors; returns (T, F). Qwen's is 'silu', Gemma's 'gelu_tanh'. */
export function glu(t: Tape, gate: Tensor, up: Tensor, act: 'silu' | 'gelu_tanh'): Tensor {
  assertShape(up, gate.shape, 'glu, up');
  const cells = cellsOf(gate.size);
  const spec = { ...cells.spec, ACTIVATION: ACTIVATION_CODES[act] };
  const size = gate.size / cells.width;
  const groups = cellGroups(cells, gate.size);
  const y = t.alloc(gate.shape);
  t.dispatch(t.kernel('glu', spec), { gate, up, y }, { size }, groups);
  t.record(y, gate.requiresGrad || up.requiresGrad, (dy) => {
    // One of the two may need no gradient (LoRA on up_proj alone, first block): the kernel then writes it to scratch.
    const toGate = t.gradient(gate);
    if (t.inherit(up, dy)) {
      const dgate = toGate?.tensor ?? t.alloc(gate.shape);
      const params = { size, accumulate_gate: toGate?.accumulate ?? 0, accumulate_up: 0 };
      t.dispatch(t.kernel('glu_backward', { ...spec, IN_PLACE: true }), { gate, up, dy: gate, dgate, dup: dy }, params, groups);
      if (!toGate) t.free(dgate);
      return;
    }
    const toUp = t.gradient(up);
    const dgate = toGate?.tensor ?? t.alloc(gate.shape);
    const dup = toUp?.tensor ?? t.alloc(up.shape);
    const params = { size, accumulate_gate: toGate?.accumulate ?? 0, accumulate_up: toUp?.accumulate ?? 0 };
    t.dispatch(t.kernel('glu_backward', spec), { gate, up, dy, dgate, dup }, params, groups);
    if (!toGate) t.free(dgate);
    if (!toUp) t.free(dup);
  });
  return y;
}
