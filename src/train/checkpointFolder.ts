/**
 * `checkpoint-N/` folders as Hugging Face's Trainer lays them out: the adapter's files, `trainer_state.json`, and beside them whatever the
 * caller adds (optimizer moments, the state of the run) and `checksums.json`. A checkpoint is written as `checkpoint-N.tmp` and renamed
 * when complete, so that a folder called `checkpoint-N` is always whole; a save that fails leaves the earlier ones as they were.
 */
import { errorText, joinPath, type Platform, UserError } from '../platform.ts';
import { readJsonObject } from '../io/modelFolder.ts';
import { moveIntoPlace } from '../io/wholeFolder.ts';
import { checksummed } from './checksums.ts';

/** One row of `log_history`; rows of an evaluation carry `eval_…` keys instead of the training ones. */
export interface LogRow {
  step: number;
  epoch: number;
  loss?: number;
  /** Before clipping. */
  grad_norm?: number;
  learning_rate?: number;
  [metric: string]: number | undefined;
}

/** `trainer_state.json`, key by key the TrainerState of transformers. */
export interface TrainerState {
  best_global_step: number | null;
  best_metric: number | null;
  best_model_checkpoint: string | null;
  /** Epochs done, with the part of the one under way. */
  epoch: number;
  eval_steps: number;
  global_step: number;
  is_hyper_param_search: boolean;
  is_local_process_zero: boolean;
  is_world_process_zero: boolean;
  log_history: LogRow[];
  logging_steps: number;
  max_steps: number;
  num_input_tokens_seen: number;
  num_train_epochs: number;
  save_steps: number;
  stateful_callbacks: Record<string, unknown>;
  total_flos: number;
  train_batch_size: number | null;
  trial_name: string | null;
  trial_params: Record<string, unknown> | null;
}

/** A complete state from the parts that a run has; the rest takes the Trainer's defaults. */
export function trainerState(given: Partial<TrainerState>): TrainerState {
  return {
    best_global_step: null,
    best_metric: null,
    best_model_checkpoint: null,
    epoch: 0,
    eval_steps: 500,
    global_step: 0,
    is_hyper_param_search: false,
    is_local_process_zero: true,
    is_world_process_zero: true,
    log_history: [],
    logging_steps: 500,
    max_steps: 0,
    num_input_tokens_seen: 0,
    num_train_epochs: 0,
    save_steps: 500,
    stateful_callbacks: {},
    total_flos: 0,
    train_batch_size: null,
    trial_name: null,
    trial_params: null,
    ...given,
  };
}

export const TRAINER_STATE = 'trainer_state.json';

export interface CheckpointContents {
  trainerState: TrainerState;
  /** Writes the adapter, or the whole model, into the folder it is given, with the platform it is given (which takes checksums). */
  writeAdapter(dir: string, platform: Platform): Promise<void>;
  /** Further files by name; a large one is a function that writes to the path it is given. */
  files?: Readonly<Record<string, Uint8Array | string | ((path: string, platform: Platform) => Promise<void>)>>;
  /** Checkpoints to keep, the new one among them; the oldest go first. Absent: keep all. */
  saveTotalLimit?: number;
  /** Names of checkpoints that stay whatever their age: the best one, one being uploaded. Looked at when the new one is complete. */
  protect?: ReadonlySet<string>;
}

export interface WrittenCheckpoint {
  path: string;
  /** Folders removed for `saveTotalLimit`. */
  removed: string[];
  /** What could not be removed, and why. The checkpoint itself is safe, so this is for a warning. */
  warnings: string[];
}

export function checkpointName(step: number): string {
  return `checkpoint-${step}`;
}

/**
 * Ends the names of folders that are no checkpoints (any more): half written; the one before of the same step; set aside when a run was
 * resumed.
 */
const UNFINISHED = '.tmp';
const REPLACED = '.old';

/** Saves `runDir/checkpoint-<step>`; a checkpoint of that step that is there already is replaced once the new one is complete. */
export async function saveCheckpoint(
  platform: Platform,
  runDir: string,
  step: number,
  contents: CheckpointContents,
): Promise<WrittenCheckpoint> {
  const { saveTotalLimit } = contents;
  if (saveTotalLimit !== undefined && (!Number.isInteger(saveTotalLimit) || saveTotalLimit < 1)) {
    throw new UserError(`save_total_limit is ${saveTotalLimit}; a whole number above 0 was expected, or none to keep every checkpoint`);
  }
  const name = checkpointName(step);
  const path = joinPath(runDir, name);
  const unfinished = `${path}${UNFINISHED}`;
  try {
    if (await platform.exists(unfinished)) await platform.remove(unfinished); // left by a run that was killed
    await platform.makeDir(unfinished);
    const folder = checksummed(platform, unfinished);
    await fill(folder.platform, unfinished, contents);
    await folder.seal();
    await moveIntoPlace(platform, unfinished, path, `${path}${REPLACED}`);
  } catch (error) {
    await platform.remove(unfinished).catch(() => undefined); // the first error is the one to report
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${name} was not saved: ${error.message} Earlier checkpoints in ${runDir} are as they were.`, { cause: error });
  }
  return { path, ...(await pruneCheckpoints(platform, runDir, name, contents)) };
}

async function fill(platform: Platform, dir: string, contents: CheckpointContents): Promise<void> {
  await contents.writeAdapter(dir, platform);
  for (const [name, data] of Object.entries(contents.files ?? {})) {
    const path = joinPath(dir, name);
    if (typeof data === 'function') await data(path, platform);
    else await platform.writeFile(path, data);
  }
  await platform.writeFile(joinPath(dir, TRAINER_STATE), formatTrainerState(contents.trainerState));
}

/**
 * Removes the oldest of more than `saveTotalLimit` checkpoints. A run that goes on does it too: one that was killed may have saved, and not
 * come to this.
 */
export async function pruneCheckpoints(
  platform: Platform,
  runDir: string,
  newest: string,
  contents: Pick<CheckpointContents, 'saveTotalLimit' | 'protect'>,
): Promise<Omit<WrittenCheckpoint, 'path'>> {
  const removed: string[] = [];
  const warnings: string[] = [];
  if (contents.saveTotalLimit === undefined) return { removed, warnings };
  const names = (await listCheckpoints(platform, runDir)).map(({ name }) => name);
  const removable = names.filter((name) => name !== newest && contents.protect?.has(name) !== true);
  // Those that are protected count too, yet with a limit of one both they and the newest stay, as in Hugging Face's Trainer.
  const surplus = Math.max(0, names.length - Math.max(contents.saveTotalLimit, names.length - removable.length));
  for (const name of removable.slice(0, surplus)) {
    const path = joinPath(runDir, name);
    try {
      await platform.remove(path);
      removed.push(path);
    } catch (error) {
      warnings.push(`${path} could not be removed: ${errorText(error)}`);
    }
  }
  return { removed, warnings };
}

/**
 * Clears away what a killed run left half done: unfinished folders go, and a checkpoint that had stepped aside for its successor comes
 * back.
 */
export async function tidyRunFolder(platform: Platform, runDir: string): Promise<void> {
  if (!(await platform.isDirectory(runDir))) return;
  for (const name of await platform.listDir(runDir)) {
    const [, checkpoint, state] = /^(checkpoint-\d+)(\.tmp|\.old)$/.exec(name) ?? [];
    if (checkpoint === undefined) continue;
    if (state === REPLACED && !(await platform.exists(joinPath(runDir, checkpoint))))
      await platform.rename(joinPath(runDir, name), joinPath(runDir, checkpoint));
    else await platform.remove(joinPath(runDir, name));
  }
}

/** The checkpoints of a run, oldest (lowest step) first. */
export async function listCheckpoints(platform: Platform, runDir: string): Promise<{ name: string; step: number }[]> {
  if (!(await platform.isDirectory(runDir))) return [];
  return (await platform.listDir(runDir))
    .flatMap((name) => {
      const match = /^checkpoint-(\d+)$/.exec(name);
      return match === null ? [] : [{ name, step: Number(match[1]) }];
    })
    .sort((a, b) => a.step - b.step);
}

/** JSON as Python writes it: keys sorted, two spaces. A loss that is not finite becomes null, since JSON has no word for it. */
export function formatTrainerState(state: TrainerState): string {
  return `${JSON.stringify(sorted(state), null, 2)}\n`;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  );
}

/** The state in a checkpoint folder, ours or the Trainer's. Throws a UserError for a folder that is not a checkpoint. */
export async function readTrainerState(platform: Platform, dir: string): Promise<TrainerState> {
  const path = joinPath(dir, TRAINER_STATE);
  const json = await readJsonObject(platform, path, `${dir} is not a checkpoint folder`);
  const { global_step: step, log_history: history } = json;
  if (typeof step !== 'number' || !Number.isInteger(step) || step < 0) {
    throw new UserError(`${path}: global_step is ${JSON.stringify(step)}; the number of steps done was expected`);
  }
  if (!Array.isArray(history) || !history.every(isLogRow)) throw new UserError(`${path}: log_history is not a list of rows with a step`);
  const defaults = trainerState({});
  for (const [key, usual] of Object.entries<unknown>({ ...defaults })) {
    const value = json[key] ?? usual;
    if (usual === null || typeof value === typeof usual) continue;
    throw new UserError(`${path}: ${key} is ${JSON.stringify(value)}; a ${typeof usual} was expected`);
  }
  const given = Object.fromEntries(Object.entries(json).filter(([key, value]) => key in defaults && value !== null));
  return trainerState({ ...given, global_step: step, log_history: history.map(withoutNull) });
}

/** A figure that was not finite is null in JSON. */
function withoutNull(row: LogRow): LogRow {
  return Object.fromEntries(Object.entries(row as Record<string, number | null>).map(([key, value]) => [key, value ?? NaN])) as LogRow;
}

function isLogRow(row: unknown): row is LogRow {
  return typeof row === 'object' && row !== null && 'step' in row && typeof row.step === 'number';
}
