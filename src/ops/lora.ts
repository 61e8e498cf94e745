/** What the plain and the DoRA linear share of a LoRA adapter: its down projection and its dropout mask. */
import type { Tensor } from '../gpu/tensor.ts';
import { matmulNT } from './matmul.ts';
import type { DropoutMask } from './matmul.ts';
import type { LoraAdapter } from './parameter.ts';
import type { Tape } from './tape.ts';

export function rankOf(lora: LoraAdapter): number {
  return lora.a.tensor.shape[0]!;
}

/** The adapter's dropout mask over x (T, in) in this pass; undefined when nothing is dropped. */
export function dropoutMask(t: Tape, lora: LoraAdapter): DropoutMask | undefined {
  if (!t.training || lora.dropout === 0) return undefined;
  return { seed: t.random.seed, stream: lora.stream, step: t.random.step, rate: lora.dropout };
}

/** s·drop(x)Aᵀ (T, R): the scaling rides along, so that what follows never needs it. */
export function downProject(t: Tape, x: Tensor, lora: LoraAdapter, mask: DropoutMask | undefined): Tensor {
  const xa = t.alloc([x.shape[0]!, rankOf(lora)]);
  matmulNT(t.device, x, lora.a.tensor, xa, { scale: lora.scaling, dropout: mask });
  return xa;
}
