/**
 * A linear layer with its adapter: y = xWᵀ + b + s·(drop(x)Aᵀ)Bᵀ. Only x is saved; xAᵀ, a product of R columns, is computed again in the
 * backward, the mask is recomputed from its counters wherever it is needed, and the gradient of a frozen W never exists. The
 * low-rank term is a few more steps of the big product's own sum, forward and backward.
 */
import { assertShape } from '../gpu/tensor.ts';
import type { Tensor } from '../gpu/tensor.ts';
import { addColumnSums } from './bias.ts';
import { doraLinear } from './dora.ts';
import { downProject, dropoutMask, rankOf } from './lora.ts';
import { matmulNN, matmulNT, matmulTN } from './matmul.ts';
import type { LinearLayer, LoraAdapter } from './parameter.ts';
import type { Tape } from './tape.ts';

/**
 * x (T, in) f32 → y (T, out) f32. Dropout only while the tape is training; its mask depends on t.random, adapter.stream and the element.
 */
export function linear(t: Tape, x: Tensor, layer: LinearLayer): Tensor {
  const { weight, bias, lora } = layer;
  const outSize = weight.tensor.shape[0]!;
  const inSize = weight.tensor.rowSize;
  assertShape(x, [x.shape[0]!, inSize], `linear ${layer.name}, x`);
  if (bias) assertShape(bias.tensor, [outSize], `linear ${layer.name}, bias`);
  if (lora) assertAdapter(layer.name, lora, outSize, inSize);
  if (lora?.magnitude) return doraLinear(t, x, layer, lora, lora.magnitude);

  const { device } = t;
  const rows = x.shape[0]!;
  const y = t.alloc([rows, outSize]);
  const mask = lora && dropoutMask(t, lora);
  const xa = lora && downProject(t, x, lora, mask);
  matmulNT(device, x, weight.tensor, y, { bias: bias?.tensor, lowRank: lora && xa && { a: xa, w: lora.b.tensor } });
  if (xa) t.free(xa);

  const isTrained = weight.grad !== undefined || bias?.grad !== undefined || lora?.a.grad !== undefined || lora?.b.grad !== undefined;
  t.record(y, x.requiresGrad || isTrained, (dy) => {
    if (bias?.grad) addColumnSums(t, dy, bias.grad);
    if (weight.grad) matmulTN(device, dy, x, weight.grad);
    const dx = t.gradient(x);
    let dyb: Tensor | undefined;
    if (lora) {
      if (lora.b.grad) {
        const xaAgain = downProject(t, x, lora, mask);
        matmulTN(device, dy, xaAgain, lora.b.grad);
        t.free(xaAgain);
      }
      if (dx || lora.a.grad) {
        dyb = t.alloc([rows, rankOf(lora)]);
        matmulNN(device, dy, lora.b.tensor, dyb, { scale: lora.scaling });
        if (lora.a.grad) matmulTN(device, dyb, x, lora.a.grad, { dropout: mask });
      }
    }
    if (dx) {
      matmulNN(device, dy, weight.tensor, dx.tensor, {
        accumulate: dx.accumulate === 1,
        lowRank: lora && dyb && { a: dyb, w: lora.a.tensor },
        dropout: mask && { ...mask, over: 'lowRank' },
      });
    }
    if (dyb) t.free(dyb);
  });
  return y;
}

function assertAdapter(name: string, lora: LoraAdapter, outSize: number, inSize: number): void {
  const rank = rankOf(lora);
  assertShape(lora.a.tensor, [rank, inSize], `linear ${name}, lora_A`);
  assertShape(lora.b.tensor, [outSize, rank], `linear ${name}, lora_B`);
  if (lora.magnitude) assertShape(lora.magnitude.tensor, [outSize], `linear ${name}, lora_magnitude_vector`);
  for (const factor of [lora.a, lora.b]) {
    if (factor.tensor.dtype !== 'f32') throw new Error(`linear ${name}: adapter ${factor.name} is ${factor.tensor.dtype}, expected f32`);
  }
  if (!(lora.dropout >= 0 && lora.dropout < 1)) throw new Error(`linear ${name}: lora_dropout ${lora.dropout} is not in [0, 1)`);
}
