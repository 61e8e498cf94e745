/** One micro-batch through a model: the loss, and the gradients of everything that trains. Nothing is read back here. */
import type { Example } from '../data/example.ts';
import { IGNORE_INDEX } from '../data/example.ts';
import type { Device } from '../gpu/device.ts';
import { Tensor } from '../gpu/tensor.ts';
import type { Model } from '../models/model.ts';
import { prepareBatch } from '../models/prepareBatch.ts';
import type { SavedInputs } from '../models/savedInput.ts';
import { StageChain } from '../models/stageChain.ts';
import { HIDDEN } from '../models/stages.ts';
import { headLoss } from '../ops/headLoss.ts';
import type { LossTargets } from '../ops/headLoss.ts';
import { Tape } from '../ops/tape.ts';
import type { RandomState } from '../ops/tape.ts';

export interface MicroBatchOptions {
  /** Compute gradients (else the loss alone). */
  grad: boolean;
  /** Dropout is active. */
  training: boolean;
  checkpointing: boolean;
  /** With checkpointing: so many of the last stages are kept all the same, where there is room (src/train/memoryPlan.ts). Default 0. */
  keptStages?: number;
  /** Default f32. */
  savedInputs?: SavedInputs;
  random: RandomState;
  /** Factor of every token's loss: 1 / (weight of all labels of the accumulated batch) for a token mean. */
  lossScale: number;
  /** f32 (2): adds [Σ logScale · −log p, number of tokens whose most probable token is right]. */
  lossSum: Tensor;
  /** Default 1: the plain sum. */
  logScale?: number;
  /** f32 (labelled tokens): −log p of each, where wanted (evaluation). */
  nll?: Tensor;
  /** With `grad`: told of every stage whose parameters have their gradients (src/models/stages.ts). */
  onPassed?: (name: string) => void;
  /** Sees what the stages of the chain give; those of pictures whose features are made by themselves are not in it. */
  tap?: (name: string, output: Tensor) => Promise<void> | void;
}

/** Tokens that carry a label and have one before them to predict it from. */
export function countLabels(example: Example): number {
  let count = 0;
  for (let t = 1; t < example.labels.length; t++) if (example.labels[t] !== IGNORE_INDEX) count++;
  return count;
}

/** What the labels weigh together: their count, where the row says nothing else. */
export function labelWeight(example: Example): number {
  const { labels, weights } = example;
  if (weights === undefined) return countLabels(example);
  let sum = 0;
  for (let t = 1; t < labels.length; t++) if (labels[t] !== IGNORE_INDEX) sum += weights[t]!;
  return sum;
}

/** Tokens that go through the model. */
export function countTokens(examples: readonly Example[]): number {
  return examples.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
}

/** (row, label, weight) of every prediction that counts: row t predicts the label of t + 1; labels −100 are dropped before the head. */
export function lossTargets(device: Device, examples: readonly Example[]): LossTargets {
  const count = examples.reduce((sum, example) => sum + countLabels(example), 0);
  const rows = new Uint32Array(Math.max(1, count));
  const labels = new Uint32Array(Math.max(1, count));
  const isWeighted = examples.some((example) => example.weights !== undefined);
  const weights = new Float32Array(isWeighted ? Math.max(1, count) : 0);
  let at = 0;
  let offset = 0;
  for (const example of examples) {
    for (let t = 1; t < example.labels.length; t++) {
      if (example.labels[t] === IGNORE_INDEX) continue;
      rows[at] = offset + t - 1;
      if (isWeighted) weights[at] = example.weights?.[t] ?? 1;
      labels[at++] = example.labels[t]!;
    }
    offset += example.labels.length;
  }
  return {
    rows: device.upload(rows, [rows.length], 'batch'),
    labels: device.upload(labels, [labels.length], 'batch'),
    ...(isWeighted && { weights: device.upload(weights, [weights.length], 'batch') }),
    count,
  };
}

/**
 * Puts the loss of the examples, whose rows are concatenated to (T), into the GPU's queue; with `grad` their gradients, too, which are
 * added to those that the parameters have.
 */
export async function runMicroBatch(device: Device, model: Model, examples: readonly Example[], options: MicroBatchOptions): Promise<void> {
  const batch = await prepareBatch(device, model, examples, options);
  const targets = lossTargets(device, examples);
  const chain = new StageChain(device, options);
  const hidden = await chain.run(batch.stages, batch.inputs);
  const t = new Tape(device, { grad: options.grad, training: options.training, random: options.random });
  const normed = model.finalNorm(t, hidden);
  if (options.tap) await options.tap('final_norm', normed);
  const loss = await headLoss(t, normed, model.head, targets, {
    lossScale: options.lossScale,
    lossSum: options.lossSum,
    logScale: options.logScale ?? 1,
    ...(options.nll && { nll: options.nll }),
    ...(model.logitSoftcap && { softcap: model.logitSoftcap }),
  });
  let gradient: Tensor | undefined;
  if (options.grad) {
    t.backward(loss);
    gradient = t.takeGradient(hidden);
  }
  t.release();
  device.pool.release(hidden.view);
  // Two submits: the GPU starts on the first half while the second is still being encoded.
  device.flush();
  const ofInputs = gradient ? await chain.backward({ [HIDDEN]: gradient }) : {};
  chain.release();
  if (gradient) await batch.groups?.backward(ofInputs);
  const own = [targets.rows, targets.labels, ...(targets.weights ? [targets.weights] : [])];
  for (const table of [...batch.tables, ...own]) device.pool.release(table.view);
  device.flush();
}

/**
 * The loss alone, as evaluation computes it: no gradients, no dropout.
 * @returns once the GPU has all of it to do; `sums` then comes with f32 (2) as `lossSum` has them
 */
export async function evaluateMicroBatch(
  device: Device,
  model: Model,
  examples: readonly Example[],
): Promise<{ sums: Promise<Float32Array> }> {
  const lossSum = new Tensor([2], 'f32', device.pool.acquire(8, 'batch'));
  device.clear(lossSum.view);
  const random = { seed: 0, step: 0 };
  await runMicroBatch(device, model, examples, { grad: false, training: false, checkpointing: true, random, lossScale: 1, lossSum });
  const sums = device.readF32(lossSum);
  device.pool.release(lossSum.view);
  return { sums };
}
