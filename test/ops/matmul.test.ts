/** The matrix products against float64 sums, over shapes, weight dtypes, splits and options; and, where subgroups change the kernel, without them. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { counterHash } from '../../src/data/random.ts';
import type { Device } from '../../src/gpu/device.ts';
import { Tensor } from '../../src/gpu/tensor.ts';
import { matmulNN, matmulNT, matmulTN } from '../../src/ops/matmul.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { product, release, upload } from './productOperands.ts';
import type { WeightType } from './productOperands.ts';

/**
 * float32 sums of k products of random signs: the partial sums walk to about √k/3, each rounding is up to 2⁻²⁴ of them, and k such errors add up
 * as √k; k·2⁻²⁴ is five standard deviations.
 */
function expectClose(actual: Float32Array, expected: Float64Array, terms: number): void {
  expect(actual.length).toBe(expected.length);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) worst = Math.max(worst, Number.isFinite(actual[i]!) ? Math.abs(actual[i]! - expected[i]!) : Infinity);
  expect(worst).toBeLessThanOrEqual((terms + 4) * 2 ** -24);
}

const shapes = fc.record({
  m: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 90 })),
  n: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 140 })),
  k: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 75 }).map((quarter) => 4 * quarter), fc.integer({ min: 1, max: 300 })),
  dtype: fc.constantFrom<WeightType>('f32', 'f16', 'bf16'),
  accumulate: fc.boolean(),
});

describe.each([
  { name: 'matmul', without: [], numRuns: 30 },
  { name: 'matmul without subgroups', without: ['subgroups'] as const, numRuns: 10 }, // its kernels compile slowly
])('$name', ({ without, numRuns }) => {
  let device: Device;
  let splitting: Device;
  beforeAll(async () => {
    device = await testDevice({ without });
    splitting = await testDevice({ without, maxBindingBytes: 4096 });
  });

  it('a·wᵀ equals float64 for any shape and weight dtype', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, async ({ m, n, k, dtype, accumulate }) => {
        const a = upload(device, [m, k], 1);
        const w = upload(device, [n, k], 2, dtype);
        const y = upload(device, [m, n], 3);
        matmulNT(device, a.tensor, w.tensor, y.tensor, { scale: 0.5, accumulate });
        const expected = product(m, n, k, (row, i) => a.values[row * k + i]!, (column, i) => w.values[column * k + i]! / 2);
        if (accumulate) y.values.forEach((value, i) => (expected[i]! += value));
        expectClose(await device.readF32(y.tensor), expected, k);
        release(device, a.tensor, w.tensor, y.tensor);
      }),
      { numRuns },
    );
  });

  it('a·w equals float64 for any shape and weight dtype', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, async ({ m, n, k, dtype, accumulate }) => {
        const a = upload(device, [m, k], 1);
        const w = upload(device, [k, n], 2, dtype);
        const y = upload(device, [m, n], 3);
        matmulNN(device, a.tensor, w.tensor, y.tensor, { scale: 0.5, accumulate });
        const expected = product(m, n, k, (row, i) => a.values[row * k + i]!, (column, i) => w.values[i * n + column]! / 2);
        if (accumulate) y.values.forEach((value, i) => (expected[i]! += value));
        expectClose(await device.readF32(y.tensor), expected, k);
        release(device, a.tensor, w.tensor, y.tensor);
      }),
      { numRuns },
    );
  });

  it('aᵀ·b is added to c for any shape, long sums included', async () => {
    const long = fc.record({ m: fc.integer({ min: 1, max: 40 }), n: fc.integer({ min: 1, max: 40 }), k: fc.integer({ min: 500, max: 1500 }) });
    await fc.assert(
      fc.asyncProperty(fc.oneof(shapes, long), async ({ m, n, k }) => {
        const a = upload(device, [k, m], 1);
        const b = upload(device, [k, n], 2);
        const c = upload(device, [m, n], 3);
        matmulTN(device, a.tensor, b.tensor, c.tensor, { scale: 0.25 });
        const expected = product(m, n, k, (row, i) => a.values[i * m + row]!, (column, i) => b.values[i * n + column]! / 4);
        c.values.forEach((value, i) => (expected[i]! += value));
        expectClose(await device.readF32(c.tensor), expected, k);
        release(device, a.tensor, b.tensor, c.tensor);
      }),
      { numRuns },
    );
  });

  it('a product cut along its sum gives the same bits every time', async () => {
    const [m, n, k] = [8, 24, 3000];
    const a = upload(device, [k, m], 1);
    const b = upload(device, [k, n], 2);
    const c = upload(device, [m, n], 3);
    const runs: Float32Array[] = [];
    for (let run = 0; run < 3; run++) {
      matmulTN(device, a.tensor, b.tensor, c.tensor, { accumulate: false });
      runs.push(await device.readF32(c.tensor));
    }
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[2]).toEqual(runs[0]);
    release(device, a.tensor, b.tensor, c.tensor);
  });

  it('a weight split between rows gives what the whole one gives, in all three products', async () => {
    for (const [dtype, rowsEach] of [['f32', 13], ['bf16', 26], ['f16', 12], ['f32', 12]] as const) {
      const [m, n, k] = [11, 50, 76];
      const a = upload(splitting, [m, k], 1);
      const w = upload(splitting, [n, k], 2, dtype, rowsEach);
      const y = upload(splitting, [m, n], 3);
      const dx = upload(splitting, [m, k], 4);
      const low = { a: upload(splitting, [m, 3], 5), w: upload(splitting, [n, 3], 6) };
      const bias = upload(splitting, [n, 1], 7);
      const vector = new Tensor([n], 'f32', bias.tensor.view);
      expect(w.tensor.parts.length).toBeGreaterThan(1);
      matmulNT(splitting, a.tensor, w.tensor, y.tensor, {
        bias: vector,
        columnScale: { tensor: vector, offset: 2 },
        lowRank: { a: low.a.tensor, w: low.w.tensor },
      });
      const scale = (column: number): number => bias.values[column]! + 2;
      const expected = product(m, n, k, (row, i) => a.values[row * k + i]!, (column, i) => w.values[column * k + i]! * scale(column));
      const lowRank = product(m, n, 3, (row, i) => low.a.values[row * 3 + i]!, (column, i) => low.w.values[column * 3 + i]!);
      const got = await splitting.readF32(y.tensor);
      expectClose(got, expected.map((value, i) => value + lowRank[i]! + bias.values[i % n]!), 3 * k);

      matmulNN(splitting, y.tensor, w.tensor, dx.tensor, { accumulate: true, scale: 0.01 });
      const back = product(m, k, n, (row, i) => got[row * n + i]!, (column, i) => w.values[i * k + column]! / 100);
      expectClose(await splitting.readF32(dx.tensor), back.map((value, i) => value + dx.values[i]!), n);

      if (dtype === 'f32') {
        matmulTN(splitting, y.tensor, a.tensor, w.tensor, { scale: 0.01 });
        const outer = product(n, k, m, (row, i) => got[i * n + row]!, (column, i) => a.values[i * k + column]! / 100);
        expectClose(await splitting.readF32(w.tensor), outer.map((value, i) => value + w.values[i]!), m);
      }
      release(splitting, a.tensor, w.tensor, y.tensor, dx.tensor, low.a.tensor, low.w.tensor, bias.tensor);
    }
  });

  it('masks follow the counter hash', async () => {
    const [m, n, k] = [9, 21, 18];
    const mask = { seed: 7, stream: 0xfffffff1, step: 3, rate: 0.4 };
    const kept = (i: number): number => (Math.floor(counterHash(mask.seed, mask.stream, mask.step, i) / 256) / 2 ** 24 >= mask.rate ? 1 / (1 - mask.rate) : 0);
    const a = upload(device, [m, k], 1);
    const w = upload(device, [n, k], 2);
    const v = upload(device, [k, n], 4);
    const y = upload(device, [m, n], 3);
    const low = { a: upload(device, [m, 5], 5), w: upload(device, [5, n], 6) };
    const at = (row: number, i: number): number => a.values[row * k + i]!;
    matmulNT(device, a.tensor, w.tensor, y.tensor, { dropout: mask });
    const masked = product(m, n, k, (row, i) => at(row, i) * kept(row * k + i), (column, i) => w.values[column * k + i]!);
    expectClose(await device.readF32(y.tensor), masked, 2 * k);

    const plain = product(m, n, k, at, (column, i) => v.values[i * n + column]!);
    const lowRank = product(m, n, 5, (row, i) => low.a.values[row * 5 + i]!, (column, i) => low.w.values[i * n + column]!);
    const pair = { a: low.a.tensor, w: low.w.tensor };
    matmulNN(device, a.tensor, v.tensor, y.tensor, { lowRank: pair, dropout: { ...mask, over: 'lowRank' } });
    expectClose(await device.readF32(y.tensor), plain.map((value, i) => value + lowRank[i]! * kept(i)), 2 * k);
    matmulNN(device, a.tensor, v.tensor, y.tensor, { lowRank: pair, dropout: { ...mask, over: 'all' } });
    expectClose(await device.readF32(y.tensor), plain.map((value, i) => (value + lowRank[i]!) * kept(i)), 3 * k);
    release(device, a.tensor, w.tensor, v.tensor, y.tensor, low.a.tensor, low.w.tensor);
  });

  it('says which shapes do not fit', () => {
    const a = upload(device, [3, 5], 1).tensor;
    const w = upload(device, [4, 6], 2).tensor;
    const y = upload(device, [3, 4], 3).tensor;
    expect(() => matmulNT(device, a, w, y)).toThrow(/matmulNT: a \(3, 5\) f32 times w \(4, 6\) f32 transposed is not y \(3, 4\) f32/);
    expect(() => matmulNN(device, a, w, y)).toThrow(/matmulNN/);
    expect(() => matmulTN(device, a, w, y)).toThrow(/matmulTN/);
    release(device, a, w, y);
  });
});
