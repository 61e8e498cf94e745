import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { counterHash, pcg, shuffled, streamId } from '../../src/data/random.ts';
import { drawSamples, sampleLimit, splitSamples } from '../../src/data/split.ts';
import type { SplitItem } from '../../src/data/split.ts';
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

const items = (...counts: [stratum: string, group: string, n: number][]): SplitItem[] =>
  counts.flatMap(([stratum, group, n]) => Array.from({ length: n }, () => ({ stratum, group })));

describe('split', () => {
  const groups = fc.array(fc.record({ group: fc.nat(9).map(String), stratum: fc.constantFrom('A', 'B', 'C') }), { minLength: 1, maxLength: 80 });

  test('no volume in both sets, no sample lost, every task still trained, the same again from the same seed', () => {
    fc.assert(
      fc.property(groups, fc.integer({ min: 1, max: 40 }), fc.nat(), (data, validation, seed) => {
        let split;
        try {
          split = splitSamples(data, { validation, seed });
        } catch (cause) {
          expect(cause).toBeInstanceOf(UserError);
          return;
        }
        const trained = new Set([...split.train].map((i) => data[i]?.group));
        expect([...split.validation].some((i) => trained.has(data[i]?.group))).toBe(false);
        expect(split.train.length + split.validation.length + split.unused).toBe(data.length);
        expect(split.validation.length).toBeLessThanOrEqual(validation);
        expect(new Set([...split.train].map((i) => data[i]?.stratum))).toEqual(new Set(data.map((item) => item.stratum)));
        expect(splitSamples(data, { validation, seed })).toEqual(split);
        for (const part of [split.train, split.validation]) expect([...part].sort((a, b) => a - b)).toEqual([...part]);
      }),
    );
  });

  test('each task has its share of the validation set', () => {
    const data = items(['A', 'a1', 500], ['A', 'a2', 500], ['A', 'a3', 500], ['B', 'b1', 30], ['B', 'b2', 30], ['B', 'b3', 30]);
    const { validation } = splitSamples(data, { validation: 20, seed: 3 });
    expect(validation.length).toBe(20);
    expect([...validation].filter((i) => data[i]?.stratum === 'B')).toHaveLength(10);
  });

  test('by slice: exactly as many as wanted, volumes shared', () => {
    const data = items(['A', 'a1', 50], ['A', 'a2', 50]);
    const { train, validation, unused } = splitSamples(data, { validation: 30, seed: 3, by: 'slice' });
    expect([train.length, validation.length, unused]).toEqual([70, 30, 0]);
  });

  test('no validation, and none possible', () => {
    expect(splitSamples(items(['A', 'a', 5]), { validation: 0, seed: 1 }).train).toHaveLength(5);
    expect(splitSamples([], { validation: 5, seed: 1 }).train).toHaveLength(0);
    expect(() => splitSamples(items(['A', 'a', 5]), { validation: 2, seed: 1 })).toThrow(UserError);
    expect(() => splitSamples(items(['A', 'a', 5]), { validation: -1, seed: 1 })).toThrow(UserError);
  });

  test('limits mean what they mean in medvision_bm', () => {
    expect([sampleLimit(-1, 7, 'x'), sampleLimit(5, 7, 'x'), sampleLimit(9, 7, 'x')]).toEqual([7, 5, 7]);
    for (const limit of [0, -2, 1.5, NaN]) expect(() => sampleLimit(limit, 7, 'train_sample_limit')).toThrow(/--train_sample_limit/);
    const drawn = drawSamples(
      Uint32Array.from({ length: 100 }, (_, i) => i * 2),
      10,
      4,
      'x',
    );
    expect(drawn).toHaveLength(10);
    expect([...drawn].every((value, i) => value % 2 === 0 && value > (drawn[i - 1] ?? -1))).toBe(true);
  });
});
