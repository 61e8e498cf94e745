import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shuffled, streamId } from '../../src/data/random.ts';
import { groupedByLength, rowOrder } from '../../src/train/rowOrder.ts';
import type { MeasuredSource } from '../../src/train/rowOrder.ts';

const never = (): Promise<never> => Promise.reject(new Error('no row is to be made'));
const source = (lengths: number[]): MeasuredSource => ({ length: lengths.length, get: never, lengths: () => Promise.resolve(lengths) });

describe('rows of like length', () => {
  it('are a permutation, the longest first, sorted within groups of whole batches', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { minLength: 1, maxLength: 300 }), fc.integer({ min: 1, max: 9 }), fc.nat(), (lengths, batch, seed) => {
        const order = groupedByLength(shuffled(lengths.length, seed, 1), lengths, batch);
        expect([...order].sort((a, b) => a - b)).toEqual([...lengths.keys()]);
        expect(lengths[order[0] ?? 0]).toBe(Math.max(...lengths));
      }),
    );
    const lengths = Array.from({ length: 400 }, (_, i) => (i * 7919) % 400);
    const order = groupedByLength(shuffled(400, 1, 1), lengths, 4);
    const spread = (rows: Iterable<number>): number => {
      const own = [...rows].map((row) => lengths[row] ?? 0);
      return Math.max(...own) - Math.min(...own);
    };
    const batches = Array.from({ length: 99 }, (_, i) => order.subarray(4 * (i + 1), 4 * (i + 2)));
    expect(batches.reduce((sum, batch) => sum + spread(batch), 0) / 99).toBeLessThan(30); // at random: 240
  });

  it('follow from seed and epoch alone', async () => {
    const lengths = Array.from({ length: 50 }, (_, i) => (i * 31) % 17);
    const settings = { shuffle: true, seed: 3, group_by_length: true, per_device_train_batch_size: 2 };
    const first = await rowOrder(source(lengths), settings, 1);
    expect(await rowOrder(source(lengths), settings, 1)).toEqual(first);
    expect(await rowOrder(source(lengths), settings, 2)).not.toEqual(first);
    expect(await rowOrder(source(lengths), { ...settings, seed: 4 }, 1)).not.toEqual(first);
  });

  it('are not asked for their lengths unless that is wanted', async () => {
    const plain: MeasuredSource = { length: 9, get: never, lengths: never };
    const settings = { shuffle: true, seed: 3, group_by_length: false, per_device_train_batch_size: 2 };
    expect(await rowOrder(plain, settings, 0)).toEqual(shuffled(9, 3, streamId('rows'), 0));
    expect(await rowOrder(plain, { ...settings, shuffle: false }, 0)).toBeUndefined();
  });
});
