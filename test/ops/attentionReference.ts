/** Attention in float64, its operands, and random intervals, for the tests of every way to compute it. */
import fc from 'fast-check';
import type { RangeTable } from '../../src/ops/attentionRanges.ts';
import { randomOperand } from './gradientCheck.ts';
import type { Operand } from './gradientCheck.ts';

export interface AttentionShape {
  T: number;
  S: number;
  H: number;
  KV: number;
  D: number;
}

type Values = Float64Array;

export function attentionReference(q: Values, k: Values, v: Values, { T, H, KV, D }: AttentionShape, table: RangeTable, scale: number, softcap = 0): Values {
  const y = new Float64Array(T * H * D);
  for (let i = 0; i < T; i++) {
    for (let h = 0; h < H; h++) {
      const qAt = (i * H + h) * D;
      const kvHead = Math.floor(h / (H / KV));
      const scores: number[] = [];
      for (let j = table[2 * i]!; j < table[2 * i + 1]!; j++) {
        let dot = 0;
        for (let d = 0; d < D; d++) dot += q[qAt + d]! * k[(j * KV + kvHead) * D + d]!;
        scores.push(softcap > 0 ? softcap * Math.tanh((dot * scale) / softcap) : dot * scale);
      }
      const largest = Math.max(...scores);
      const weights = scores.map((s) => Math.exp(s - largest));
      const total = weights.reduce((a, b) => a + b, 0);
      weights.forEach((weight, at) => {
        const j = table[2 * i]! + at;
        for (let d = 0; d < D; d++) y[qAt + d]! += (weight / total) * v[(j * KV + kvHead) * D + d]!;
      });
    }
  }
  return y;
}

export function attentionOperands({ T, S, H, KV, D }: AttentionShape): Record<string, Operand> {
  return { q: randomOperand([T, H, D], 1, 2), k: randomOperand([S, KV, D], 2, 2), v: randomOperand([S, KV, D], 3) };
}

/**
 * Monotone intervals: some queries see nothing, at the start and at the end; the others see at least a third of the keys. (Where a query sees
 * one key alone, its gradient is exactly zero and a relative error means nothing.)
 */
export const anyRanges = fc
  .record({ T: fc.integer({ min: 4, max: 90 }), S: fc.integer({ min: 6, max: 90 }), seed: fc.array(fc.nat(999), { minLength: 180, maxLength: 180 }) })
  .map(({ T, S, seed }) => {
    const third = Math.floor(S / 3);
    const ascending = (from: number): number[] =>
      seed.slice(from, from + T).map((n) => n % (third + 1)).sort((a, b) => a - b);
    const starts = ascending(0);
    const ends = ascending(90).map((n) => S - third + n);
    const table = Uint32Array.from(starts.flatMap((start, i) => [start, ends[i]!]));
    const blind = Math.floor(T / 4);
    for (let i = 0; i < blind; i++) table.set([0, 0], 2 * i);
    for (let i = T - blind; i < T; i++) table.set([S, S], 2 * i);
    return { T, S, table };
  });
