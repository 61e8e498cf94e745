/** How far a run rounds the operands of its products and attention: what is asked for, what the GPU has, and the words for both. */
import type { Capabilities } from '../gpu/capabilities.ts';
import { UserError } from '../platform.ts';
import { matrixUnitsOf } from './subgroupMatrix.ts';
import type { ComputeDtype } from './subgroupMatrix.ts';

export type ComputeChoice = 'auto' | 'f32' | 'f16';

export interface Computing {
  dtype: ComputeDtype;
  /** What was chosen and why, in a sentence's part. */
  words: string;
}

export interface Computed {
  /**
   * Full fine-tuning: AdamW takes the sign of gradients that are smaller than the rounding of f16, and losses are half a percent off after
   * thirty steps. Operands of its products are therefore multiplied in two halves (test/train/halfRuns.test.ts).
   */
  trainsAll?: boolean;
}

/**
 * auto takes f16 where tensor cores gain by it, which a software GPU never does.
 * @throws UserError where f16 is asked for and the GPU has no tensor cores for it
 */
export function chooseCompute(capabilities: Capabilities, asked: ComputeChoice, how: Computed = {}): Computing {
  if (asked === 'f32') return { dtype: 'f32', words: 'f32, as asked' };
  const units = matrixUnitsOf(capabilities);
  const words = `${how.trainsAll ? 'two halves of f16' : 'f16'} on subgroup matrices of ${units?.M}×${units?.N}×${units?.K}, sums in f32`;
  if (asked === 'f16') {
    if (units) return { dtype: halfOf(how), words: `${words}, as asked` };
    throw new UserError(
      `--compute_dtype f16: expected a GPU with subgroup matrices of f16 into f32 (16×16×16, 8×16×16 or 8×8×8), found ` +
        `${lacking(capabilities)} on ${capabilities.description}. Leave it at auto, which takes f32 here.`,
    );
  }
  if (!units) return { dtype: 'f32', words: `f32 (${lacking(capabilities)})` };
  if (capabilities.kind === 'software') return { dtype: 'f32', words: 'f32 (on a software GPU f16 is slower)' };
  return { dtype: halfOf(how), words };
}

/** What f16 stands for in such a run. */
export function halfOf({ trainsAll = false }: Computed): ComputeDtype {
  return trainsAll ? '3xf16' : 'f16';
}

function lacking({ f16, subgroups, subgroupMatrices }: Capabilities): string {
  if (!f16) return 'no f16';
  if (!subgroups) return 'no subgroups';
  if (subgroupMatrices.length === 0) return 'no subgroup matrices';
  const offered = subgroupMatrices.map(({ m, n, k, operand, result }) => `${m}×${n}×${k} ${operand}→${result}`).join(', ');
  return `subgroup matrices of ${offered} with subgroups of up to ${subgroups.max}`;
}
