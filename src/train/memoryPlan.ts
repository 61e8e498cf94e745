/**
 * How much memory a run takes, before anything is loaded: the run's own steps on a device that makes nothing (`Device.dry`), with the
 * largest micro-batch there is. Whatever allocates is thereby counted by the code that will allocate it. The weights' headers are read,
 * their values are not.
 */
import type { Example } from '../data/example.ts';
import type { MemoryReport } from '../gpu/pool.ts';
import { generateBatch } from '../models/generate.ts';
import { prepareBatch } from '../models/prepareBatch.ts';
import { labelWeight, countTokens, evaluateMicroBatch } from './microBatch.ts';
import { AdamW } from './optimizer.ts';
import { isCopiedForSaving } from './saving.ts';
import type { Session } from './session.ts';
import { stepGradients, wholeOf } from './step.ts';
import type { StepSettings } from './step.ts';

/** What of a run decides about its memory. */
export interface PlannedRun {
  /** The largest micro-batch. */
  examples: readonly Example[];
  settings: Pick<StepSettings, 'gradient_checkpointing' | 'keptStages' | 'saved_inputs'>;
  /** Steps between two rows of figures. */
  loggingSteps: number;
  /** One micro-batch stands for the run: enough to see what a setting changes. */
  isRough?: boolean;
  /** The largest batches of an evaluation, where there is one. */
  evaluation?: { examples: readonly Example[]; prompts: readonly Example[]; maxNewTokens: number };
}

export interface MemoryPlan extends MemoryReport {
  /** On top, where a checkpoint is copied while training goes on; a GPU with memory of its own has this in the machine's. */
  savingBytes: number;
}

/** As much of a session as a plan needs, on a dry device. */
export type PlannedModel = Pick<Session, 'device' | 'model' | 'arena'>;

const MOST_ROUNDS = 4;

/** The model is left as it was. */
export async function planMemory(
  session: PlannedModel,
  { examples, settings, loggingSteps, isRough, evaluation }: PlannedRun,
): Promise<MemoryPlan> {
  const { device, arena, model } = session;
  if (!device.isDry) throw new Error('memory is planned on a dry device');
  model.pictures?.clear(); // a run begins without features
  device.pool.resetPeak();
  const optimizer = new AdamW(device, arena, { logCapacity: logCapacity(loggingSteps) });
  const labels = examples.reduce((sum, example) => sum + labelWeight(example), 0);
  const batch = { examples, labels, index: 0 };
  const planned = { gradient_accumulation_steps: 2, loss_reduction: 'token' as const, seed: 0, ...settings };
  // What an evaluation or a step leaves for reuse may not fit the other: the run has all its buffers when both have come to need no more.
  // Where a limit makes buffers come and go, they never do.
  for (let step = 0, before = -1; step < (isRough ? 1 : MOST_ROUNDS) && before < device.counters.buffersCreated; step++) {
    before = device.counters.buffersCreated;
    if (evaluation) await evaluate(session, evaluation);
    const batches = step === 0 ? [batch, { ...batch, index: 1 }] : [batch];
    await stepGradients(session, optimizer, batches, wholeOf(step, [batches.map(() => [labels, countTokens(examples)])])!, planned);
    optimizer.step(0);
    await optimizer.settle();
    await optimizer.readLog(step + 1, step + 1);
  }
  await device.finish();
  optimizer.release();
  return { ...device.pool.report(), savingBytes: savingBytes(arena) };
}

/** `MemoryPlan.savingBytes`. */
export function savingBytes(arena: Session['arena']): number {
  return isCopiedForSaving(arena) ? arena.snapshotBytes : 0;
}

async function evaluate(
  { device, model }: PlannedModel,
  { examples, prompts, maxNewTokens }: NonNullable<PlannedRun['evaluation']>,
): Promise<void> {
  const { sums } = await evaluateMicroBatch(device, model, examples);
  await sums;
  // What is read back is zeros, which might end an answer: none does, so that the cache grows as far as it may.
  await generateBatch(device, model, prompts, { maxNewTokens, endIds: [] });
}

/** Steps that the optimizer's ring of figures holds. */
export function logCapacity(loggingSteps: number): number {
  return Math.max(1024, loggingSteps);
}

/** A plan that fits, and how many stages of how many keep their tapes in it. */
export interface Fit {
  plan: MemoryPlan;
  keptStages: number;
  stages: number;
}

/**
 * The plan with as many stages kept as `room` bytes allow. It may exceed it with none kept: that is for the caller to see.
 * @param bytesOf what is compared with the room
 */
export async function fitMemory(model: PlannedModel, run: PlannedRun, room: number, bytesOf: (plan: MemoryPlan) => number): Promise<Fit> {
  const stages = await countStages(model, run.examples);
  const planFor = (keptStages: number, { evaluation, ...training }: PlannedRun): Promise<MemoryPlan> => {
    model.device.trim(); // what one plan leaves for reuse is nothing to the next
    return planMemory(model, { ...training, settings: { ...run.settings, keptStages }, ...(evaluation && { evaluation }) });
  };
  let keptStages = 0;
  // Inputs kept in bf16 keep no stage (src/models/stages.ts).
  if (run.settings.gradient_checkpointing && run.settings.saved_inputs !== 'bf16' && room > 0) {
    const { evaluation: _, ...rest } = run;
    const training = { ...rest, isRough: true };
    let tooMany = stages + 1;
    while (tooMany - keptStages > 1) {
      const middle = (tooMany + keptStages) >> 1;
      if (bytesOf(await planFor(middle, training)) <= room) keptStages = middle;
      else tooMany = middle;
    }
  }
  let plan = await planFor(keptStages, run);
  // What an evaluation leaves for reuse may fit training badly.
  while (keptStages > 0 && bytesOf(plan) > room) plan = await planFor(--keptStages, run);
  return { plan, keptStages, stages };
}

async function countStages({ device, model }: PlannedModel, examples: readonly Example[]): Promise<number> {
  const chain = { grad: true, training: true, checkpointing: true, random: { seed: 0, step: 0 } };
  const batch = await prepareBatch(device, model, examples, chain);
  for (const table of [...Object.values(batch.inputs), ...batch.tables]) device.pool.release(table.view);
  return batch.stages.length;
}
