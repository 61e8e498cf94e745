/** The gradients of one optimizer step: its micro-batches one after the other, each weighed as `loss_reduction` says. */
import type { Example } from '../data/example.ts';
import type { SavedInputs } from '../models/savedInput.ts';
import { runMicroBatch } from './microBatch.ts';
import type { AdamW } from './optimizer.ts';
import type { Session } from './session.ts';

export interface MicroBatch {
  examples: readonly Example[];
  /** Tokens of it that are learnt. */
  labels: number;
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
 * @param step of the run, from 0, for dropout. @returns the tokens that went through the model; undefined where `stop` came between two
 * micro-batches
 */
export async function stepGradients(
  { device, model, arena }: Pick<Session, 'device' | 'model' | 'arena'>,
  optimizer: Pick<AdamW, 'lossSum'>,
  batches: readonly MicroBatch[],
  step: number,
  settings: StepSettings,
  stop?: AbortSignal,
): Promise<number | undefined> {
  const labels = batches.reduce((sum, batch) => sum + batch.labels, 0);
  let tokens = 0;
  arena.zeroGradients();
  for (const [index, { examples, labels: own }] of batches.entries()) {
    if (stop?.aborted) return undefined;
    const scale = settings.loss_reduction === 'token' ? 1 / Math.max(1, labels) : 1 / (Math.max(1, own) * batches.length);
    await runMicroBatch(device, model, examples, {
      grad: true,
      training: true,
      checkpointing: settings.gradient_checkpointing,
      keptStages: settings.keptStages ?? 0,
      savedInputs: settings.saved_inputs ?? 'f32',
      random: { seed: settings.seed, step: step * settings.gradient_accumulation_steps + index },
      lossScale: scale,
      logScale: scale,
      lossSum: optimizer.lossSum,
    });
    tokens += examples.reduce((sum, example) => sum + example.inputIds.length, 0);
  }
  // Gradients of a batch that found no memory are not those of its rows: nothing may be trained on them.
  await device.confirm();
  return tokens;
}
