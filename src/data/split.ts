/**
 * Training and validation sets, and the limits on their size. Slices of one volume look alike, so by default whole volumes are held out
 * (the reference splits by slice: all its validation volumes are also trained on). Everything follows from the seed and the rows' volumes
 * and tasks, never from the order in which workers finish. Rows are numbers, so that millions of them are a few typed arrays.
 */
import { UserError } from '../platform.ts';
import { numpyPermutation } from './numpyRandom.ts';
import { counterHash, shuffled, streamId } from './random.ts';

/** `volume`: whole volumes are held out. `slice`: single samples, the very ones that the reference holds out with its seed, 1024. */
export type SplitBy = 'volume' | 'slice';

/** Rows that share a limit: one of the task lists. */
export interface SplitPool {
  rows: Uint32Array;
  /**
   * Rows wanted for validation; fewer come back where the held-out volumes have fewer. 0: none. −1: every row of the volumes held out, a
   * tenth of the rows. As many as there are, or more: half.
   */
  validation: number;
}

export interface SplitOptions {
  seed: number;
  /** Default 'volume'. */
  by?: SplitBy;
  /**
   * Validation rows wanted in all, where that is less than the pools' own: no more volumes are held out than that takes. −1: no such limit.
   */
  total?: number;
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
    if (validation === -1) return Math.min(Math.max(0, rows.length - 1), Math.ceil(rows.length / 10));
    // More than there are: something must be left to learn from, and half is.
    return validation >= rows.length ? Math.floor(rows.length / 2) : validation;
  });
  if (options.by === 'slice') {
    const orders = pools.map(({ rows }) => numpyPermutation(rows.length, options.seed).map((at) => rows[at] ?? 0));
    return {
      train: orders.map((order, i) => order.slice(wanted[i])),
      validation: orders.map((order, i) => order.slice(0, wanted[i])),
      unused: 0,
    };
  }
  const sum = wanted.reduce((all, count) => all + count, 0);
  const share = options.total === undefined || options.total < 0 || sum === 0 ? 1 : Math.min(1, options.total / sum);
  const held =
    sum * share > 0
      ? heldOutGroups(
          pools,
          wanted.map((count) => Math.ceil(count * share)),
          options,
        )
      : new Set<number>();
  let unused = 0;
  const validation = pools.map((pool) => {
    const candidates = pool.rows.filter((row) => held.has(options.group(row)));
    const count = pool.validation === -1 ? candidates.length : Math.min(pool.validation, candidates.length);
    unused += candidates.length - count;
    return takeTurns(candidates, count, options).sort();
  });
  return { train: pools.map(({ rows }) => rows.filter((row) => !held.has(options.group(row)))), validation, unused };
}

/**
 * Whole groups, in the order of their hash, until every stratum has its part (not more than a fifth of a small one), then until every pool
 * has; the last group of a stratum stays in training. Where that leaves a pool without any validation rows, the group goes whose loss
 * leaves the fewest strata untrained, as long as every pool keeps one.
 */
function heldOutGroups(pools: readonly SplitPool[], wanted: readonly number[], options: SplitOptions): Set<number> {
  const census = countGroups(pools, wanted, options);
  const { groups, groupsLeft, poolGroupsLeft, missing, poolMissing } = census;
  const stream = streamId('validation volumes');
  const order = [...groups.keys()]
    .map((number) => ({
      number,
      name: options.groupName(number),
      hash: counterHash(options.seed, stream, 0, streamId(options.groupName(number))),
    }))
    .sort((a, b) => a.hash - b.hash || (a.name < b.name ? -1 : 1))
    .map(({ number }) => number);
  const held = new Set<number>();
  const hold = (number: number): void => {
    held.add(number);
    const group = groups.get(number);
    for (const [own, count] of group?.strata ?? []) {
      missing.set(own, (missing.get(own) ?? 0) - count);
      groupsLeft.set(own, (groupsLeft.get(own) ?? 0) - 1);
    }
    for (const [pool, count] of group?.pools ?? []) {
      poolGroupsLeft[pool] = (poolGroupsLeft[pool] ?? 0) - 1;
      poolMissing[pool] = (poolMissing[pool] ?? 0) - count;
    }
  };
  const orphans = (number: number): number =>
    [...(groups.get(number)?.strata.keys() ?? [])].filter((own) => (groupsLeft.get(own) ?? 0) < 2).length;

  for (const number of order) {
    const isNeeded = [...(groups.get(number)?.strata.keys() ?? [])].some((own) => (missing.get(own) ?? 0) > 0);
    if (isNeeded && orphans(number) === 0) hold(number);
  }
  for (const number of order) {
    const isNeeded = [...(groups.get(number)?.pools.keys() ?? [])].some((pool) => (poolMissing[pool] ?? 0) > 0);
    if (isNeeded && !held.has(number) && orphans(number) === 0) hold(number);
  }
  wanted.forEach((count, pool) => {
    if (count === 0 || [...held].some((number) => groups.get(number)?.pools.has(pool))) return;
    const candidates = order
      .filter((number) => !held.has(number) && groups.get(number)?.pools.has(pool))
      .filter((number) => [...(groups.get(number)?.pools.keys() ?? [])].every((one) => (poolGroupsLeft[one] ?? 0) > 1))
      .sort((a, b) => orphans(a) - orphans(b)); // a stable sort: equal ones keep the order of their hash
    if (candidates[0] !== undefined) hold(candidates[0]);
  });
  return held;
}

interface Group {
  /** Rows of each stratum. */
  strata: Map<number, number>;
  /** Rows of each pool. */
  pools: Map<number, number>;
}

interface Census {
  groups: Map<number, Group>;
  /** Groups in training, of each stratum and of each pool. */
  groupsLeft: Map<number, number>;
  poolGroupsLeft: number[];
  /** Validation rows that a stratum has no groups for yet. */
  missing: Map<number, number>;
  /** The same of each pool. */
  poolMissing: number[];
}

function countGroups(pools: readonly SplitPool[], wanted: readonly number[], options: SplitOptions): Census {
  const groups = new Map<number, Group>();
  const groupsLeft = new Map<number, number>();
  const missing = new Map<number, number>();
  const poolGroupsLeft = pools.map(({ rows }, pool) => {
    const strata = new Map<number, number>();
    const ownGroups = new Set<number>();
    for (const row of rows) {
      const own = options.stratum(row);
      const number = options.group(row);
      let group = groups.get(number);
      if (group === undefined) groups.set(number, (group = { strata: new Map<number, number>(), pools: new Map<number, number>() }));
      const count = group.strata.get(own) ?? 0;
      if (count === 0) groupsLeft.set(own, (groupsLeft.get(own) ?? 0) + 1);
      group.strata.set(own, count + 1);
      group.pools.set(pool, (group.pools.get(pool) ?? 0) + 1);
      strata.set(own, (strata.get(own) ?? 0) + 1);
      ownGroups.add(number);
    }
    for (const [own, count] of strata)
      missing.set(own, (missing.get(own) ?? 0) + Math.min(Math.ceil((wanted[pool] ?? 0) / strata.size), Math.ceil(count / 5)));
    return ownGroups.size;
  });
  return { groups, groupsLeft, poolGroupsLeft, missing, poolMissing: [...wanted] };
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
  return numpyPermutation(rows.length, seed)
    .subarray(0, count)
    .map((at) => rows[at] ?? 0);
}
