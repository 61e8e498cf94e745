/** LoRA's sums against torch's, to the bit: digests of merged matrices, made by test/golden/merge_sums.py with the same inputs. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { mergeRows } from '../../src/io/mergeWeights.ts';

interface Case {
  rank: number;
  scaling: number;
  lora: string;
  dora: string;
  first: number[];
}

const { shape, cases } = JSON.parse(readFileSync(new URL('../golden/merge_sums.json', import.meta.url), 'utf8')) as { shape: [number, number]; cases: Case[] };
const [out, into] = shape;

/** Integers that Python makes alike; exact in float32. */
function matrix(seed: number, count: number, lift = 0): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => (((Math.imul(i, 2654435761) + seed * 40503) >>> 0) >>> 8) / 2 ** 24 - 0.5 + lift);
}

const digest = (values: Float32Array): string => createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex');

it.each(cases)('rank $rank', ({ rank, scaling, lora, dora, first }) => {
  const update = { rank, scaling, a: matrix(2, rank * into), b: matrix(3, out * rank) };
  const merged = matrix(1, out * into);
  mergeRows(merged, into, 0, update);
  expect([...merged.subarray(0, 3)]).toEqual(first);
  expect(digest(merged)).toBe(lora);

  const scaled = matrix(1, out * into);
  mergeRows(scaled, into, 0, { ...update, magnitude: matrix(4, out, 1) });
  expect(digest(scaled)).toBe(dora);
});

it('rows merged a few at a time are the rows merged together', () => {
  const update = { rank: 8, scaling: 2, a: matrix(2, 8 * into), b: matrix(3, out * 8), magnitude: matrix(4, out, 1) };
  const whole = matrix(1, out * into);
  const apart = matrix(1, out * into);
  mergeRows(whole, into, 0, update);
  for (const [start, end] of [[0, 5], [5, 6], [6, out]] as const) mergeRows(apart.subarray(start * into, end * into), into, start, update);
  expect(apart).toEqual(whole);
});
