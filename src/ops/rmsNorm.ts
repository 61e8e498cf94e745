/** RMSNorm (Zhang & Sennrich 2019), the formula of transformers' Qwen2RMSNorm, and with `weightOffset` 1 of Gemma3RMSNorm. */
import { assertShape } from '../gpu/tensor.ts';
import type { Tensor } from '../gpu/tensor.ts';
import { plansOf } from '../tune/plans.ts';
import type { Parameter } from './parameter.ts';
import type { Tape } from './tape.ts';
import { storageOf } from './storage.ts';

/** x (…, C) normalised over its last dimension; weight (C). */
export function rmsNorm(t: Tape, x: Tensor, weight: Parameter, eps: number, weightOffset: 0 | 1 = 0): Tensor {
  const size = x.shape.at(-1)!;
  const rows = x.size / size;
  assertShape(weight.tensor, [size], `rmsNorm weight ${weight.name}`);
  const y = t.alloc(x.shape);
  const rstd = t.alloc([rows]);
  const spec = { weight: storageOf(weight.tensor), WEIGHT_OFFSET: weightOffset };
  const plans = plansOf(t.device);
  const forward = plans.rows({ kernel: 'rms_norm', rows, size });
  t.dispatch(
    t.kernel(forward.kernel, { ...forward.spec, ...spec }),
    { x, weight: weight.tensor, y, rstd },
    { rows, size, eps },
    forward.groups,
  );
  t.record(y, x.requiresGrad || weight.grad !== undefined, (dy) => {
    if (weight.grad) {
      t.dispatch(t.kernel('rms_norm_weight_backward'), { x, dy, rstd, dweight: weight.grad }, { rows, size }, Math.ceil(size / 64));
    }
    const dx = t.gradient(x);
    if (dx) {
      const bindings = { x, weight: weight.tensor, dy, rstd, dx: dx.tensor };
      const plan = plans.rows({ kernel: 'rms_norm_backward', rows, size });
      t.dispatch(t.kernel(plan.kernel, { ...plan.spec, ...spec }), bindings, { rows, size, accumulate: dx.accumulate }, plan.groups);
    }
    t.free(rstd);
  });
  return y;
}
