/**
 * Saving while training goes on. The GPU copies what is saved as part of its command stream, so the next steps are dispatched at once; reading back, hashing and
 * writing happen in the background. At most one save is under way: a second one waits for the first. What is too large to copy is written while training waits.
 */
import { joinPath } from '../platform.ts';
import { checkpointName, saveCheckpoint } from './checkpointFolder.ts';
import type { TrainerState } from './checkpointFolder.ts';
import { OPTIMIZER_STATE, writeMomentsFile } from './momentsFile.ts';
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

export interface SavingParts {
  session: Session;
  outputDir: string;
  /** Below 1: every checkpoint is kept. */
  saveTotalLimit: number;
  onSaved: ((saved: SavedCheckpoint) => Promise<void> | undefined) | undefined;
  warn(text: string): Promise<void>;
}

export interface Moment {
  step: number;
  /** As it is now; it may change once `start` has returned. */
  trainerState: TrainerState;
  /** The rest of the run's state, whose reading from the GPU has begun. */
  runState: Promise<RunState>;
  isBest: boolean;
}

export class CheckpointSaver {
  /** Step of the last checkpoint that was begun. */
  lastStep: number | undefined;
  private readonly parts: SavingParts;
  private pending: Promise<void> = Promise.resolve();
  private failure: { error: unknown } | undefined;
  /** Complete and last. */
  private newest: string | undefined;
  /** Checkpoints that a hook still reads. */
  private readonly inUse = new Set<string>();

  constructor(parts: SavingParts) {
    this.parts = parts;
  }

  /** The last complete checkpoint. */
  get checkpoint(): string | undefined {
    return this.newest;
  }

  pathOf(step: number): string {
    return joinPath(this.parts.outputDir, checkpointName(step));
  }

  /** Throws what a save in the background has met. */
  check(): void {
    if (this.failure) throw this.failure.error;
  }

  /** Begins to save; waits for the save before, and where there is too much to copy, for this one. */
  async start(moment: Moment): Promise<void> {
    const { arena } = this.parts.session;
    moment.runState.catch(() => undefined); // told by the save
    const isCopied = arena.snapshotBytes <= COPIED_AT_MOST;
    const state = isCopied ? arena.snapshot() : arena.live();
    const trainerState = structuredClone(moment.trainerState);
    this.lastStep = moment.step;
    await this.settle();
    this.pending = this.write({ ...moment, trainerState }, state).catch((error: unknown) => {
      this.failure = { error };
    });
    if (!isCopied) await this.settle();
  }

  /** Waits for the save under way; throws what it met. */
  async settle(): Promise<void> {
    await this.pending;
    this.check();
  }

  private async write({ step, trainerState, runState, isBest }: Moment, state: ReturnType<Session['arena']['snapshot']>): Promise<void> {
    const { session, outputDir, saveTotalLimit, onSaved, warn } = this.parts;
    const { inUse } = this;
    const run = await runState;
    const written = await saveCheckpoint(session.platform, outputDir, step, {
      trainerState,
      writeAdapter: (dir, platform) => session.save(dir, { state, platform }),
      files: {
        [OPTIMIZER_STATE]: (path, platform) => writeMomentsFile(platform, path, session.plan.trained, state),
        [RUN_STATE]: formatRunState(run),
      },
      ...(saveTotalLimit > 0 && { saveTotalLimit }),
      get protect() {
        return new Set([...inUse, lastPart(trainerState.best_model_checkpoint ?? '')]);
      },
    });
    this.newest = written.path;
    for (const warning of written.warnings) await warn(warning);
    const name = checkpointName(step);
    inUse.add(name);
    // Not awaited: the next save does not wait for an upload. An error of the hook is no error of the run.
    void (async () => onSaved?.({ path: written.path, step, isBest }))()
      .catch((error: unknown) => warn(`After ${name} was saved: ${error instanceof Error ? error.message : String(error)}`))
      .finally(() => inUse.delete(name));
  }
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
