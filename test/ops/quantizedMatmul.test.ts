/**
 * Products and norms over NF4 and int8 weights against float64 over the values that the codes stand for: odd shapes, blocks that straddle
 * rows, weights cut into parts within a block, every precision, and both ways to read a weight (from its codes, or unpacked first).
 */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/gpu/device.ts';
import type { Tensor } from '../../src/gpu/tensor.ts';
import type { FloatDtype } from '../../src/io/quantization/nf4.ts';
import { doraNorm } from '../../src/ops/dora.ts';
import { embed } from '../../src/ops/embed.ts';
import { matmulNN, matmulNT } from '../../src/ops/matmul.ts';
import { Tape } from '../../src/ops/tape.ts';
import { plansOf } from '../../src/tune/plans.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { randomOperand } from './gradientCheck.ts';
import { int8Values, nf4Values, releaseAll, uploadedInt8, uploadedNf4 } from './quantized.ts';

/** Sums of k products of values in ±1: see matmul.test.ts. */
function expectClose(actual: Float32Array, expected: Float64Array, terms: number): void {
  let worst = 0;
  for (let i = 0; i < expected.length; i++) worst = Math.max(worst, Number.isFinite(actual[i]!) ? Math.abs(actual[i]! - expected[i]!) : Infinity);
  expect(actual.length).toBe(expected.length);
  expect(worst).toBeLessThanOrEqual((terms + 4) * 2 ** -24);
}

interface Case {
  m: number;
  rows: number;
  size: number;
  kind: 'nf4' | 'int8';
  precision: FloatDtype;
  blockSize: number;
  isSingle: boolean;
}

const cases: fc.Arbitrary<Case> = fc.record({
  m: fc.integer({ min: 1, max: 8 }),
  rows: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 20 }).map((quarter) => 4 * quarter)),
  size: fc.oneof(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 40 }).map((quarter) => 4 * quarter), fc.constantFrom(64, 128, 192)),
  kind: fc.constantFrom<'nf4' | 'int8'>('nf4', 'nf4', 'int8'),
  precision: fc.constantFrom<FloatDtype>('F32', 'F16', 'BF16'),
  blockSize: fc.constantFrom(32, 64, 64, 256),
  isSingle: fc.boolean(),
});

async function checkProducts(device: Device, { m, rows, size, kind, precision, blockSize, isSingle }: Case): Promise<void> {
  const { data } = randomOperand([rows, size], 2);
  const options = { precision, blockSize, isSingle };
  const values = kind === 'nf4' ? nf4Values(data, options) : int8Values(data, size);
  const w = kind === 'nf4' ? await uploadedNf4(device, data, [rows, size], options) : await uploadedInt8(device, data, [rows, size]);
  const a = randomOperand([m, size], 1);
  const dy = randomOperand([m, rows], 3);
  const [x, y, g, dx] = [a.data, dy.data, dy.data, a.data].map((one) => device.upload(one, [m, one.length / m], 'test')) as [Tensor, Tensor, Tensor, Tensor];
  matmulNT(device, x, w, y);
  matmulNN(device, g, w, dx);
  const forward = new Float64Array(m * rows);
  const backward = new Float64Array(m * size);
  for (let t = 0; t < m; t++) {
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < size; i++) {
        forward[t * rows + row]! += a.data[t * size + i]! * values[row * size + i]!;
        backward[t * size + i]! += dy.data[t * rows + row]! * values[row * size + i]!;
      }
    }
  }
  expectClose(await device.readF32(y), forward, size);
  expectClose(await device.readF32(dx), backward, rows);
  releaseAll(device, x, y, g, dx, w);
}

describe.each([
  { name: 'quantised weights', without: [], numRuns: 20 },
  { name: 'quantised weights without subgroups', without: ['subgroups'] as const, numRuns: 4 }, // its kernels compile slowly
])('$name', ({ without, numRuns }) => {
  let whole: Device;
  let splitting: Device;
  beforeAll(async () => {
    whole = await testDevice({ without });
    splitting = await testDevice({ without, maxBindingBytes: 16384 });
  });

  it('a·wᵀ and a·w equal float64 over the dequantised values', async () => {
    await fc.assert(fc.asyncProperty(cases, (one) => checkProducts(whole, one)), { numRuns });
  });

  it('the same in parts, which begin within blocks', async () => {
    const inParts = cases.map((one) => ({ ...one, m: Math.min(one.m, 2), rows: one.rows + Math.ceil(20000 / Math.max(one.size, 12)), size: Math.max(one.size, 12) }));
    await fc.assert(fc.asyncProperty(inParts, (one) => checkProducts(splitting, one)), { numRuns });
  });

  it('the same whichever way the weight is read: from its codes, or unpacked before', async () => {
    const plans = plansOf(whole);
    for (const kind of ['nf4', 'int8'] as const) {
      plans.force({ unpacking: (storage) => plansOf(splitting).unpacking(storage) === false });
      await checkProducts(whole, { m: 3, rows: 70, size: 96, kind, precision: 'BF16', blockSize: 64, isSingle: false });
      plans.force({});
    }
  });

  it('a weight in parts has parts', async () => {
    const tensor = await uploadedNf4(splitting, randomOperand([700, 60], 2).data, [700, 60]);
    expect(tensor.parts.map(({ rowStart, rows }) => [rowStart, rows])).toEqual([[0, 320], [320, 320], [640, 60]]);
    for (const { view } of tensor.parts) expect(view.bytes).toBeLessThanOrEqual(16384);
    releaseAll(splitting, tensor);
  });

  it('norms of the rows, as DoRA starts', async () => {
    const { data } = randomOperand([410, 77], 5);
    const weight = await uploadedNf4(splitting, data, [410, 77], { precision: 'BF16' });
    const values = nf4Values(data, { precision: 'BF16' });
    const norms = doraNorm(splitting, weight);
    const found = await splitting.readF32(norms);
    for (let row = 0; row < 410; row++) {
      let squares = 0;
      for (let i = 0; i < 77; i++) squares += values[row * 77 + i]! ** 2;
      expect(Math.abs(found[row]! / Math.sqrt(squares) - 1)).toBeLessThan(1e-6);
    }
    releaseAll(splitting, weight, norms);
  });

  it('an embedding from int8 rows, to the bit', async () => {
    for (const size of [12, 33]) {
      const { data } = randomOperand([900, size], 6);
      const table = await uploadedInt8(splitting, data, [900, size]);
      expect(table.parts.length).toBeGreaterThan(size === 12 ? 0 : 1);
      const ids = Uint32Array.from({ length: 40 }, (_, t) => (t * 677) % 900);
      const t = new Tape(splitting);
      const idTensor = splitting.upload(ids, [40], 'test');
      const y = embed(t, idTensor, { name: 'table', tensor: table });
      const values = int8Values(data, size);
      expect(await splitting.readF32(y)).toEqual(Float32Array.from({ length: 40 * size }, (_, at) => values[ids[Math.floor(at / size)]! * size + (at % size)]!));
      t.release();
      releaseAll(splitting, table, idTensor);
    }
  });
});
