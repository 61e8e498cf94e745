/** Plans are pure functions: which algorithm each kind of GPU gets, and the words for one that it cannot have. */
import { describe, expect, it } from 'vitest';
import { planAttention } from '../../src/tune/attention.ts';
import { planProduct } from '../../src/tune/product.ts';
import type { ProductProblem } from '../../src/tune/product.ts';
import { hardware, software } from './capabilities.ts';

const problem: ProductProblem = { form: 'nt', m: 512, n: 512, k: 2048, storage: 'bf16', isPlain: true, hasDropout: false };

describe('planProduct', () => {
  it.each([
    ['a graphics card', hardware, problem, 'matmul/nt_tile'],
    ['a graphics card, one row', hardware, { ...problem, m: 1 }, 'matmul/nt_few_rows'],
    ['a graphics card, one row and dropout', hardware, { ...problem, m: 1, hasDropout: true }, 'matmul/nt_tile'],
    ['a graphics card, one row of a·w', hardware, { ...problem, m: 1, form: 'nn' as const }, 'matmul/nn_tile'],
    ['the CPU with subgroups of 8', software, problem, 'matmul/nt_subgroup'],
    ['the CPU with other subgroups', { ...software, subgroups: { min: 4, max: 4 } }, problem, 'matmul/nt_tile'],
    ['the CPU without subgroups', { ...software, subgroups: undefined }, { ...problem, form: 'tn' as const }, 'matmul/tn_tile'],
  ])('%s', (_, capabilities, asked, kernel) => {
    expect(planProduct(capabilities, asked).kernel).toBe(kernel);
  });

  it('covers the whole sum with ranges that the kernel can step through', () => {
    for (const capabilities of [hardware, software]) {
      for (const k of [1, 130, 999, 4096]) {
        const { parts, chunk, groups } = planProduct(capabilities, { ...problem, m: 40, n: 24, k });
        expect(parts * chunk).toBeGreaterThanOrEqual(k);
        expect((parts - 1) * chunk).toBeLessThan(k);
        expect(chunk % 4).toBe(0);
        expect(groups).toHaveProperty('2', parts);
      }
    }
  });

  it('cuts no sum to which more than a factor is applied', () => {
    expect(planProduct(hardware, { ...problem, m: 16, n: 16, k: 65536, isPlain: false }).parts).toBe(1);
    expect(planProduct(hardware, { ...problem, m: 16, n: 16, k: 65536 }).parts).toBeGreaterThan(100);
  });

  it('refuses in words what the GPU or the problem does not allow', () => {
    expect(() => planProduct(hardware, problem, { algorithm: 'subgroup', TM: 8 })).toThrow(/nt by 'subgroup': it needs subgroups of 8.*promises no size/);
    expect(() => planProduct(hardware, problem, { algorithm: 'few_rows', ROWS: 4 })).toThrow(/expected at most 4 rows, found 512/);
    const huge = { algorithm: 'tile', BM: 128, BN: 128, BK: 32, TM: 8, TN: 8, COMPACT: false } as const;
    expect(() => planProduct(hardware, problem, huge)).toThrow(/needs 32768 bytes of workgroup memory, and this GPU has 16384/);
  });
});

describe('planAttention', () => {
  it.each([
    ['a graphics card', hardware, false, 'attention/forward_tile'],
    ['the CPU with subgroups of 8', software, false, 'attention/forward_subgroup'],
    ['the CPU, when it generates', software, true, 'attention/forward_tile'],
  ])('%s', (_, capabilities, isDecoding, kernel) => {
    expect(planAttention(capabilities, { pass: 'forward', headSize: 128, isDecoding }).kernel).toBe(kernel);
  });

  it('keeps to the workgroup memory of every GPU, whatever the head size', () => {
    for (const pass of ['forward', 'query_backward', 'key_backward'] as const) {
      for (let headSize = 1; headSize <= 256; headSize++) {
        const { configuration } = planAttention(hardware, { pass, headSize, isDecoding: false });
        if (configuration.algorithm !== 'tile') throw new Error('a graphics card without subgroups takes tiles');
        const { parts, rows, staged } = configuration;
        const tiles = pass === 'forward' ? 1 : 2;
        const exchange = parts > 1 ? parts * rows * staged * 4 : 16;
        expect(tiles * (staged * 16 * parts * Math.ceil(headSize / (4 * parts)) + exchange)).toBeLessThanOrEqual(16384);
      }
    }
  });

  it('refuses in words what the GPU lacks', () => {
    const asked = { pass: 'forward', headSize: 64, isDecoding: false } as const;
    expect(() => planAttention(hardware, asked, { algorithm: 'subgroup' })).toThrow(/forward by 'subgroup': it needs subgroups of 8/);
  });
});
