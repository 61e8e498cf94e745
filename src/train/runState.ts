/**
 * `vernier_state.json` of a checkpoint: what a run needs to go on exactly, beside the weights, the moments and Hugging Face's
 * trainer_state.json. Random numbers are counter-based, so their whole state is the seed and the step; the place in the data is the step
 * too, and is written out only for the reader.
 */
import { readJsonObject } from '../io/modelFolder.ts';
import { joinPath, UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import type { BestState } from './bestModel.ts';
import { toJsonNumber } from './figures.ts';
import type { StepFigures } from './figures.ts';
import type { OptimizerState } from './optimizer.ts';
import type { RunIdentity, RunSettings } from './runIdentity.ts';
import type { RunPlans } from './tuning/runPlans.ts';

export const RUN_STATE = 'vernier_state.json';
const FORMAT = 1;

export interface RunState {
  /** Optimizer steps done. */
  step: number;
  optimizer: OptimizerState;
  /** What a continued run must have in common with this one. */
  identity: RunIdentity;
  /** Processes that made it; it may go on with any number where the rows of a step stay. */
  ranks: number;
  /** What it may change, and then be told so. */
  settings: RunSettings;
  /** Steps that no log row shows yet. */
  pending: StepFigures[];
  /** Sum over the log rows of loss times steps. */
  lossTotal: number;
  skippedSteps: number;
  /** Consecutive steps that were skipped, up to the last log row. */
  skippedInARow: number;
  best: BestState;
  /** An evaluation was due at `step` and did not come to its end. */
  isEvaluationDue: boolean;
  /** Where the data stand: the epoch (from 0) and its next micro-batch. */
  sampler: { epoch: number; microBatch: number };
  /** What each tracker needs to go on: ids, never secrets. */
  trackers: Readonly<Record<string, unknown>>;
  /** How products and attention are computed, and on what. Absent in what versions saved that had no choice. */
  plans?: RunPlans;
}

/** Pretty JSON; numbers that JSON lacks are words. */
export function formatRunState(state: RunState): string {
  const { sampler, ranks, ...rest } = state;
  const random = { kind: 'counter-based', seed: state.identity.seed, step: state.step };
  const value = { format: FORMAT, world_size: ranks, ...rest, sampler: { ...sampler, rows: state.identity.rows }, random };
  return `${JSON.stringify(value, (_key, item: unknown) => (typeof item === 'number' ? toJsonNumber(item) : item), 2)}\n`;
}

/** @throws UserError for a file that is missing, damaged, or of another version */
export async function readRunState(platform: Platform, dir: string): Promise<RunState> {
  const path = joinPath(dir, RUN_STATE);
  const json = await readJsonObject(
    platform,
    path,
    `${dir} was not saved by this program, so a run cannot be resumed from it; --init_adapter ${dir} starts a new run from its weights`,
  );
  if (json['format'] !== FORMAT)
    throw new UserError(`${path} has format ${JSON.stringify(json['format'])}; this version resumes from format ${FORMAT}.`);
  const { world_size: ranks, ...rest } = json;
  const revived = revive({ ...rest, ranks });
  const missing = ['step', 'optimizer', 'identity', 'settings', 'pending', 'best', 'trackers'].find((key) => !(key in json));
  if (missing !== undefined || typeof json['step'] !== 'number') throw new UserError(`${path} has no ${missing ?? 'step'}; it is damaged.`);
  return revived as RunState; // its bytes are those that formatRunState wrote, by their checksum
}

function revive(value: unknown): unknown {
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value);
  if (Array.isArray(value)) return value.map(revive);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, revive(member)]));
}
