/**
 * How many steps a run has and what the learning rate is at each: the arithmetic of Hugging Face's Trainer and get_scheduler (transformers
 * 5.18, trainer.py set_initial_training_values and optimization.py), so that a run here and a run there have the same steps, rates and
 * epoch figures.
 */

export type SchedulerType = 'linear' | 'cosine' | 'constant' | 'constant_with_warmup';

export interface Schedule {
  scheduler: SchedulerType;
  /** Highest learning rate. */
  base: number;
  /** Optimizer steps of the whole run. */
  totalSteps: number;
  /** Optimizer steps over which the rate rises from 0; `constant` has none. */
  warmupSteps: number;
}

/** Learning rate of optimizer step `step`, counted from 0: with any warm-up the very first update has rate 0. */
export function learningRateAt(step: number, { scheduler, base, totalSteps, warmupSteps }: Schedule): number {
  if (scheduler === 'constant') return base;
  if (step < warmupSteps) return base * (step / Math.max(1, warmupSteps));
  if (scheduler === 'constant_with_warmup') return base;
  const decaySteps = Math.max(1, totalSteps - warmupSteps);
  if (scheduler === 'linear') return base * Math.max(0, (totalSteps - step) / decaySteps);
  // As in the reference: past the last step, which a run never reaches, the cosine would rise again.
  return base * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * ((step - warmupSteps) / decaySteps))));
}

/** Warm-up in steps: `warmupSteps` where it is above 0, else the ratio's share rounded up (HF's rule). */
export function warmupStepsOf(totalSteps: number, { warmupSteps, warmupRatio }: { warmupSteps: number; warmupRatio: number }): number {
  return warmupSteps > 0 ? warmupSteps : Math.ceil(totalSteps * warmupRatio);
}

export interface StepPlan {
  /** Micro-batches of an epoch; the last may hold fewer rows. */
  microBatchesPerEpoch: number;
  /** Optimizer steps of an epoch; the last may accumulate fewer micro-batches. */
  stepsPerEpoch: number;
  totalSteps: number;
  /** Epochs begun: the last one may be cut short. */
  epochs: number;
}

/** `rows` > 0; `epochs` may be a fraction; `maxSteps` > 0 overrides it (-1: by epochs). */
export function planSteps(run: { rows: number; batchSize: number; accumulation: number; epochs: number; maxSteps: number }): StepPlan {
  const microBatchesPerEpoch = Math.ceil(run.rows / run.batchSize);
  const stepsPerEpoch = Math.max(1, Math.ceil(microBatchesPerEpoch / run.accumulation));
  const totalSteps = run.maxSteps > 0 ? run.maxSteps : Math.ceil(run.epochs * stepsPerEpoch);
  return { microBatchesPerEpoch, stepsPerEpoch, totalSteps, epochs: Math.ceil(totalSteps / stepsPerEpoch) };
}

/**
 * What optimizer step `step` (from 0) works on: epoch (from 0) and its micro-batches `first` to `end` (exclusive), counted from the epoch's
 * start.
 */
export function microBatchesOf(step: number, plan: StepPlan, accumulation: number): { epoch: number; first: number; end: number } {
  const first = (step % plan.stepsPerEpoch) * accumulation;
  return { epoch: Math.floor(step / plan.stepsPerEpoch), first, end: Math.min(first + accumulation, plan.microBatchesPerEpoch) };
}

/** The `epoch` of log rows once `step` + 1 steps are done: epochs finished + the share of this epoch's micro-batches seen. */
export function epochAfter(step: number, plan: StepPlan, accumulation: number): number {
  const { epoch, end } = microBatchesOf(step, plan, accumulation);
  return epoch + end / plan.microBatchesPerEpoch;
}
