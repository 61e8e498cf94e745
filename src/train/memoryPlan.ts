/**
 * How much memory a run takes, before anything is loaded: the run's own steps on a device that makes nothing (`Device.dry`), with the largest micro-batch there
 * is. Whatever allocates is thereby counted by the code that will allocate it. The weights' headers are read, their values are not.
 */
import type { Example } from '../data/example.ts';
import { Tensor } from '../gpu/tensor.ts';
import type { MemoryReport } from '../gpu/pool.ts';
import { generateBatch } from '../models/generate.ts';
import { countLabels, runMicroBatch } from './microBatch.ts';
import { AdamW } from './optimizer.ts';
import { isCopiedForSaving } from './saving.ts';
import type { Session } from './session.ts';
import { stepGradients } from './step.ts';
import type { StepSettings } from './step.ts';

/** What of a run decides about its memory. */
export interface PlannedRun {
  /** The largest micro-batch. */
  examples: readonly Example[];
  settings: Pick<StepSettings, 'gradient_checkpointing' | 'keptStages'>;
  /** Steps between two rows of figures. */
  loggingSteps: number;
  /** The largest batches of an evaluation, where there is one. */
  evaluation?: { examples: readonly Example[]; prompts: readonly Example[]; maxNewTokens: number };
}

export interface MemoryPlan extends MemoryReport {
  /** On top, where a checkpoint is copied while training goes on; a GPU with memory of its own has this in the machine's. */
  savingBytes: number;
}

/** As much of a session as a plan needs, on a dry device. */
export type PlannedModel = Pick<Session, 'device' | 'model' | 'arena'>;

/** The model is left as it was. */
export async function planMemory(session: PlannedModel, { examples, settings, loggingSteps, evaluation }: PlannedRun): Promise<MemoryPlan> {
  const { device, arena } = session;
  if (!device.isDry) throw new Error('memory is planned on a dry device');
  device.pool.resetPeak();
  const optimizer = new AdamW(device, arena, { logCapacity: logCapacity(loggingSteps) });
  if (evaluation) {
    const lossSum = new Tensor([2], 'f32', device.pool.acquire(8, 'batch'));
    await runMicroBatch(device, session.model, evaluation.examples, {
      grad: false, training: false, checkpointing: true, random: { seed: 0, step: 0 }, lossScale: 1, lossSum,
    });
    const read = device.readF32(lossSum);
    device.pool.release(lossSum.view);
    await read;
    // What is read back is zeros, which might end an answer: none does, so that the cache grows as far as it may.
    await generateBatch(device, session.model, evaluation.prompts, { maxNewTokens: evaluation.maxNewTokens, endIds: [] });
  }
  const batch = { examples, labels: examples.reduce((sum, example) => sum + countLabels(example), 0) };
  const step = { gradient_accumulation_steps: 2, loss_reduction: 'token' as const, seed: 0, ...settings };
  await stepGradients(session, optimizer, [batch, batch], 0, step);
  optimizer.step(0);
  await optimizer.readLog(1, 1);
  await device.finish();
  optimizer.release();
  return { ...device.pool.report(), savingBytes: isCopiedForSaving(arena) ? arena.snapshotBytes : 0 };
}

/** Steps that the optimizer's ring of figures holds. */
export function logCapacity(loggingSteps: number): number {
  return Math.max(1024, loggingSteps);
}

/**
 * The most stages whose tapes may be kept so that the plan stays within `limit` bytes, and the plan for them; undefined where it does not fit even with none.
 * @param bytesOf what is compared with the limit
 */
export async function fitMemory(
  session: PlannedModel,
  run: PlannedRun,
  limit: number,
  bytesOf: (plan: MemoryPlan) => number,
): Promise<{ keptStages: number; plan: MemoryPlan } | undefined> {
  const planFor = (keptStages: number): Promise<MemoryPlan> => {
    session.device.trim(); // what one plan leaves for reuse is nothing to the next
    return planMemory(session, { ...run, settings: { ...run.settings, keptStages } });
  };
  let best = { keptStages: 0, plan: await planFor(0) };
  if (bytesOf(best.plan) > limit) return undefined;
  if (!run.settings.gradient_checkpointing) return best;
  let tooMany = countStages(session, run.examples) + 1;
  while (tooMany - best.keptStages > 1) {
    const keptStages = (tooMany + best.keptStages) >> 1;
    const plan = await planFor(keptStages);
    if (bytesOf(plan) <= limit) best = { keptStages, plan };
    else tooMany = keptStages;
  }
  return best;
}

function countStages({ device, model }: PlannedModel, examples: readonly Example[]): number {
  const batch = model.prepare(device, examples, { grad: true });
  for (const table of [batch.input, ...batch.tables]) device.pool.release(table.view);
  return batch.stages.length;
}
