/** Going on from a checkpoint: which one is whole, what it holds, and putting it back on the GPU. */
import { joinPath, parentPath, UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { listCheckpoints, readTrainerState } from './checkpointFolder.ts';
import type { Tracker } from '../track/tracker.ts';
import type { TrainerState } from './checkpointFolder.ts';
import { CHECKSUMS, damageIn } from './checksums.ts';
import { OPTIMIZER_STATE, readMomentsFile } from './momentsFile.ts';
import type { AdamW } from './optimizer.ts';
import { readRunState, RUN_STATE } from './runState.ts';
import type { RunState } from './runState.ts';
import type { Session } from './session.ts';

export interface OpenCheckpoint {
  dir: string;
  step: number;
  trainerState: TrainerState;
  run: RunState;
}

/** Reads a checkpoint after comparing every file with its checksum. @throws UserError that names what is damaged or missing */
export async function openCheckpoint(platform: Platform, dir: string): Promise<OpenCheckpoint> {
  if (!(await platform.isDirectory(dir))) throw new UserError(`${dir}: there is no such checkpoint folder.`);
  const names = await platform.listDir(dir);
  // Of another program, which is no damage: readRunState says what can be done with it.
  if (!names.includes(CHECKSUMS) && !names.includes(RUN_STATE)) await readRunState(platform, dir);
  const damage = await damageIn(platform, dir);
  if (damage.length > 0) throw new UserError(`${dir} is damaged: ${damage.join('; ')}.`);
  const run = await readRunState(platform, dir);
  const trainerState = await readTrainerState(platform, dir);
  if (trainerState.global_step !== run.step)
    throw new UserError(`${dir} is of two saves: one file says step ${trainerState.global_step}, another step ${run.step}.`);
  return { dir, step: run.step, trainerState, run };
}

/**
 * The newest checkpoint of a run that is whole; `tell` is given a sentence on each newer one that is not. Undefined where there is no
 * checkpoint at all.
 * @throws UserError when there are some and none can be used
 */
export async function newestCheckpoint(
  platform: Platform,
  runDir: string,
  tell: (warning: string) => void,
): Promise<OpenCheckpoint | undefined> {
  const complaints: string[] = [];
  for (const { name } of (await listCheckpoints(platform, runDir)).reverse()) {
    try {
      return await openCheckpoint(platform, joinPath(runDir, name));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      complaints.push(error.message);
      tell(`${error.message} The checkpoint before it is used.`);
    }
  }
  if (complaints.length === 0) return undefined;
  throw new UserError(
    `No checkpoint in ${runDir} can be used:\n${complaints.map((line) => `  ${line}`).join('\n')}\n` +
      'Give another --output_dir, or --overwrite true without --resume_from_checkpoint to begin again.',
  );
}

/**
 * Checkpoints of later steps than the one that a run goes on from are of a course that it leaves (or damaged): they are renamed, so that no
 * later resume takes them for its own, and none is removed. Returns the new paths.
 */
export async function setLaterAside(platform: Platform, runDir: string, step: number): Promise<string[]> {
  const moved: string[] = [];
  for (const one of await listCheckpoints(platform, runDir)) {
    if (one.step <= step) continue;
    const aside = joinPath(runDir, `${one.name}.superseded`);
    await platform.remove(aside); // of an earlier resume
    await platform.rename(joinPath(runDir, one.name), aside);
    moved.push(aside);
  }
  return moved;
}

/** True when the checkpoint lies in the run's own folder, so that the run goes on in place. */
export function isInside(dir: string, runDir: string): boolean {
  const plain = (path: string): string => path.replace(/\/+$/, '').replace(/^\.\//, '');
  return plain(parentPath(dir)) === plain(runDir);
}

/** Values, moments and step counts, as they were when the checkpoint was saved. */
export async function restoreCheckpoint(session: Session, optimizer: AdamW, { dir, run }: OpenCheckpoint): Promise<void> {
  await session.load(dir);
  await readMomentsFile(session.platform, joinPath(dir, OPTIMIZER_STATE), session.arena);
  optimizer.writeState(run.optimizer);
}

/**
 * Loads the best checkpoint of a run, where it is not what the GPU holds already. False when there is none, or it cannot be used, which is
 * told.
 * @param resumed what the run went on from, perhaps in another folder
 */
export async function loadBest(
  session: Session,
  state: TrainerState,
  runDir: string,
  tracker: Tracker,
  resumed?: OpenCheckpoint,
): Promise<boolean> {
  const { best_model_checkpoint: name } = state;
  if (name === null) {
    await tracker.event('warning', '--load_best_model_at_end: no evaluation has named a best model; the last one is the result.');
    return false;
  }
  const own = joinPath(runDir, name);
  const dir = resumed === undefined || (await session.platform.isDirectory(own)) ? own : await bestBefore(session.platform, resumed, name);
  try {
    await session.load((await openCheckpoint(session.platform, dir)).dir);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    await tracker.event('warning', `--load_best_model_at_end: ${error.message} The last model is the result.`);
    return false;
  }
  await tracker.event('info', `The result is the best model: ${dir}, with ${String(state.best_metric)}.`);
  return true;
}

/**
 * The best checkpoint of the run before: beside the one that was gone on from, or where its state says, if that has a path (Hugging Face's,
 * older ones).
 */
async function bestBefore(platform: Platform, { dir, trainerState }: OpenCheckpoint, name: string): Promise<string> {
  const beside = joinPath(parentPath(dir), name);
  return (await platform.isDirectory(beside)) ? beside : (trainerState.best_model_checkpoint ?? beside);
}

/** What an error leaves of a run. */
export interface SavedSoFar {
  /** The last checkpoint. */
  path: string | undefined;
  savedStep: number | undefined;
  /** Steps made, of which the GPU may not have come to the last. */
  step: number;
  outputDir: string | undefined;
  /** The GPU is gone. */
  isLost: boolean;
}

/** What the user can go on from, behind the words of an error. */
export function withWayOn(error: unknown, { path, savedStep = 0, step, outputDir, isLost }: SavedSoFar): unknown {
  if (!(error instanceof UserError)) return error;
  if (path === undefined) {
    if (!isLost || outputDir === undefined) return error;
    return new UserError(
      `${error.message}\nNo step is saved yet: the same command with --resume_from_checkpoint true begins from the start.`,
      { cause: error },
    );
  }
  const from = outputDir === undefined || isInside(path, outputDir) ? 'true' : path;
  const goOn =
    `when the cause is mended, the same command with --resume_from_checkpoint ${from} goes on from there as if nothing had ` + `happened.`;
  const again = step > savedStep ? ` What came after it, up to step ${step}, is made again.` : '';
  return new UserError(`${error.message}\nThe run up to step ${savedStep} is saved in ${path}; ${goOn}${again}`, { cause: error });
}
