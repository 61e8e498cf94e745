/** In the worker: what the runs of a project have left in their folders, from their logs, whether they came to their end or not. */
import { joinPath } from '../../src/platform.ts';
import type { Platform } from '../../src/platform.ts';
import { REPORT_FILE } from '../../src/run/report/forget.ts';
import { logEntries } from '../../src/track/jsonl.ts';
import { listCheckpoints } from '../../src/train/checkpointFolder.ts';
import type { LogRow } from '../../src/train/checkpointFolder.ts';
import { platform as own } from '../here.ts';

export interface KeptRun {
  name: string;
  folder: string;
  /** paused: it goes on from its last checkpoint, or from its start where there is none. */
  state: 'finished' | 'paused';
  /** Optimizer steps that are saved, and those of the whole run (0: not known). */
  step: number;
  total: number;
  /** Where its adapter or model lies: at the end, or in the last checkpoint; null: nothing is saved yet. */
  result: string | null;
  /** Whether that is an adapter on the base, or a whole model. */
  isAdapter: boolean;
  report: string | null;
}

interface Log {
  rows: LogRow[];
  total: number;
  outcome: string | undefined;
}

async function readLog(platform: Platform, folder: string): Promise<Log> {
  const found: Log = { rows: [], total: 0, outcome: undefined };
  for (const entry of (await logEntries(platform, folder)) ?? []) {
    if (entry['event'] === 'start') {
      found.outcome = undefined;
      if (typeof entry['total_steps'] === 'number') found.total = entry['total_steps'];
    } else if (entry['event'] === 'finish') {
      found.outcome = typeof entry['outcome'] === 'string' ? entry['outcome'] : undefined;
    } else if (entry['event'] === undefined && typeof entry['step'] === 'number') {
      const figures = Object.entries(entry).filter(([, value]) => typeof value === 'number');
      found.rows.push({ ...Object.fromEntries(figures), step: entry['step'], epoch: Number(entry['epoch'] ?? NaN) } as LogRow);
    }
  }
  return found;
}

async function keptRun(platform: Platform, name: string, folder: string): Promise<KeptRun> {
  const { total, outcome } = await readLog(platform, folder);
  const last = (await platform.exists(folder)) ? (await listCheckpoints(platform, folder)).at(-1) : undefined;
  const isThere = async (file: string): Promise<boolean> => platform.exists(joinPath(folder, file));
  const isFinished = outcome === 'finished';
  const isAdapterAt = async (dir: string): Promise<boolean> => platform.exists(joinPath(dir, 'adapter_config.json'));
  const hasEnd = (await isAdapterAt(folder)) || (await isThere('config.json'));
  // An end that stands from before the run went on is older than its checkpoints.
  const isEnd = hasEnd && (outcome !== undefined || last === undefined);
  const result = isEnd ? folder : last === undefined ? null : joinPath(folder, last.name);
  return {
    name,
    folder,
    state: isFinished ? 'finished' : 'paused',
    step: last?.step ?? 0,
    total,
    result,
    isAdapter: result !== null && (await isAdapterAt(result)),
    report: (await isThere(REPORT_FILE)) ? joinPath(folder, REPORT_FILE) : null,
  };
}

export const keptRunFunctions = {
  /** @param runs names and folders */
  keptRuns: (runs: readonly { name: string; folder: string }[]): Promise<KeptRun[]> =>
    Promise.all(runs.map(({ name, folder }) => keptRun(own, name, folder))),
  /** Rows of figures, oldest first. */
  runHistory: async (folder: string): Promise<LogRow[]> => (await readLog(own, folder)).rows,
};
