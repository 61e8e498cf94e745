/**
 * Saving while training goes on. The GPU copies what is saved as part of its command stream, so the next steps are dispatched at once;
 * reading back, hashing and writing happen in the background. At most one save is under way: a second one waits for the first. What is too
 * large to copy is written while training waits. A save that fails (a disk that is full for a while, a file server that restarts) is told,
 * and the next one tries again; two in a row end the run, since training for days without saving is worth nothing.
 */
import { errorText, joinPath, UserError } from '../platform.ts';
import { archiveCheckpoint, isArchived } from './archive.ts';
import { checkpointName, pruneCheckpoints, saveCheckpoint } from './checkpointFolder.ts';
import type { TrainerState } from './checkpointFolder.ts';
import { OPTIMIZER_STATE, writeMomentsFile } from './momentsFile.ts';
import type { TrainedState } from './parameterArena.ts';
import { annotationsOf } from './runIdentity.ts';
import { formatRunState, RUN_STATE } from './runState.ts';
import type { RunState } from './runState.ts';
import type { Session } from './session.ts';

export interface SavedCheckpoint {
  /** `…/checkpoint-N`, complete. */
  path: string;
  step: number;
  /** It is the best so far by `metric_for_best_model`. */
  isBest: boolean;
}

/** Bytes of values and moments that are copied for the background: the copy is held twice, by the GPU's driver and here. */
const COPIED_AT_MOST = 2 * 2 ** 30;
/** Whether a checkpoint is copied, so that training goes on while it is written. */
export function isCopiedForSaving(arena: Session['arena']): boolean {
  return arena.snapshotBytes <= COPIED_AT_MOST;
}

/** Saves that fail in a row, the last of which ends the run. */
const FAILURES_AT_MOST = 2;

export interface SavingParts {
  session: Session;
  outputDir: string;
  /** Below 1: every checkpoint is kept. */
  saveTotalLimit: number;
  /** Checkpoints at multiples of it are kept in the archive too; absent: none. */
  archiveEvery?: number | undefined;
  onSaved: ((saved: SavedCheckpoint) => Promise<void> | undefined) | undefined;
  warn(text: string): Promise<void>;
  /** Called when the save of a step has failed. */
  onFailed?: (step: number) => void;
}

export interface Moment {
  step: number;
  /** As it is now; it may change once `start` has returned. */
  trainerState: TrainerState;
  /** The rest of the run's state, whose reading from the GPU has begun. */
  runState: Promise<RunState>;
  isBest: boolean;
  /** Where values and moments are read from; absent: the GPU as it is now. */
  state?: TrainedState;
  /** Nothing is trained after it: it is neither copied nor written in the background, and must not fail. */
  isLast?: boolean;
}

export class CheckpointSaver {
  /** Step of the last checkpoint that was begun and has not failed. */
  lastStep: number | undefined;
  private readonly parts: SavingParts;
  private pending: Promise<void> = Promise.resolve();
  private failure: { error: unknown } | undefined;
  private failuresInARow = 0;
  /** Complete and last. */
  private newest: { path: string; step: number } | undefined;
  /** Checkpoints that a hook still reads. */
  private readonly inUse = new Set<string>();

  constructor(parts: SavingParts) {
    this.parts = parts;
  }

  /** The last complete checkpoint. */
  get checkpoint(): string | undefined {
    return this.newest?.path;
  }

  /** Of the last complete checkpoint. */
  get completeStep(): number | undefined {
    return this.newest?.step;
  }

  pathOf(step: number): string {
    return joinPath(this.parts.outputDir, checkpointName(step));
  }

  /**
   * A run that goes on from a checkpoint of its own folder: what it had no time to remove when it was killed goes now. @param best the
   * checkpoint that stays whatever its age
   */
  async goOnFrom(step: number, best: string | null): Promise<void> {
    const { session, outputDir, saveTotalLimit, warn } = this.parts;
    if (saveTotalLimit < 1 || !(await session.platform.exists(this.pathOf(step)))) return;
    const { warnings } = await pruneCheckpoints(session.platform, outputDir, checkpointName(step), {
      saveTotalLimit,
      protect: new Set([best ?? '']),
    });
    for (const warning of warnings) await warn(warning);
  }

  /** Throws, once, what ends the run of that which saves in the background have met. */
  check(): void {
    const { failure } = this;
    this.failure = undefined;
    if (failure) throw failure.error;
  }

  /** Begins to save; waits for the save before, and where there is too much to copy, for this one. */
  async start(moment: Moment): Promise<void> {
    const { arena } = this.parts.session;
    moment.runState.catch(() => undefined); // told by the save
    const isCopied = moment.isLast !== true && isCopiedForSaving(arena);
    const state = moment.state ?? (isCopied ? arena.snapshot() : arena.live());
    const trainerState = structuredClone(moment.trainerState);
    await this.settle();
    this.lastStep = moment.step;
    this.pending = this.write({ ...moment, trainerState }, state).then(
      () => void (this.failuresInARow = 0),
      (error: unknown) => this.hasFailed(error, moment),
    );
    if (!isCopied) await this.settle();
  }

  /** Waits for the save under way; throws as `check` does. */
  async settle(): Promise<void> {
    await this.pending;
    this.check();
  }

  /** What is no matter of files (a lost GPU) ends the run at once. */
  private async hasFailed(error: unknown, { step, isLast }: Moment): Promise<void> {
    this.parts.onFailed?.(step);
    this.lastStep = this.newest?.step;
    this.failuresInARow++;
    if (isLast === true || !(error instanceof UserError) || this.failuresInARow >= FAILURES_AT_MOST) this.failure = { error };
    else await this.parts.warn(`${error.message} Training goes on, and the next save tries again; if that one fails too, the run ends.`);
  }

  private async write({ step, trainerState, runState, isBest }: Moment, state: TrainedState): Promise<void> {
    const { session, outputDir, saveTotalLimit, archiveEvery = -1, onSaved, warn } = this.parts;
    const { inUse } = this;
    const run = await runState;
    const written = await saveCheckpoint(session.platform, outputDir, step, {
      trainerState,
      writeAdapter: (dir, platform) => session.save(dir, { state, platform, about: annotationsOf(run.identity) }),
      files: {
        [OPTIMIZER_STATE]: (path, platform) => writeMomentsFile(platform, path, session.plan.trained, state),
        [RUN_STATE]: formatRunState(run),
      },
      ...(saveTotalLimit > 0 && { saveTotalLimit }),
      get protect() {
        return new Set([...inUse, trainerState.best_model_checkpoint ?? '']);
      },
    });
    this.newest = { path: written.path, step };
    for (const warning of written.warnings) await warn(warning);
    // The checkpoint is safe: an archive that fails is told.
    if (isArchived(step, archiveEvery))
      await archiveCheckpoint(session.platform, outputDir, step).catch((error: unknown) =>
        warn(`${checkpointName(step)} is not archived: ${errorText(error)}`),
      );
    const name = checkpointName(step);
    inUse.add(name);
    // Not awaited: the next save does not wait for an upload. An error of the hook is no error of the run.
    void (async () => onSaved?.({ path: written.path, step, isBest }))()
      .catch((error: unknown) => warn(`After ${name} was saved: ${errorText(error)}`))
      .finally(() => inUse.delete(name));
  }
}
