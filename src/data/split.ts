/**
 * Training and validation sets, and the limits on their size. Slices of one volume look alike, so by default whole volumes are held out (the
 * reference splits by slice: all its validation volumes are also trained on). Everything follows from the seed and the samples' groups, never
 * from the order in which workers finish.
 */
import { UserError } from '../platform.ts';
import { counterHash, shuffled, streamId } from './random.ts';

export interface SplitItem {
  /** What must not be in both sets: the volume. */
  group: string;
  /** What both sets should have their share of: the task. */
  stratum: string;
}

export interface Split {
  /** Indices in their original order. */
  train: Uint32Array;
  validation: Uint32Array;
  /** Samples of held-out volumes that the validation set has no room for. */
  unused: number;
}

export interface SplitOptions {
  /** Samples wanted for validation; fewer come back where the held-out volumes have fewer. 0: none. */
  validation: number;
  seed: number;
  /** Default 'volume'. 'slice' draws single samples, as the reference does. */
  by?: 'volume' | 'slice';
}

export function splitSamples(items: readonly SplitItem[], options: SplitOptions): Split {
  const { seed, by = 'volume' } = options;
  if (!Number.isSafeInteger(options.validation) || options.validation < 0) {
    throw new UserError(`Validation size ${options.validation}: a whole number from 0 is expected (0 for no validation set).`);
  }
  const wanted = Math.min(options.validation, Math.max(0, items.length - 1)); // one sample at least is left to learn from
  if (wanted === 0) return { train: Uint32Array.from(items.keys()), validation: new Uint32Array(0), unused: 0 };
  const held = by === 'slice' ? undefined : heldOutGroups(items, wanted, seed);
  const pool = [...items.keys()].filter((i) => held === undefined || held.has(items[i]?.group ?? ''));
  const validation = takeTurns(pool, items, wanted, seed);
  const chosen = new Set(validation);
  const train = [...items.keys()].filter((i) => (held === undefined ? !chosen.has(i) : !held.has(items[i]?.group ?? '')));
  return { train: Uint32Array.from(train), validation: validation.sort(), unused: items.length - train.length - validation.length };
}

/** Whole groups, in the order of their hash, until every stratum has its part; the last group of a stratum always stays in training. */
function heldOutGroups(items: readonly SplitItem[], wanted: number, seed: number): Set<string> {
  const counts = new Map<string, Map<string, number>>(); // group → stratum → samples
  const groupsLeft = new Map<string, number>(); // stratum → groups in training
  for (const { group, stratum } of items) {
    const strata = counts.get(group) ?? new Map<string, number>();
    counts.set(group, strata);
    if (!strata.has(stratum)) groupsLeft.set(stratum, (groupsLeft.get(stratum) ?? 0) + 1);
    strata.set(stratum, (strata.get(stratum) ?? 0) + 1);
  }
  const quota = Math.ceil(wanted / groupsLeft.size);
  const missing = new Map([...groupsLeft.keys()].map((stratum) => [stratum, quota]));
  const stream = streamId('validation volumes');
  const order = [...counts.keys()]
    .map((group) => ({ group, hash: counterHash(seed, stream, 0, streamId(group)) }))
    .sort((a, b) => a.hash - b.hash || (a.group < b.group ? -1 : 1));
  const held = new Set<string>();
  for (const { group } of order) {
    const strata = [...(counts.get(group) ?? [])];
    const isNeeded = strata.some(([stratum]) => (missing.get(stratum) ?? 0) > 0);
    if (!isNeeded || strata.some(([stratum]) => (groupsLeft.get(stratum) ?? 0) < 2)) continue;
    held.add(group);
    for (const [stratum, count] of strata) {
      missing.set(stratum, (missing.get(stratum) ?? 0) - count);
      groupsLeft.set(stratum, (groupsLeft.get(stratum) ?? 0) - 1);
    }
  }
  if (held.size === 0) {
    throw new UserError(
      `Validation set: ${counts.size} volume${counts.size === 1 ? '' : 's'} in the data, and none can be held out without leaving a task untrained. ` +
        'Add volumes, use --split slice (the same volumes are then trained and validated on), or --val_sample_limit 0.',
    );
  }
  return held;
}

/** Samples of the strata in turn, each stratum in shuffled order, so that small tasks are not crowded out. */
function takeTurns(pool: readonly number[], items: readonly SplitItem[], wanted: number, seed: number): Uint32Array {
  const order = shuffled(pool.length, seed, streamId('validation samples'));
  const queues = new Map<string, number[]>();
  for (const at of order) {
    const index = pool[at] ?? 0;
    const stratum = items[index]?.stratum ?? '';
    const queue = queues.get(stratum) ?? [];
    queues.set(stratum, queue);
    queue.push(index);
  }
  const longest = Math.max(...[...queues.values()].map((queue) => queue.length));
  const taken: number[] = [];
  for (let turn = 0; turn < longest; turn++) {
    for (const queue of queues.values()) {
      const index = queue[turn];
      if (index !== undefined && taken.length < wanted) taken.push(index);
    }
  }
  return Uint32Array.from(taken);
}

/** medvision_bm's limits: −1 means all, a limit above the size means all, 0 is refused. `flag` is named in the error. */
export function sampleLimit(limit: number, available: number, flag: string): number {
  if (limit === -1) return available;
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new UserError(`--${flag} ${limit}: a whole number from 1 is expected, or -1 for all samples.`);
  return Math.min(limit, available);
}

/** `count` of the indices, drawn by the seed, in their original order. */
export function drawSamples(indices: Uint32Array, count: number, seed: number, name: string): Uint32Array {
  if (count >= indices.length) return indices;
  return shuffled(indices.length, seed, streamId(name))
    .subarray(0, count)
    .map((at) => indices[at] ?? 0)
    .sort();
}
