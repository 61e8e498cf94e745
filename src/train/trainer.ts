/**
 * The training loop, top to bottom: rows in a reproducible order, micro-batches accumulated into a step, AdamW, rows of figures, checkpoints.
 * The CPU runs ahead of the GPU: figures are read at logging steps only, and the next step's rows are decoded while this one computes.
 */
import { shuffled, streamId } from '../data/random.ts';
import type { Example } from '../data/example.ts';
import type { MemoryReport } from '../gpu/pool.ts';
import { joinPath, UserError } from '../platform.ts';
import type { Row, Tracker } from '../track/tracker.ts';
import { formatTrainerState, saveCheckpoint, trainerState, TRAINER_STATE } from './checkpointFolder.ts';
import type { LogRow, TrainerState } from './checkpointFolder.ts';
import type { Evaluator } from './evaluator.ts';
import { countLabels, runMicroBatch } from './microBatch.ts';
import { AdamW } from './optimizer.ts';
import type { SavedCheckpoint } from './saving.ts';
import { epochAfter, learningRateAt, microBatchesOf, planSteps, warmupStepsOf } from './schedule.ts';
import type { SchedulerType, StepPlan } from './schedule.ts';
import type { Session } from './session.ts';

/** Rows to train on; `get` may be called for several rows at once and for a row again in every epoch. */
export interface ExampleSource {
  readonly length: number;
  get(index: number): Promise<Example>;
}

/** Names and meanings are those of the command line (src/options.ts). */
export interface TrainSettings {
  run_name: string;
  epoch: number;
  max_steps: number;
  per_device_train_batch_size: number;
  gradient_accumulation_steps: number;
  learning_rate: number;
  lr_scheduler_type: SchedulerType;
  warmup_ratio: number;
  warmup_steps: number;
  max_grad_norm: number;
  weight_decay: number;
  adam_beta1: number;
  adam_beta2: number;
  adam_epsilon: number;
  loss_reduction: 'token' | 'microbatch';
  shuffle: boolean;
  seed: number;
  gradient_checkpointing: boolean;
  logging_steps: number;
  save_steps: number;
  save_total_limit: number;
}

export interface TrainResult {
  outcome: 'finished' | 'stopped';
  steps: number;
  state: TrainerState;
  /** The last checkpoint; undefined when no step was made or nothing is saved. */
  checkpoint?: string;
  skippedSteps: number;
  memory: MemoryReport;
}

export interface TrainSurroundings {
  tracker: Tracker;
  stop?: AbortSignal;
  /** Folder of the run, made where it does not exist; absent: nothing is saved. */
  outputDir?: string;
  /** Called once, when the first rows have been read and before anything is written: time to clear away an earlier run. */
  begin?: () => Promise<void>;
  /** Asked every `eval_steps`, and before the first step. */
  evaluator?: Evaluator;
  /** After each checkpoint; returns at once. While the promise it may return is pending, that folder is not removed; a rejection becomes a warning. */
  onSaved?: (saved: SavedCheckpoint) => Promise<void> | undefined;
}

interface MicroBatch {
  examples: Example[];
  labels: number;
}

/** Steps that may wait in the GPU's queue: uploads wait in memory with them. */
const STEPS_AHEAD = 2;

export async function train(session: Session, source: ExampleSource, settings: TrainSettings, around: TrainSurroundings): Promise<TrainResult> {
  const { device, arena } = session;
  const { tracker, stop } = around;
  if (source.length === 0) throw new UserError('There are no rows to train on.');
  const plan = planSteps({
    rows: source.length,
    batchSize: settings.per_device_train_batch_size,
    accumulation: settings.gradient_accumulation_steps,
    epochs: settings.epoch,
    maxSteps: settings.max_steps,
  });
  const schedule = {
    scheduler: settings.lr_scheduler_type,
    base: settings.learning_rate,
    totalSteps: plan.totalSteps,
    warmupSteps: warmupStepsOf(plan.totalSteps, { warmupSteps: settings.warmup_steps, warmupRatio: settings.warmup_ratio }),
  };
  // Rows that cannot be used are found before anything is written or allocated.
  let next = stepBatches(source, settings, plan, 0);
  await next;
  if (around.outputDir !== undefined) await session.platform.makeDir(around.outputDir);
  await around.begin?.();
  const optimizer = new AdamW(device, arena, {
    beta1: settings.adam_beta1,
    beta2: settings.adam_beta2,
    eps: settings.adam_epsilon,
    weightDecay: settings.weight_decay,
    maxGradNorm: settings.max_grad_norm,
    logCapacity: Math.max(1024, settings.logging_steps),
  });
  const state = trainerState({
    max_steps: plan.totalSteps,
    num_train_epochs: Math.ceil(settings.epoch),
    logging_steps: settings.logging_steps,
    save_steps: settings.save_steps,
    train_batch_size: settings.per_device_train_batch_size,
  });
  const startedAt = Date.now();
  const facts: Row = { rows: source.length, trainable: session.trainableCount, steps: plan.totalSteps };
  await tracker.start({ name: settings.run_name, totalSteps: plan.totalSteps, firstStep: 0, facts, config: { ...settings } });
  if (plan.totalSteps <= schedule.warmupSteps && schedule.scheduler !== 'constant') {
    await tracker.event('warning', `All ${plan.totalSteps} steps are warm-up, the first at learning rate 0; lower --warmup_ratio or train longer.`);
  }
  device.pool.resetPeak();

  let tokens = 0;
  let logged = 0;
  let skippedSteps = 0;
  let lossTotal = 0;
  let checkpoint: string | undefined;
  const inFlight: Promise<undefined>[] = [];

  const logRows = async (step: number): Promise<void> => {
    const rows = await optimizer.readLog(logged + 1, step);
    const skipped = rows.filter((row) => row.skipped).length;
    const loss = rows.reduce((sum, row) => sum + row.lossSum, 0) / rows.length;
    lossTotal += loss * rows.length;
    logged = step;
    skippedSteps += skipped;
    const row: LogRow = {
      step,
      epoch: state.epoch,
      loss,
      grad_norm: rows.at(-1)!.gradNorm,
      learning_rate: learningRateAt(step - 1, schedule),
    };
    state.log_history.push(row);
    const { step: at, ...figures } = row;
    await tracker.log(figures as Row, at);
    if (skipped > 0) {
      await tracker.event('warning', `${skipped} of the last ${rows.length} steps had a gradient that is not finite; they were skipped (${skippedSteps} so far).`);
    }
  };
  const save = async (step: number): Promise<void> => {
    if (around.outputDir === undefined) return;
    if (logged < step) await logRows(step);
    const saved = await saveCheckpoint(session.platform, around.outputDir, step, {
      trainerState: state,
      writeAdapter: (dir) => session.save(dir),
      ...(settings.save_total_limit > 0 && { saveTotalLimit: settings.save_total_limit }),
    });
    checkpoint = saved.path;
    for (const warning of saved.warnings) await tracker.event('warning', warning);
  };

  let step = 0;
  try {
    for (; step < plan.totalSteps && !stop?.aborted; ) {
      const batches = await next;
      next = step + 1 < plan.totalSteps ? stepBatches(source, settings, plan, step + 1) : Promise.resolve([]);
      next.catch(() => undefined); // told where it is awaited
      const total = batches.reduce((sum, batch) => sum + batch.labels, 0);
      arena.zeroGradients();
      for (const [index, { examples, labels }] of batches.entries()) {
        const scale = settings.loss_reduction === 'token' ? 1 / Math.max(1, total) : 1 / (Math.max(1, labels) * batches.length);
        await runMicroBatch(device, session.model, examples, {
          grad: true,
          training: true,
          checkpointing: settings.gradient_checkpointing,
          random: { seed: settings.seed, step: step * settings.gradient_accumulation_steps + index },
          lossScale: scale,
          logScale: scale,
          lossSum: optimizer.lossSum,
        });
        tokens += examples.reduce((sum, example) => sum + example.inputIds.length, 0);
      }
      optimizer.step(learningRateAt(step, schedule));
      device.flush();
      inFlight.push(device.gpu.queue.onSubmittedWorkDone());
      if (inFlight.length > STEPS_AHEAD) await inFlight.shift();
      step++;
      state.global_step = step;
      state.epoch = epochAfter(step - 1, plan, settings.gradient_accumulation_steps);
      state.num_input_tokens_seen = tokens;
      tracker.progress({ step, tokens, peakBytes: device.pool.report().peakBytes });
      if (step % settings.logging_steps === 0 || step === plan.totalSteps) await logRows(step);
      if (settings.save_steps > 0 && step % settings.save_steps === 0 && step < plan.totalSteps) await save(step);
    }
    const outcome = step < plan.totalSteps ? 'stopped' : 'finished';
    if (step > 0) {
      if (logged < step) await logRows(step);
      await save(step);
      if (around.outputDir !== undefined) await saveResult(session, around.outputDir, state, checkpoint);
    }
    const seconds = (Date.now() - startedAt) / 1000;
    const memory = device.pool.report();
    await tracker.finish({
      outcome,
      figures: { train_runtime: seconds, train_loss: lossTotal / Math.max(1, step), train_tokens_per_second: tokens / seconds, skipped_steps: skippedSteps },
      files: around.outputDir === undefined || step === 0 ? [] : [around.outputDir, ...(checkpoint === undefined ? [] : [checkpoint])],
    });
    return { outcome, steps: step, state, skippedSteps, memory, ...(checkpoint !== undefined && { checkpoint }) };
  } catch (error) {
    await tracker.finish({ outcome: 'failed', figures: { steps_done: step }, files: checkpoint === undefined ? [] : [checkpoint] });
    throw error;
  } finally {
    optimizer.release();
  }
}

/** The result at the root of the run's folder. All of it is written beside before any file is moved there, so that a full disk leaves no half of it. */
async function saveResult(session: Session, dir: string, state: TrainerState, checkpoint: string | undefined): Promise<void> {
  const { platform } = session;
  const unfinished = joinPath(dir, 'unfinished-result');
  try {
    await platform.remove(unfinished); // left by a run that was killed
    await session.save(unfinished);
    await platform.writeFile(joinPath(unfinished, TRAINER_STATE), formatTrainerState(state));
    for (const name of await platform.listDir(unfinished)) await platform.rename(joinPath(unfinished, name), joinPath(dir, name));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const kept = checkpoint === undefined ? '' : ` ${checkpoint} is complete and holds the same.`;
    throw new UserError(`The result was not written to ${dir}: ${error.message}${kept}`, { cause: error });
  } finally {
    await platform.remove(unfinished).catch(() => undefined); // the first error is the one to report
  }
}

/** The micro-batches of one optimizer step. */
async function stepBatches(source: ExampleSource, settings: TrainSettings, plan: StepPlan, step: number): Promise<MicroBatch[]> {
  const { epoch, first, end } = microBatchesOf(step, plan, settings.gradient_accumulation_steps);
  const order = settings.shuffle ? shuffled(source.length, settings.seed, streamId('rows'), epoch) : undefined;
  const size = settings.per_device_train_batch_size;
  const batches: MicroBatch[] = [];
  for (let batch = first; batch < end; batch++) {
    const places = Array.from({ length: Math.min(size, source.length - batch * size) }, (_, i) => batch * size + i);
    const examples = await Promise.all(places.map((place) => source.get(order ? order[place]! : place)));
    batches.push({ examples, labels: examples.reduce((sum, example) => sum + countLabels(example), 0) });
  }
  return batches;
}
