/**
 * Training and validation sets, and the limits on their size. Slices of one volume look alike, so by default whole volumes are held out (the
 * reference splits by slice: all its validation volumes are also trained on). Everything follows from the seed and the rows' volumes and tasks,
 * never from the order in which workers finish. Rows are numbers, so that millions of them are a few typed arrays.
 */
import { UserError } from '../platform.ts';
import { numpyPermutation } from './numpyRandom.ts';
import { counterHash, shuffled, streamId } from './random.ts';

/** `volume`: whole volumes are held out. `slice`: single samples, the very ones that the reference holds out with its seed, 1024. */
export type SplitBy = 'volume' | 'slice';

/** Rows that share a limit: one of the task lists. */
export interface SplitPool {
  rows: Uint32Array;
  /** Rows wanted for validation; fewer come back where the held-out volumes have fewer. 0: none. −1: every row of the volumes held out, a tenth of the rows. */
  validation: number;
}

export interface SplitOptions {
  seed: number;
  /** Default 'volume'. */
  by?: SplitBy;
  /** What must not be in both sets, the volume; a number from 0. */
  group(row: number): number;
  /** Names a group whatever its number: the split does not depend on how volumes are counted. */
  groupName(group: number): string;
  /** What both sets should have their share of: the task. */
  stratum(row: number): number;
}

export interface Split {
  /** A pool each. By volume: in the pool's order; by slice: in the reference's. */
  train: Uint32Array[];
  validation: Uint32Array[];
  /** Rows of held-out volumes that the validation set has no room for. */
  unused: number;
}

export function splitRows(pools: readonly SplitPool[], options: SplitOptions): Split {
  const wanted = pools.map(({ rows, validation }) => {
    if (!Number.isSafeInteger(validation) || validation < -1)
      throw new UserError(`Validation size ${validation}: a whole number from 0 is expected (0 for no validation set), or -1.`);
    const most = Math.max(0, rows.length - 1); // one row at least is left to learn from
    return validation === -1 ? Math.min(most, Math.ceil(rows.length / 10)) : Math.min(most, validation);
  });
  if (options.by === 'slice') {
    const orders = pools.map(({ rows }) => numpyPermutation(rows.length, options.seed).map((at) => rows[at] ?? 0));
    return { train: orders.map((order, i) => order.slice(wanted[i])), validation: orders.map((order, i) => order.slice(0, wanted[i])), unused: 0 };
  }
  const held = wanted.some((count) => count > 0) ? heldOutGroups(pools, wanted, options) : new Set<number>();
  let unused = 0;
  const validation = pools.map((pool, i) => {
    const candidates = pool.rows.filter((row) => held.has(options.group(row)));
    const count = pool.validation === -1 ? candidates.length : Math.min(wanted[i] ?? 0, candidates.length);
    unused += candidates.length - count;
    return takeTurns(candidates, count, options).sort();
  });
  return { train: pools.map(({ rows }) => rows.filter((row) => !held.has(options.group(row)))), validation, unused };
}

/** Whole groups, in the order of their hash, until every stratum has its part; the last group of a stratum always stays in training. */
function heldOutGroups(pools: readonly SplitPool[], wanted: readonly number[], { group, groupName, stratum, seed }: SplitOptions): Set<number> {
  const counts = new Map<number, Map<number, number>>(); // group → stratum → rows
  const groupsLeft = new Map<number, number>(); // stratum → groups in training
  const missing = new Map<number, number>(); // stratum → validation rows it has no groups for yet
  pools.forEach(({ rows }, i) => {
    const strataHere = new Set<number>();
    for (const row of rows) {
      const own = stratum(row);
      const groupNumber = group(row);
      let strata = counts.get(groupNumber);
      if (strata === undefined) counts.set(groupNumber, (strata = new Map<number, number>()));
      const count = strata.get(own) ?? 0;
      if (count === 0) groupsLeft.set(own, (groupsLeft.get(own) ?? 0) + 1);
      strata.set(own, count + 1);
      strataHere.add(own);
    }
    for (const own of strataHere) missing.set(own, (missing.get(own) ?? 0) + Math.ceil((wanted[i] ?? 0) / strataHere.size));
  });
  const stream = streamId('validation volumes');
  const order = [...counts.keys()]
    .map((number) => ({ number, name: groupName(number), hash: counterHash(seed, stream, 0, streamId(groupName(number))) }))
    .sort((a, b) => a.hash - b.hash || (a.name < b.name ? -1 : 1));
  const held = new Set<number>();
  for (const { number } of order) {
    const strata = [...(counts.get(number) ?? [])];
    const isNeeded = strata.some(([own]) => (missing.get(own) ?? 0) > 0);
    if (!isNeeded || strata.some(([own]) => (groupsLeft.get(own) ?? 0) < 2)) continue;
    held.add(number);
    for (const [own, count] of strata) {
      missing.set(own, (missing.get(own) ?? 0) - count);
      groupsLeft.set(own, (groupsLeft.get(own) ?? 0) - 1);
    }
  }
  return held;
}

/** Rows of the strata in turn, each stratum in shuffled order, so that small tasks are not crowded out. */
function takeTurns(pool: Uint32Array, count: number, { stratum, seed }: SplitOptions): Uint32Array {
  if (count >= pool.length) return pool.slice();
  const queues = new Map<number, number[]>();
  for (const at of shuffled(pool.length, seed, streamId('validation samples'))) {
    const row = pool[at] ?? 0;
    const queue = queues.get(stratum(row));
    if (queue === undefined) queues.set(stratum(row), [row]);
    else queue.push(row);
  }
  const taken = new Uint32Array(count);
  let done = 0;
  for (let turn = 0; done < count; turn++) {
    for (const queue of queues.values()) {
      const row = queue[turn];
      if (row !== undefined && done < count) taken[done++] = row;
    }
  }
  return taken;
}

/** medvision_bm's limits: −1 means all, a limit above the size means all, 0 is refused. `flag` is named in the error. */
export function sampleLimit(limit: number, available: number, flag: string): number {
  if (limit === -1) return available;
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new UserError(`--${flag} ${limit}: a whole number from 1 is expected, or -1 for all samples.`);
  return Math.min(limit, available);
}

/** `count` of the rows, drawn by the seed, in their original order. */
export function drawRows(rows: Uint32Array, count: number, seed: number, name: string): Uint32Array {
  if (count >= rows.length) return rows;
  return shuffled(rows.length, seed, streamId(name))
    .subarray(0, count)
    .sort()
    .map((at) => rows[at] ?? 0);
}

/** The reference's `shuffle(seed).select(range(count))`; all rows, as they are, where count is not below their number. */
export function drawRowsAsNumpy(rows: Uint32Array, count: number, seed: number): Uint32Array {
  if (count >= rows.length) return rows;
  return numpyPermutation(rows.length, seed).subarray(0, count).map((at) => rows[at] ?? 0);
}
