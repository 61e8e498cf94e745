/** Expected values are numpy's: `default_rng(seed).permutation(n)`, its first five numbers and a rolling hash modulo 2⁶¹ − 1 over all. */
import { expect, test } from 'vitest';
import { numpyPermutation } from '../../src/data/numpyRandom.ts';

test.each<[n: number, seed: number, first: number[], hash: bigint]>([
  [1, 0, [0], 0n],
  [2, 1024, [1, 0], 1000003n],
  [10, 1024, [8, 1, 4, 9, 2], 318932726977081617n],
  [1000, 1024, [146, 7, 55, 785, 77], 2232308224640842010n],
  [777, 4294967295, [399, 560, 481, 104, 194], 852924337207041146n],
  [5, 0, [2, 4, 3, 0, 1], 2031716290977772202n],
  [100000, 42, [45262, 49850, 30394, 90177, 95569], 94661106968114938n],
])('permutation(%i) of seed %i', (n, seed, first, hash) => {
  const order = numpyPermutation(n, seed);
  let rolling = 0n;
  for (const value of order) rolling = (rolling * 1000003n + BigInt(value)) & ((1n << 61n) - 1n);
  expect([...order.subarray(0, 5)]).toEqual(first);
  expect(rolling).toBe(hash);
  expect(numpyPermutation(0, seed)).toHaveLength(0);
});
