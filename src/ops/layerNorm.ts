/** Layer normalisation (Ba et al. 2016) as PyTorch's nn.LayerNorm: SigLIP's norm. */
import { assertShape } from '../gpu/tensor.ts';
import type { Tensor } from '../gpu/tensor.ts';
import { plansOf } from '../tune/plans.ts';
import { addColumnSums } from './bias.ts';
import type { Parameter } from './parameter.ts';
import type { Tape } from './tape.ts';
import { storageOf } from './storage.ts';

/** x (…, C) normalised over its last dimension; weight and bias (C), each of any weight dtype. */
export function layerNorm(t: Tape, x: Tensor, weight: Parameter, bias: Parameter, eps: number): Tensor {
  const size = x.shape.at(-1)!;
  const rows = x.size / size;
  assertShape(weight.tensor, [size], `layerNorm weight ${weight.name}`);
  assertShape(bias.tensor, [size], `layerNorm bias ${bias.name}`);
  const y = t.alloc(x.shape);
  const mean = t.alloc([rows]);
  const rstd = t.alloc([rows]);
  const storage = { weight: storageOf(weight.tensor) };
  const bindings = { x, weight: weight.tensor, bias: bias.tensor, y, mean, rstd };
  const plans = plansOf(t.device);
  const forward = plans.rows({ kernel: 'layer_norm', rows, size });
  t.dispatch(
    t.kernel(forward.kernel, { ...forward.spec, ...storage, bias: storageOf(bias.tensor) }),
    bindings,
    { rows, size, eps },
    forward.groups,
  );
  t.record(y, x.requiresGrad || weight.grad !== undefined || bias.grad !== undefined, (dy) => {
    if (weight.grad) {
      t.dispatch(t.kernel('layer_norm_weight_backward'), { x, dy, mean, rstd, dweight: weight.grad }, { rows, size }, Math.ceil(size / 64));
    }
    if (bias.grad) addColumnSums(t, dy, bias.grad);
    const dx = t.gradient(x);
    if (dx) {
      const backward = { x, weight: weight.tensor, dy, mean, rstd, dx: dx.tensor };
      const plan = plans.rows({ kernel: 'layer_norm_backward', rows, size });
      t.dispatch(t.kernel(plan.kernel, { ...plan.spec, ...storage }), backward, { rows, size, accumulate: dx.accumulate }, plan.groups);
    }
    t.free(mean);
    t.free(rstd);
  });
  return y;
}
