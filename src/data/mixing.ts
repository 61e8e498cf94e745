/**
 * How often the tasks of a training set are seen. `concatenate`: every row once, so a task of a million slices drowns one of five thousand.
 * `balanced`: every task equally often. `temperature`: in between, in proportion to size^(1/T), T = 5 unless told otherwise, as later
 * versions of the reference sample. The number of rows stays the same: rows of large tasks are left out and rows of small ones come up
 * several times, each row of a task once before any comes up again.
 */
import { shuffled, streamId } from './random.ts';

export type Mixing = 'concatenate' | 'balanced' | 'temperature';

export interface MixingOptions {
  mixing: Mixing;
  temperature: number;
  seed: number;
  /** The task of a row. */
  stratum(row: number): number;
}

/** `count` rows of `rows`; with `concatenate` that is for the caller to draw. */
export function mixRows(rows: Uint32Array, count: number, options: MixingOptions): Uint32Array {
  const { mixing, seed, stratum } = options;
  if (mixing === 'concatenate' || rows.length === 0) return rows;
  const tasks = new Map<number, number[]>();
  for (const row of rows) {
    const known = tasks.get(stratum(row));
    if (known === undefined) tasks.set(stratum(row), [row]);
    else known.push(row);
  }
  const power = mixing === 'balanced' ? 0 : 1 / options.temperature;
  const shares = taskShares(
    [...tasks.values()].map((own) => own.length ** power),
    count,
  );
  const mixed = new Uint32Array(count);
  let at = 0;
  [...tasks].forEach(([task, own], i) => {
    const share = shares[i] ?? 0;
    for (let round = 0; round * own.length < share; round++) {
      const order = shuffled(own.length, seed, streamId(`mixing: ${task}`), round);
      for (let k = 0; k < own.length && round * own.length + k < share; k++) mixed[at++] = own[order[k] ?? 0] ?? 0;
    }
  });
  return mixed;
}

/**
 * Whole numbers in proportion to the weights that sum to `count`: rounded down, what is left to the largest remainders, the first of equal
 * ones.
 */
export function taskShares(weights: readonly number[], count: number): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const exact = weights.map((weight) => (weight / sum) * count);
  const shares = exact.map(Math.floor);
  const left = count - shares.reduce((total, share) => total + share, 0);
  const byRemainder = exact.map((value, i) => ({ i, rest: value - (shares[i] ?? 0) })).sort((a, b) => b.rest - a.rest || a.i - b.i);
  for (const { i } of byRemainder.slice(0, left)) shares[i] = (shares[i] ?? 0) + 1;
  return shares;
}
