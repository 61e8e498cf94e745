/**
 * The training loop, top to bottom: rows in a reproducible order, micro-batches accumulated into a step, AdamW, rows of figures,
 * checkpoints. The CPU runs ahead of the GPU: figures are read at logging steps only, and the next step's rows are decoded while this one
 * computes.
 */
import type { MemoryReport } from '../gpu/pool.ts';
import { ahead, unlessStopped } from '../io/ahead.ts';
import { lastName, UserError } from '../platform.ts';
import type { Row, Tracker } from '../track/tracker.ts';
import { sameEverywhere } from '../world/agreement.ts';
import { ALONE, doAll } from '../world/world.ts';
import type { World } from '../world/world.ts';
import { isArchived } from './archive.ts';
import { BestModel } from './bestModel.ts';
import { trainerState } from './checkpointFolder.ts';
import type { TrainerState } from './checkpointFolder.ts';
import type { Evaluator } from './evaluator.ts';
import type { ExampleSource } from './exampleSource.ts';
import { COPY_EVERY_MS, HostCopies } from './hostCopies.ts';
import { GradientSum } from './gradientSum.ts';
import { Ledger } from './ledger.ts';
import { logCapacity } from './memoryPlan.ts';
import { countTokens } from './microBatch.ts';
import { AdamW } from './optimizer.ts';
import { isInside, loadBest, restoreCheckpoint, withWayOn } from './resume.ts';
import type { OpenCheckpoint } from './resume.ts';
import { saveResult } from './result.ts';
import { annotationsOf, changedSettings, checkSameRun, runIdentity, runSettings } from './runIdentity.ts';
import type { RunIdentity, RunSettings } from './runIdentity.ts';
import { CheckpointSaver } from './saving.ts';
import type { Moment, SavedCheckpoint } from './saving.ts';
import { epochAfter, learningRateAt, microBatchesOf, planSteps, warmupStepsOf } from './schedule.ts';
import type { StepPlan } from './schedule.ts';
import type { Session } from './session.ts';
import { stepGradients, wholeOf } from './step.ts';
import type { MicroBatch } from './step.ts';
import { stepBatches } from './stepBatches.ts';
import type { TrainSettings } from './trainSettings.ts';
import { planRun, sharedPlans } from './tuning/runPlans.ts';
import type { RunPlans } from './tuning/runPlans.ts';

export interface TrainResult {
  outcome: 'finished' | 'stopped';
  /** Of the whole run, those before it was resumed among them. */
  steps: number;
  state: TrainerState;
  /** The last checkpoint; undefined when no step was made or nothing is saved. */
  checkpoint?: string;
  skippedSteps: number;
  memory: MemoryReport;
}

export interface LeftOut {
  rows: number;
  notes: readonly string[];
}

export interface TrainSurroundings {
  tracker: Tracker;
  /** The ranks that make the run together, of which the first writes it down. Default: there is this process alone. */
  world?: World;
  stop?: AbortSignal;
  /** Folder of the run, made where it does not exist; absent: nothing is saved. */
  outputDir?: string;
  /** Called once, when the first rows have been read and before anything is written: time to clear away an earlier run. */
  begin?: () => Promise<void>;
  /** Asked every `eval_steps`, before the first step, and after the last. */
  evaluator?: Evaluator;
  /**
   * After each checkpoint; returns at once. While the promise it may return is pending, that folder is not removed; a rejection becomes a
   * warning.
   */
  onSaved?: (saved: SavedCheckpoint) => Promise<void> | undefined;
  /** A run that goes on: from this checkpoint, or from the start where none was saved before it was interrupted. */
  resume?: { checkpoint?: OpenCheckpoint };
  /** Rows that cannot be used and are not in the source: how many of the training rows, and a sentence for each file. */
  leftOut?: LeftOut;
  /** Options beside the settings that decide what a row is; a resumed run must have the same. */
  facts?: RunIdentity['facts'];
  /**
   * Milliseconds without a checkpoint after which what trains is copied into this machine's memory, in case the GPU is lost. Default: a
   * minute.
   */
  copyEveryMs?: number;
}

/** Steps that may wait in the GPU's queue: uploads wait in memory with them. */
const STEPS_AHEAD = 2;

/**
 * Trains what the session trains, on the rows of `source` in the order that the settings give.
 * @returns when all steps are done or the run was stopped, and what was done is saved
 * @throws UserError for no rows; for a row that breaks, a GPU without memory or a disk that is full: what was done before is saved
 */
export async function train(session: Session, source: ExampleSource, own: TrainSettings, around: TrainSurroundings): Promise<TrainResult> {
  const { device, arena } = session;
  const { tracker, stop, evaluator, world = ALONE } = around;
  const outputDir = world.rank === 0 ? around.outputDir : undefined;
  // A step is what one process would make of as many micro-batches, whoever computes them.
  const settings = { ...own, gradient_accumulation_steps: own.gradient_accumulation_steps * world.size };
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
  const settingsNow = (): RunSettings => runSettings(settings, schedule, device);
  const checkpoint = around.resume?.checkpoint;
  const firstStep = checkpoint?.step ?? 0;
  const isAlone = world.size === 1;
  const isIdentified = outputDir !== undefined || checkpoint !== undefined || !isAlone;
  const identity = isIdentified ? await runIdentity(session, source, settings, around.facts ?? {}) : undefined;
  const { keptStages: _, ...facts } = own;
  await sameEverywhere(world, { ...facts, ...identity, checkpoint: firstStep });
  const notes: string[] = [];
  const leftOut = around.leftOut && { rows_left_out: around.leftOut.rows };
  if (checkpoint && identity) {
    checkSameRun(checkpoint.run.identity, identity, checkpoint.dir);
    notes.push(...changedSettings(checkpoint.run.settings, settingsNow(), firstStep, checkpoint.dir));
  }
  // Rows that cannot be used are found before anything is written or allocated.
  const batchesOf = (step: number): Promise<MicroBatch[]> =>
    ahead(step < plan.totalSteps ? stepBatches(source, session.model, settings, plan, step, world) : Promise.resolve([]));
  let next = batchesOf(firstStep);
  await unlessStopped(next, stop);
  if (outputDir !== undefined) await session.platform.makeDir(outputDir);
  await around.begin?.();
  const optimizer = new AdamW(device, arena, {
    beta1: settings.adam_beta1,
    beta2: settings.adam_beta2,
    eps: settings.adam_epsilon,
    weightDecay: settings.weight_decay,
    maxGradNorm: settings.max_grad_norm,
    logCapacity: logCapacity(settings.logging_steps),
  });
  const bestBefore = checkpoint?.trainerState.best_model_checkpoint ?? null;
  const state = trainerState({
    ...checkpoint?.trainerState,
    best_model_checkpoint: bestBefore === null ? null : lastName(bestBefore),
    max_steps: plan.totalSteps,
    num_train_epochs: Math.ceil(settings.epoch),
    logging_steps: settings.logging_steps,
    save_steps: settings.save_steps,
    eval_steps: settings.eval_steps ?? 500,
    train_batch_size: settings.per_device_train_batch_size,
  });
  const ledger = new Ledger(state, optimizer, tracker, settings, checkpoint?.run);
  const best = new BestModel(settings, state, checkpoint?.run.best);
  const warn = (text: string): Promise<void> => tracker.event('warning', text);
  const onSaved = (saved: SavedCheckpoint): Promise<void> | undefined => {
    copies?.isSaved(saved.step);
    return around.onSaved?.(saved);
  };
  const saver =
    outputDir === undefined
      ? undefined
      : new CheckpointSaver({
          session,
          outputDir,
          saveTotalLimit: settings.save_total_limit,
          archiveEvery: settings.archive_every_n_steps,
          onSaved,
          warn,
          onFailed: (at) => best.wasNotSaved(at),
        });
  if (checkpoint) await saver?.goOnFrom(firstStep, state.best_model_checkpoint);
  const copies = saver && new HostCopies(arena, around.copyEveryMs ?? COPY_EVERY_MS);
  const startedAt = Date.now();
  const sum = isAlone ? undefined : new GradientSum(device, world, arena, optimizer.lossSum);
  let tokens = 0;
  let step = firstStep;
  let evaluatedAt: number | undefined;
  let isStarted = false;
  let runPlans: RunPlans | undefined;
  const inFlight: Promise<undefined>[] = [];

  const isStopped = async (): Promise<boolean> => !(await doAll(world, !stop?.aborted));
  const isEvaluationDue = (): boolean => evaluator !== undefined && evaluatedAt !== step && evaluationFallsOn(step, settings, plan);
  /** True when it was the best so far. */
  const evaluate = async (): Promise<boolean> => {
    const row = await evaluator?.evaluate(session, { step, tracker, world, ...(stop && { stop }) });
    if (!row) return false;
    evaluatedAt = step;
    await ledger.logEvaluation(row);
    return best.see(row, step);
  };
  /** All that a checkpoint of now holds; reading it from the GPU begins here, but for values and moments. */
  const now = (identity: RunIdentity, isBest: boolean): Moment => {
    const epoch = microBatchesOf(step, plan, settings.gradient_accumulation_steps);
    const fixed = {
      step,
      identity,
      settings: settingsNow(),
      ranks: world.size,
      best: best.saved,
      isEvaluationDue: isEvaluationDue(),
      sampler: { epoch: epoch.epoch, microBatch: epoch.first },
      trackers: tracker.state?.() ?? {},
      ...(runPlans && { plans: runPlans }),
    };
    const runState = Promise.all([ledger.saved(), optimizer.readState()]).then(([figures, read]) => ({
      ...fixed,
      ...figures,
      optimizer: read,
    }));
    return { step, trainerState: state, runState, isBest };
  };
  const save = async ({ isLast = false } = {}): Promise<void> => {
    if (!saver || !identity || step === 0) return;
    await saver.settle(); // what the save before has met decides which is the best of those saved
    copies?.putOff();
    const isBest = best.willSave(step);
    await saver.start({ ...now(identity, isBest), isLast });
  };
  /**
   * An error that ends the run costs none of the steps that were made, unless the GPU is gone (then those since the last copy), or what it
   * holds cannot be trusted; those that the watchdog has judged are not kept. Returns the error with what is saved.
   */
  const saveBefore = async (error: unknown): Promise<unknown> => {
    try {
      await saver?.settle().catch(() => undefined); // the first error is the one to report, here and below
      const isReadable = (await device.recover()) && isStarted && step > firstStep && error !== ledger.end;
      if (isReadable && saver?.lastStep !== step) await save({ isLast: true });
      const copy = device.isLost ? await copies?.newest() : undefined;
      if (copy && copy.step > (saver?.completeStep ?? firstStep)) await saver?.start({ ...copy, isLast: true });
    } catch {
      // What was saved before stands.
    }
    return error === ledger.end
      ? error
      : withWayOn(error, {
          path: saver?.checkpoint ?? checkpoint?.dir,
          savedStep: saver?.completeStep ?? checkpoint?.step,
          step,
          outputDir,
          isLost: device.isLost,
        });
  };

  try {
    if (checkpoint) await restoreCheckpoint(session, optimizer, checkpoint);
    await tracker.start({
      name: settings.run_name,
      totalSteps: plan.totalSteps,
      firstStep,
      facts: { rows: source.length, ...leftOut, trainable: session.trainableCount, steps: plan.totalSteps },
      config: { ...facts, ...(!isAlone && { world_size: world.size }) },
      ...(around.resume && {
        resumed: { state: checkpoint?.run.trackers ?? {}, history: state.log_history.map((row) => ({ ...row }) as Row) },
      }),
    });
    isStarted = true;
    if (checkpoint) await tracker.event('info', `Resumed from ${checkpoint.dir}, after step ${firstStep} of ${plan.totalSteps}.`);
    for (const text of around.leftOut?.notes ?? []) await warn(text);
    for (const note of notes) await warn(`Not as it would have been without the break: ${note}.`);
    if (plan.totalSteps <= schedule.warmupSteps && schedule.scheduler !== 'constant') {
      await warn(
        `${plan.totalSteps === 1 ? 'The only step is' : `All ${plan.totalSteps} steps are`} warm-up, the first at learning rate 0; lower ` +
          `--warmup_ratio or train longer.`,
      );
    }
    runPlans = await sharedPlans(world, async (first) =>
      planRun(session, {
        settings,
        batches: (await unlessStopped(next, stop)) ?? [],
        tracker,
        checkpoint: checkpoint?.run ?? first,
        stop,
      }),
    );
    device.pool.resetPeak();
    if (checkpoint ? checkpoint.run.isEvaluationDue : (settings.eval_on_start ?? true) && settings.eval_strategy !== 'no') {
      if (!(await isStopped()) && (await evaluate()) && settings.load_best_model_at_end) await save();
    }
    for (; step < plan.totalSteps && !best.isOver;) {
      const batches = await unlessStopped(next, stop);
      const whole = wholeOf(step, await world.gather(batches?.map(({ examples, labels }) => [labels, countTokens(examples)]) ?? null));
      if (batches === undefined || whole === undefined) break;
      next = batchesOf(step + 1);
      // A step may take minutes, and who stops a run waits: one that is half done is made anew when the run goes on.
      if (!(await stepGradients(session, optimizer, batches, whole, settings, { stop, sum }))) break;
      optimizer.step(learningRateAt(step, schedule));
      await optimizer.settle();
      device.flush();
      step++;
      tokens += whole.tokens;
      ledger.add(whole.labels);
      state.global_step = step;
      state.epoch = epochAfter(step - 1, plan, settings.gradient_accumulation_steps);
      state.num_input_tokens_seen = (checkpoint?.trainerState.num_input_tokens_seen ?? 0) + tokens;
      tracker.progress({ step, tokens, peakBytes: device.pool.report().peakBytes });
      const done = device.gpu.queue.onSubmittedWorkDone();
      done.catch(() => undefined); // a lost GPU is told by what reads from it
      inFlight.push(done);
      if (inFlight.length > STEPS_AHEAD) await inFlight.shift();
      saver?.check();
      const isLast = step === plan.totalSteps;
      if (step % settings.logging_steps === 0 || isLast) await ledger.log(learningRateAt(step - 1, schedule));
      const isNewBest = isEvaluationDue() && !(await isStopped()) && (await evaluate());
      const isSaveDue =
        (settings.save_steps > 0 && step % settings.save_steps === 0) ||
        isArchived(step, settings.archive_every_n_steps ?? -1) ||
        (isNewBest && settings.load_best_model_at_end === true);
      if (isSaveDue && !isLast) await save();
      else if (!isLast && copies?.isDue && identity) copies.take(now(identity, false));
    }
    const outcome = step < plan.totalSteps && !best.isOver ? 'stopped' : 'finished';
    if (best.isOver) await tracker.event('info', stoppedEarly(best, state, settings));
    let isBestLoaded = false;
    if (saver && outputDir !== undefined && step > 0) {
      await saver.settle();
      if (saver.lastStep !== step && !(step === firstStep && checkpoint && isInside(checkpoint.dir, outputDir)))
        await save({ isLast: true });
      if (outcome === 'finished' && settings.load_best_model_at_end)
        isBestLoaded = await loadBest(session, state, outputDir, tracker, checkpoint);
      await saveResult(session, outputDir, state, saver.checkpoint, identity && annotationsOf(identity));
    }
    const last = saver?.checkpoint ?? checkpoint?.dir;
    const seconds = (Date.now() - startedAt) / 1000;
    const memory = device.pool.report();
    const figures: Row = {
      train_runtime: seconds,
      train_loss: ledger.meanLoss,
      train_tokens_per_second: tokens / seconds,
      skipped_steps: ledger.skippedSteps,
      ...leftOut,
      ...(isBestLoaded && { best_step: state.best_global_step ?? 0 }),
    };
    await tracker.finish({
      outcome,
      figures,
      files: outputDir === undefined || step === 0 ? [] : [outputDir, ...(last === undefined ? [] : [last])],
    });
    return { outcome, steps: step, state, skippedSteps: ledger.skippedSteps, memory, ...(last !== undefined && { checkpoint: last }) };
  } catch (error) {
    const failure = await saveBefore(error);
    if (isStarted)
      await tracker.finish({
        outcome: 'failed',
        figures: { steps_done: step },
        files: saver?.checkpoint === undefined ? [] : [saver.checkpoint],
      });
    throw failure;
  } finally {
    optimizer.release();
  }
}

function evaluationFallsOn(step: number, settings: TrainSettings, plan: StepPlan): boolean {
  if (step === 0 || settings.eval_strategy === 'no') return false;
  const every = settings.eval_strategy === 'epoch' ? plan.stepsPerEpoch : (settings.eval_steps ?? 500);
  return step % every === 0 || step === plan.totalSteps;
}

function stoppedEarly(best: BestModel, state: TrainerState, settings: TrainSettings): string {
  const since = `${best.metric} has not improved in ${settings.early_stopping_patience} evaluations`;
  return `Stopped early at step ${state.global_step}: ${since}; the best was ${state.best_metric} at step ${state.best_global_step}.`;
}
