import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { counterHash, pcg, shuffled, streamId } from '../../src/data/random.ts';
import { mixRows, taskShares } from '../../src/data/mixing.ts';
import { numpyPermutation } from '../../src/data/numpyRandom.ts';
import { drawRows, drawRowsAsNumpy, sampleLimit, splitRows } from '../../src/data/split.ts';
import type { SplitBy } from '../../src/data/split.ts';
import { UserError } from '../../src/platform.ts';

describe('counter-based random numbers', () => {
  test('the hash is PCG by its definition, in exact arithmetic', () => {
    const exact = (value: number): number => {
      const state = (BigInt(value) * 747796405n + 2891336453n) & 0xffffffffn;
      const word = (((state >> ((state >> 28n) + 4n)) ^ state) * 277803737n) & 0xffffffffn;
      return Number(((word >> 22n) ^ word) & 0xffffffffn);
    };
    const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    fc.assert(fc.property(u32, (value) => void expect(pcg(value)).toBe(exact(value))));
    fc.assert(
      fc.property(u32, u32, u32, u32, (seed, stream, step, index) => {
        const expected = [seed, stream, step, index].reduce((hash, part) => exact((hash ^ part) >>> 0), 0);
        expect(counterHash(seed, stream, step, index)).toBe(expected);
      }),
    );
  });

  test('known values, which the WGSL copy must give too', () => {
    expect([pcg(0), pcg(1), pcg(0xffffffff)]).toEqual([129708002, 2831084092, 3861530882]);
    expect([counterHash(42, 1, 2, 3), counterHash(0, 0, 0, 0)]).toEqual([3977494250, 2368882721]);
  });

  test('uniform enough: mean and spread of 100 000 draws', () => {
    let sum = 0;
    const bins = new Array<number>(16).fill(0);
    for (let i = 0; i < 100_000; i++) {
      const hash = counterHash(1, 2, 3, i);
      sum += hash / 2 ** 32;
      bins[hash >>> 28] = (bins[hash >>> 28] ?? 0) + 1;
    }
    expect(Math.abs(sum / 100_000 - 0.5)).toBeLessThan(0.004);
    for (const bin of bins) expect(Math.abs(bin - 6250)).toBeLessThan(400);
  });

  test('shuffled is a permutation that follows seed, stream and step', () => {
    fc.assert(
      fc.property(fc.nat(500), fc.nat(), (n, seed) => {
        const order = shuffled(n, seed, 9);
        expect([...order].sort((a, b) => a - b)).toEqual([...Array(n).keys()]);
        expect(shuffled(n, seed, 9)).toEqual(order);
      }),
    );
    const orders = [shuffled(50, 1, 1), shuffled(50, 2, 1), shuffled(50, 1, 2), shuffled(50, 1, 1, 1)].map((order) => order.join());
    expect(new Set(orders).size).toBe(4);
    expect(streamId('a')).not.toBe(streamId('b'));
  });
});

interface Item {
  stratum: string;
  group: string;
}
const items = (...counts: [stratum: string, group: string, n: number][]): Item[] =>
  counts.flatMap(([stratum, group, n]) => Array.from({ length: n }, () => ({ stratum, group })));

interface OneSplit {
  train: Uint32Array;
  validation: Uint32Array;
  unused: number;
}
/** One pool. */
function split(data: readonly Item[], { validation, seed, by }: { validation: number; seed: number; by?: SplitBy }): OneSplit {
  const groups = [...new Set(data.map((item) => item.group))];
  const strata = [...new Set(data.map((item) => item.stratum))];
  const result = splitRows([{ rows: Uint32Array.from(data.keys()), validation }], {
    seed,
    ...(by && { by }),
    group: (row) => groups.indexOf(data[row]?.group ?? ''),
    groupName: (group) => groups[group] ?? '',
    stratum: (row) => strata.indexOf(data[row]?.stratum ?? ''),
  });
  return { train: result.train[0] ?? new Uint32Array(0), validation: result.validation[0] ?? new Uint32Array(0), unused: result.unused };
}

describe('split', () => {
  const groups = fc.array(fc.record({ group: fc.nat(9).map(String), stratum: fc.constantFrom('A', 'B', 'C') }), { minLength: 1, maxLength: 80 });

  test('no volume in both sets, no sample lost, tasks left untrained only at need, the same again from the same seed', () => {
    fc.assert(
      fc.property(groups, fc.integer({ min: 1, max: 40 }), fc.nat(), (data, validation, seed) => {
        const result = split(data, { validation, seed });
        const trained = new Set([...result.train].map((i) => data[i]?.group));
        expect([...result.validation].some((i) => trained.has(data[i]?.group))).toBe(false);
        expect(result.train.length + result.validation.length + result.unused).toBe(data.length);
        expect(result.validation.length).toBeLessThanOrEqual(validation);
        expect(result.train.length).toBeGreaterThan(0);
        const lost = data.filter(({ stratum }) => ![...result.train].some((i) => data[i]?.stratum === stratum));
        // Only where every volume is the only one of some task.
        if (lost.length > 0) {
          const groupsOf = (stratum: string): number => new Set(data.filter((item) => item.stratum === stratum).map((item) => item.group)).size;
          for (const group of new Set(data.map((item) => item.group)))
            expect(data.some((item) => item.group === group && groupsOf(item.stratum) === 1)).toBe(true);
        }
        expect(split(data, { validation, seed })).toEqual(result);
        for (const part of [result.train, result.validation]) expect([...part].sort((a, b) => a - b)).toEqual([...part]);
      }),
    );
  });

  test('each task has its share of the validation set', () => {
    const data = items(['A', 'a1', 500], ['A', 'a2', 500], ['A', 'a3', 500], ['B', 'b1', 30], ['B', 'b2', 30], ['B', 'b3', 30]);
    const { validation } = split(data, { validation: 20, seed: 3 });
    expect(validation.length).toBe(20);
    expect([...validation].filter((i) => data[i]?.stratum === 'B')).toHaveLength(10);
  });

  test('by slice: exactly as many as wanted, volumes shared', () => {
    const data = items(['A', 'a1', 50], ['A', 'a2', 50]);
    const { train, validation, unused } = split(data, { validation: 30, seed: 3, by: 'slice' });
    expect([train.length, validation.length, unused]).toEqual([70, 30, 0]);
  });

  test('no validation, and none possible', () => {
    expect(split(items(['A', 'a', 5]), { validation: 0, seed: 1 }).train).toHaveLength(5);
    expect(split([], { validation: 5, seed: 1 }).train).toHaveLength(0);
    expect(split(items(['A', 'a', 5]), { validation: 2, seed: 1 })).toEqual({ train: Uint32Array.of(0, 1, 2, 3, 4), validation: new Uint32Array(0), unused: 0 });
    for (const validation of [-2, 1.5, NaN]) expect(() => split(items(['A', 'a', 5]), { validation, seed: 1 })).toThrow(UserError);
  });

  test('limits mean what they mean in medvision_bm', () => {
    expect([sampleLimit(-1, 7, 'x'), sampleLimit(5, 7, 'x'), sampleLimit(9, 7, 'x')]).toEqual([7, 5, 7]);
    for (const limit of [0, -2, 1.5, NaN]) expect(() => sampleLimit(limit, 7, 'train_sample_limit')).toThrow(/--train_sample_limit/);
    const drawn = drawRows(
      Uint32Array.from({ length: 100 }, (_, i) => i * 2),
      10,
      4,
      'x',
    );
    expect(drawn).toHaveLength(10);
    expect([...drawn].every((value, i) => value % 2 === 0 && value > (drawn[i - 1] ?? -1))).toBe(true);
  });

  test('−1: the volumes of a tenth of the rows, whole', () => {
    const data = items(...Array.from({ length: 20 }, (_, i): [string, string, number] => ['A', `a${i}`, 10]));
    const { validation, unused } = split(data, { validation: -1, seed: 1 });
    expect([validation.length, unused]).toEqual([20, 0]);
    expect(split(data, { validation: -1, seed: 1, by: 'slice' }).validation).toHaveLength(20);
  });

  test('more than there are: half, and every row of the volumes held out', () => {
    const data = items(...Array.from({ length: 10 }, (_, i): [string, string, number] => ['A', `a${i}`, 4]));
    for (const validation of [40, 1000]) {
      const found = split(data, { validation, seed: 1 });
      expect([found.validation.length, found.train.length, found.unused]).toEqual([20, 20, 0]);
      expect(split(data, { validation, seed: 1, by: 'slice' }).validation).toHaveLength(20);
    }
    expect(split(data, { validation: 39, seed: 1, by: 'slice' }).train).toHaveLength(1);
  });

  test('a total below the pools holds out no more volumes than it takes', () => {
    const rows = Uint32Array.from({ length: 400 }, (_, i) => i);
    const pools = [0, 200].map((from) => ({ rows: rows.slice(from, from + 200), validation: 100 }));
    const options = { seed: 3, group: (row: number) => row % 40, groupName: String, stratum: (row: number) => (row < 200 ? 0 : 1) };
    const found = splitRows(pools, { ...options, total: 20 });
    expect(found.train.map((own) => own.length)).toEqual([190, 190]);
    expect(found.validation.map((own) => own.length)).toEqual([10, 10]);
    expect(splitRows(pools, options).validation.map((own) => own.length)).toEqual([100, 100]);
  });

  test('a volume that two lists share is held out of both', () => {
    const groups = Array.from({ length: 40 }, (_, row) => row % 10);
    const pools = [0, 20].map((from) => ({ rows: Uint32Array.from({ length: 20 }, (_, i) => from + i), validation: from === 0 ? 4 : 0 }));
    const found = splitRows(pools, { seed: 7, group: (row) => groups[row] ?? 0, groupName: String, stratum: (row) => (row < 20 ? 0 : 1) });
    expect(found.validation.map((rows) => rows.length)).toEqual([4, 0]);
    const held = new Set([...(found.validation[0] ?? [])].map((row) => groups[row]));
    for (const rows of found.train) expect([...rows].some((row) => held.has(groups[row]))).toBe(false);
  });

  // datasets.Dataset.train_test_split(train_size, test_size, shuffle=True, seed) and .shuffle(seed).select(range(n)) are these permutations.
  test('by slice: the rows that the datasets library holds out and keeps', () => {
    const { train, validation } = split(items(['A', 'a1', 10]), { validation: 3, seed: 1024, by: 'slice' });
    expect([...validation]).toEqual([...numpyPermutation(10, 1024).subarray(0, 3)]);
    expect([...train]).toEqual([...numpyPermutation(10, 1024).subarray(3)]);
    expect([...drawRowsAsNumpy(train, 4, 1024)]).toEqual([...numpyPermutation(7, 1024).subarray(0, 4)].map((at) => train[at]));
    expect(drawRowsAsNumpy(train, 7, 1024)).toBe(train);
  });
});

describe('mixing', () => {
  const rows = Uint32Array.from({ length: 130 }, (_, i) => i);
  const stratum = (row: number): number => (row < 100 ? 0 : row < 120 ? 1 : 2);
  const counts = (mixed: Uint32Array): number[] => [0, 1, 2].map((task) => mixed.filter((row) => stratum(row) === task).length);
  const mix = (mixing: 'balanced' | 'temperature' | 'concatenate', count: number, temperature = 5, seed = 1): Uint32Array =>
    mixRows(rows, count, { mixing, temperature, seed, stratum });

  test('balanced: tasks alike, small ones repeated evenly', () => {
    const mixed = mix('balanced', 130);
    expect(counts(mixed)).toEqual([44, 43, 43]);
    const times = [...rows].map((row) => mixed.filter((other) => other === row).length);
    expect(new Set(times.slice(0, 100))).toEqual(new Set([0, 1]));
    expect(new Set(times.slice(100, 120))).toEqual(new Set([2, 3]));
    expect(new Set(times.slice(120))).toEqual(new Set([4, 5]));
    expect(mix('balanced', 130)).toEqual(mixed);
    expect(mix('balanced', 130, 5, 2)).not.toEqual(mixed);
  });
  test('temperature: 1 is by size, a large one is nearly balanced', () => {
    expect(counts(mix('temperature', 130, 1))).toEqual([100, 20, 10]);
    expect(counts(mix('temperature', 120, 1e9))).toEqual([40, 40, 40]);
    const [a = 0, b = 0, c = 0] = counts(mix('temperature', 1000, 5));
    expect(a / c).toBeCloseTo(10 ** 0.2, 1);
    expect(a + b + c).toBe(1000);
  });
  test('concatenate leaves the rows alone; shares always sum up', () => {
    expect(mix('concatenate', 130)).toBe(rows);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1e6 }), { minLength: 1, maxLength: 30 }), fc.nat(1e6), (weights, count) => {
        const shares = taskShares(weights, count);
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(count);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        shares.forEach((share, i) => expect(Math.abs(share - ((weights[i] ?? 0) / total) * count)).toBeLessThan(1));
      }),
    );
  });
});
