/** The learnt position of every patch, for tables and tiles of many sizes, as torch's float32 has it. */
import { expect, test } from 'vitest';
import { fractionBins, patchPositions } from '../../../src/models/smolvlm/positions.ts';
import { goldenJson } from '../golden.ts';

test('bins of fractions are torch’s, with its roundings', () => {
  const cases = Object.entries(goldenJson<Record<string, number[]>>('golden', 'smolvlm-tiny', 'positions.json'));
  expect(cases.length).toBeGreaterThan(200);
  for (const [key, wanted] of cases) {
    const [count, table] = key.split('/').map(Number) as [number, number];
    expect(fractionBins(count, table), key).toEqual(wanted);
  }
});

test('released sizes use every row of their table; 19 rows would not', () => {
  for (const side of [26, 27, 32]) expect([...patchPositions(side, side, 1)]).toEqual([...Array(side * side).keys()]);
  expect(new Set(fractionBins(19, 19)).size).toBeLessThan(19);
});

test('patches come square by square', () => {
  expect([...patchPositions(4, 4, 2)]).toEqual([0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]);
  expect([...patchPositions(2, 4, 2)]).toEqual([0, 2, 8, 10]);
});
