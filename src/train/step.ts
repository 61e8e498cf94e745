/**
 * The gradients of one optimizer step: its micro-batches one after the other, each weighed as `loss_reduction` says, and summed with those
 * of the other ranks.
 */
import type { Example } from '../data/example.ts';
import type { SavedInputs } from '../models/savedInput.ts';
import { runMicroBatch } from './microBatch.ts';
import type { GradientSum } from './gradientSum.ts';
import type { AdamW } from './optimizer.ts';
import type { Session } from './session.ts';

export interface MicroBatch {
  examples: readonly Example[];
  /** Tokens of it that are learnt. */
  labels: number;
  /** Its place among those of the step, from 0. */
  index: number;
}

/** What a step is at all ranks together. */
export interface WholeStep {
  /** Of the run, from 0, for dropout. */
  step: number;
  /** Micro-batches. */
  batches: number;
  /** Tokens that are learnt. */
  labels: number;
  /** Tokens that go through the model. */
  tokens: number;
}

/** @param hands of each rank [tokens learnt, tokens] of its micro-batches; undefined where one of them gives none: it was stopped */
export function wholeOf(step: number, hands: readonly (readonly number[][] | null)[]): WholeStep | undefined {
  if (hands.includes(null)) return undefined;
  const all = hands.flatMap((own) => own ?? []);
  const sum = (at: number): number => all.reduce((total, batch) => total + batch[at]!, 0);
  return { step, batches: all.length, labels: sum(0), tokens: sum(1) };
}

export interface StepSettings {
  gradient_accumulation_steps: number;
  loss_reduction: 'token' | 'microbatch';
  seed: number;
  gradient_checkpointing: boolean;
  /** So many of the last stages are kept in spite of gradient checkpointing. Default 0. */
  keptStages?: number;
  /** Default f32. */
  saved_inputs?: SavedInputs;
}

/**
 * @param batches those of this rank
 * @param sum of the ranks; absent: there is this one alone
 * @returns false where `stop`, here or at another rank, came before the last micro-batch: there are no gradients then
 */
export async function stepGradients(
  { device, model, arena }: Pick<Session, 'device' | 'model' | 'arena'>,
  optimizer: Pick<AdamW, 'lossSum'>,
  batches: readonly MicroBatch[],
  whole: WholeStep,
  settings: StepSettings,
  { stop, sum }: { stop?: AbortSignal | undefined; sum?: GradientSum | undefined } = {},
): Promise<boolean> {
  arena.zeroGradients();
  const pass = async ({ examples, labels, index }: MicroBatch, isLast: boolean): Promise<void> => {
    const scale = settings.loss_reduction === 'token' ? 1 / Math.max(1, whole.labels) : 1 / (Math.max(1, labels) * whole.batches);
    await runMicroBatch(device, model, examples, {
      grad: true,
      training: true,
      checkpointing: settings.gradient_checkpointing,
      keptStages: settings.keptStages ?? 0,
      savedInputs: settings.saved_inputs ?? 'f32',
      random: { seed: settings.seed, step: whole.step * settings.gradient_accumulation_steps + index },
      lossScale: scale,
      logScale: scale,
      lossSum: optimizer.lossSum,
      ...(isLast && sum && { onPassed: (stage: string) => sum.passed(stage) }),
    });
  };
  try {
    for (const batch of batches.slice(0, -1)) {
      if (stop?.aborted) break;
      await pass(batch, false);
    }
    const goesOn = !stop?.aborted;
    sum?.begin(goesOn);
    const last = batches.at(-1);
    if (goesOn && last) await pass(last, true);
    if (sum ? (await sum.finish()) === 'given up' : !goesOn) return false;
    // Gradients of a batch that found no memory are not those of its rows: nothing may be trained on them.
    await device.confirm();
    return true;
  } catch (error) {
    sum?.drop(error);
    throw error;
  }
}
