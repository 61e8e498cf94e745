/** Plans are pure functions: which algorithm each kind of GPU gets, and the words for one that it cannot have. */
import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../../src/gpu/capabilities.ts';
import { planAttention } from '../../src/tune/attention.ts';
import { chooseCompute } from '../../src/tune/compute.ts';
import { planProduct, refusedProduct } from '../../src/tune/product.ts';
import type { ProductProblem } from '../../src/tune/product.ts';
import { matrixUnitsOf } from '../../src/tune/subgroupMatrix.ts';
import { hardware, software } from './capabilities.ts';

const problem: ProductProblem = { form: 'nt', m: 512, n: 512, k: 2048, storage: 'bf16', isPlain: true, hasDropout: false, compute: 'f32' };

describe('planProduct', () => {
  it.each([
    ['a graphics card', hardware, problem, 'matmul/nt_tile'],
    ['a graphics card, one row', hardware, { ...problem, m: 1 }, 'matmul/nt_few_rows'],
    ['a graphics card, one row and dropout', hardware, { ...problem, m: 1, hasDropout: true }, 'matmul/nt_tile'],
    ['a graphics card, one row of a·w', hardware, { ...problem, m: 1, form: 'nn' as const }, 'matmul/nn_tile'],
    ['the CPU with subgroups of 8', software, problem, 'matmul/nt_subgroup'],
    ['the CPU with subgroups of 4', { ...software, subgroups: { min: 4, max: 4 } }, problem, 'matmul/nt_subgroup'],
    ['the CPU with other subgroups', { ...software, subgroups: { min: 16, max: 16 } }, problem, 'matmul/nt_tile'],
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
    expect(() => planProduct(hardware, problem, { algorithm: 'subgroup', SUBGROUP: 8, TM: 8 })).toThrow(/nt by 'subgroup': it needs subgroups of 8.*promises no size/);
    expect(() => planProduct(hardware, problem, { algorithm: 'few_rows', ROWS: 4 })).toThrow(/expected at most 4 rows, found 512/);
    const huge = { algorithm: 'tile', BM: 128, BN: 128, BK: 32, TM: 8, TN: 8, COMPACT: false } as const;
    expect(() => planProduct(hardware, problem, huge)).toThrow(/needs 32768 bytes of workgroup memory, and this GPU has 16384/);
  });
});

const cores: Capabilities = {
  ...hardware,
  f16: true,
  subgroups: { min: 32, max: 32 },
  subgroupMatrices: [
    { m: 16, n: 16, k: 16, operand: 'f16', result: 'f16' },
    { m: 16, n: 16, k: 16, operand: 'f16', result: 'f32' },
  ],
};
const eights: Capabilities = {
  ...software,
  f16: true,
  subgroupMatrices: [
    { m: 8, n: 8, k: 8, operand: 'f16', result: 'f32' },
    { m: 8, n: 8, k: 8, operand: 'i8', result: 'i32' },
  ],
};

describe('tensor cores', () => {
  const half: ProductProblem = { ...problem, compute: 'f16' };

  it('are taken where a run computes in f16 and the GPU has them, for every product of more than a few rows', () => {
    expect(planProduct(cores, half).kernel).toBe('matmul/nt_subgroup_matrix');
    expect(planProduct(cores, { ...half, form: 'tn' }).kernel).toBe('matmul/tn_subgroup_matrix');
    expect(planProduct(cores, { ...half, m: 1 }).kernel).toBe('matmul/nt_few_rows');
    expect(planProduct(cores, { ...half, compute: '3xf16' }).kernel).toBe('matmul/nt_subgroup_matrix');
    // Where workgroup memory is the least that GPUs have, in smaller tiles.
    const least = { ...cores, workgroupMemoryBytes: 16384 };
    expect(planProduct(least, { ...half, compute: '3xf16', storage: 'f32' }).spec).toMatchObject({ BM: 32, BN: 32, SPLIT: true, SPLIT_A: true });
    expect(planProduct(cores, problem).kernel).toBe('matmul/nt_tile');
    expect(planProduct(hardware, half).kernel).toBe('matmul/nt_tile');
    expect(planProduct(eights, half).spec).toMatchObject({ M: 8, N: 8, K: 8, SUBGROUP: 8, COMPACT: true });
    for (const pass of ['forward', 'query_backward', 'key_backward'] as const) {
      expect(planAttention(cores, { pass, headSize: 128, isDecoding: false, compute: 'f16' }).kernel).toBe(`attention/${pass}_subgroup_matrix`);
    }
    expect(planAttention(cores, { pass: 'forward', headSize: 128, isDecoding: true, compute: 'f16' }).kernel).toBe('attention/forward_tile');
  });

  it('by configuration, the largest first, and never with sums in f16', () => {
    const shape = (m: number, n: number, k: number, result = 'f32') => ({ m, n, k, operand: 'f16', result });
    const units = (...subgroupMatrices: ReturnType<typeof shape>[]) => matrixUnitsOf({ ...cores, subgroupMatrices });
    expect(units(shape(8, 8, 8), shape(8, 16, 16), shape(16, 16, 16))).toMatchObject({ M: 16 });
    expect(units(shape(8, 8, 8), shape(8, 16, 16))).toMatchObject({ M: 8, N: 16, K: 16 });
    expect(units(shape(16, 16, 16, 'f16'), shape(8, 8, 8))).toMatchObject({ M: 8, N: 8 });
    expect(units(shape(16, 16, 16, 'f16'))).toBeUndefined();
    expect(units(shape(32, 8, 16))).toBeUndefined();
    expect(matrixUnitsOf({ ...cores, subgroups: { min: 32, max: 128 } })).toBeUndefined();
  });

  it('keep every tile that is chosen within the 16 KiB of workgroup memory that every GPU has', () => {
    for (const [M, N, K] of [[16, 16, 16], [8, 16, 16], [8, 8, 8]] as const) {
      for (const max of [4, 8, 16, 32, 64]) {
        const capabilities = { ...cores, subgroups: { min: max, max }, subgroupMatrices: [{ m: M, n: N, k: K, operand: 'f16', result: 'f32' }] };
        for (const form of ['nt', 'nn', 'tn'] as const) {
          for (const storage of ['f32', 'bf16', 'nf4']) {
            for (const n of [1, 33, 4096]) {
              const plan = planProduct(capabilities, { ...half, form, storage, n });
              expect(plan.spec).toMatchObject({ SUBGROUP: max, M, N, K });
              expect(refusedProduct(capabilities, { ...half, form, storage, n }, plan.configuration)).toBeUndefined();
            }
          }
        }
      }
    }
  });

  it('are refused in words where the GPU lacks them', () => {
    const forced = { algorithm: 'subgroup_matrix', M: 16, N: 16, K: 16, SUBGROUP: 32, BM: 64, BN: 64, BK: 32, COMPACT: false } as const;
    const refusal = (capabilities: Capabilities, change = {}) => refusedProduct(capabilities, half, { ...forced, ...change });
    expect(refusal(cores)).toBeUndefined();
    expect(refusal(hardware)).toMatch(/needs f16/);
    expect(refusal({ ...cores, subgroups: undefined })).toMatch(/needs subgroups/);
    expect(refusal(cores, { SUBGROUP: 16 })).toMatch(/for subgroups of at most 16, and this GPU's have up to 32/);
    expect(refusal(cores, { SUBGROUP: 128 })).toMatch(/more than the 256 invocations/);
    expect(refusal(eights)).toMatch(/needs subgroup matrices 16×16×16 of f16 into f32; this GPU offers 8×8×8 of f16 into f32, 8×8×8 of i8 into i32/);
    expect(refusal(cores, { BM: 48 })).toMatch(/48×64×32 is not two by two quarters of 16×16×16/);
    expect(refusal(cores, { BM: 128, BN: 128 })).toMatch(/needs 24584 bytes of workgroup memory, and this GPU has 16384/);
    expect(() => planAttention(hardware, { pass: 'forward', headSize: 64, isDecoding: false, compute: 'f16' }, { ...forced })).toThrow(/by 'subgroup_matrix': it needs f16/);
  });

  it('--compute_dtype auto takes them on a graphics card only, and says why or why not', () => {
    expect(chooseCompute(cores, 'auto')).toEqual({ dtype: 'f16', words: 'f16 on subgroup matrices of 16×16×16, sums in f32' });
    // Where every weight trains, in two halves.
    for (const asked of ['auto', 'f16'] as const) {
      const { dtype, words } = chooseCompute(cores, asked, { trainsAll: true });
      expect(dtype).toBe('3xf16');
      expect(words).toMatch(/^two halves of f16 on subgroup matrices of 16×16×16, sums in f32/);
    }
    expect(chooseCompute(cores, 'f32').dtype).toBe('f32');
    expect(chooseCompute(eights, 'auto')).toEqual({ dtype: 'f32', words: 'f32 (on a software GPU f16 is slower)' });
    expect(chooseCompute(eights, 'f16').dtype).toBe('f16');
    expect(chooseCompute(hardware, 'auto').words).toBe('f32 (no f16)');
    expect(chooseCompute({ ...cores, subgroupMatrices: [] }, 'auto').words).toBe('f32 (no subgroup matrices)');
    expect(() => chooseCompute(hardware, 'f16')).toThrow(/--compute_dtype f16: expected a GPU with subgroup matrices.*found no f16 on a graphics card\. Leave it at auto/);
  });
});

describe('planAttention', () => {
  it.each([
    ['a graphics card', hardware, false, 'attention/forward_tile'],
    ['the CPU with subgroups of 8', software, false, 'attention/forward_subgroup'],
    ['the CPU with subgroups of 4', { ...software, subgroups: { min: 4, max: 4 } }, false, 'attention/forward_subgroup'],
    ['the CPU, when it generates', software, true, 'attention/forward_tile'],
  ])('%s', (_, capabilities, isDecoding, kernel) => {
    expect(planAttention(capabilities, { pass: 'forward', headSize: 128, isDecoding, compute: 'f32' }).kernel).toBe(kernel);
  });

  it('keeps to the workgroup memory of every GPU, whatever the head size', () => {
    for (const pass of ['forward', 'query_backward', 'key_backward'] as const) {
      for (let headSize = 1; headSize <= 256; headSize++) {
        const { configuration } = planAttention(hardware, { pass, headSize, isDecoding: false, compute: 'f32' });
        if (configuration.algorithm !== 'tile') throw new Error('a graphics card without subgroups takes tiles');
        const { parts, rows, staged } = configuration;
        const tiles = pass === 'forward' ? 1 : 2;
        const exchange = parts > 1 ? parts * rows * staged * 4 : 16;
        expect(tiles * (staged * 16 * parts * Math.ceil(headSize / (4 * parts)) + exchange)).toBeLessThanOrEqual(16384);
      }
    }
  });

  it('refuses in words what the GPU lacks', () => {
    const asked = { pass: 'forward', headSize: 64, isDecoding: false, compute: 'f32' } as const;
    expect(() => planAttention(hardware, asked, { algorithm: 'subgroup', SUBGROUP: 8, TM: 16 })).toThrow(/forward by 'subgroup': it needs subgroups of 8/);
  });
});
