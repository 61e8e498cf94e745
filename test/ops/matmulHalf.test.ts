/**
 * The products on tensor cores against float64, within the bound of f16. Needs a GPU with subgroup matrices; the software GPU of Mesa 26 has them
 * (`node test/runtimes/mesa26.mjs npx vitest run test/ops/matmulHalf.test.ts`; test/runtimes/mesa26.test.ts does it where the machine allows).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { counterHash } from '../../src/data/random.ts';
import { Tensor } from '../../src/gpu/tensor.ts';
import { matmulNN, matmulNT, matmulTN } from '../../src/ops/matmul.ts';
import { productTrial } from '../../src/train/tuning/trials.ts';
import { plansOf } from '../../src/tune/plans.ts';
import { chooseProduct } from '../../src/tune/product.ts';
import type { SubgroupMatrixConfiguration } from '../../src/tune/product.ts';
import { matrixUnitsOf } from '../../src/tune/subgroupMatrix.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { randomOperand } from './gradientCheck.ts';
import { product, release, upload } from './productOperands.ts';
import { nf4Values, uploadedNf4 } from './quantized.ts';

const device = await testDevice();
const splitting = await testDevice({ maxBindingBytes: 4096 });
const units = matrixUnitsOf(device.capabilities);
/**
 * Tiles of every kind: quarters of one fragment and of several, unlike rows and columns, and a SUBGROUP larger than the device's subgroups; each with
 * one dtype of weights in the random tests, because every pair is a kernel to compile.
 */
const tiles = [
  { BM: 32, BN: 32, BK: 16, spread: 1, dtype: 'f32' },
  { BM: 64, BN: 32, BK: 32, spread: 2, dtype: 'bf16' },
  { BM: 16, BN: 64, BK: 8, spread: 1, dtype: 'f16' },
  { BM: 32, BN: 16, BK: 16, spread: 8, dtype: 'bf16' },
] as const;

function take(at: number): void {
  const { spread, BM, BN, BK } = tiles[at]!;
  const configuration: SubgroupMatrixConfiguration = { algorithm: 'subgroup_matrix', ...units!, SUBGROUP: units!.SUBGROUP * spread, BM, BN, BK, COMPACT: true };
  for (const on of [device, splitting]) plansOf(on).force({ product: () => configuration });
}

/** Of an operand that is staged in f16: half a unit in the last of eleven bits. Weights lose nothing: those of f16 and bf16 fit, those of f32 are split. */
const ROUNDING = 2 ** -11;
/** Of an f32 weight in two halves. */
const SPLIT = 2 ** -21;
/** Of two operands in two halves each, in roundings: what is left of either, and rest times rest. */
const TWO_HALVES = (2 * SPLIT + 2 ** -20) / ROUNDING;
/** What a step loses besides, of the largest magnitude in a tile: kernels/lib/matrix_product.wgsl. */
const FLUSHED = 2 ** -28;

/**
 * Every product of the sum differs by the roundings of its factors, Σ|a||b|·(roundings + their product), and by what is flushed; f32 sums of
 * `terms` products, each perhaps of two halves, add their own 2⁻²⁴ each. `roundings`: how many of the two factors are not exact in f16.
 */
function expectWithin(actual: Float32Array, expected: Float64Array, magnitudes: Float64Array, terms: number, roundings: number, largest = 1): void {
  expect(actual.length).toBe(expected.length);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const bound = magnitudes[i]! * (roundings * ROUNDING + SPLIT + ROUNDING ** 2 + (2 * terms + 4) * 2 ** -24) + 2 * terms * FLUSHED * largest;
    const error = Number.isFinite(actual[i]!) ? Math.abs(actual[i]! - expected[i]!) : Infinity;
    worst = Math.max(worst, error === 0 ? 0 : error / bound);
  }
  expect(worst).toBeLessThanOrEqual(1);
}

const shapes = fc.record({
  m: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 90 })),
  n: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 140 })),
  k: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 75 }).map((quarter) => 4 * quarter), fc.integer({ min: 1, max: 300 })),
  accumulate: fc.boolean(),
  tile: fc.nat(tiles.length - 1),
});
const magnitude = (left: (row: number, i: number) => number) => (row: number, i: number) => Math.abs(left(row, i));

describe.skipIf(units === undefined)(`products on tensor cores (${units ? 'here' : 'this GPU has no subgroup matrices of f16 into f32'})`, () => {
  it('a·wᵀ and a·w equal float64 within the bound, for any shape, weight dtype and tile', { timeout: 600_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.boolean(), async ({ m, n, k, accumulate, tile }, transposed) => {
        const { dtype } = tiles[tile]!;
        take(tile);
        const a = upload(device, [m, k], 1);
        const w = upload(device, transposed ? [n, k] : [k, n], 2, dtype);
        const y = upload(device, [m, n], 3);
        const right = (column: number, i: number): number => w.values[transposed ? column * k + i : i * n + column]! / 2;
        const left = (row: number, i: number): number => a.values[row * k + i]!;
        (transposed ? matmulNT : matmulNN)(device, a.tensor, w.tensor, y.tensor, { scale: 0.5, accumulate });
        const expected = product(m, n, k, left, right);
        const magnitudes = product(m, n, k, magnitude(left), magnitude(right));
        if (accumulate) y.values.forEach((value, i) => ((expected[i]! += value), (magnitudes[i]! += Math.abs(value))));
        expectWithin(await device.readF32(y.tensor), expected, magnitudes, k, 1);
        release(device, a.tensor, w.tensor, y.tensor);
      }),
      { numRuns: 40 },
    );
  });

  it('aᵀ·b is added to c within the bound, long sums included', { timeout: 600_000 }, async () => {
    const long = fc.record({ m: fc.integer({ min: 1, max: 40 }), n: fc.integer({ min: 1, max: 40 }), k: fc.integer({ min: 500, max: 1500 }), tile: fc.nat(3) });
    await fc.assert(
      fc.asyncProperty(fc.oneof(shapes, long), async ({ m, n, k, tile }) => {
        take(tile);
        const a = upload(device, [k, m], 1);
        const b = upload(device, [k, n], 2);
        const c = upload(device, [m, n], 3);
        const left = (row: number, i: number): number => a.values[i * m + row]!;
        const right = (column: number, i: number): number => b.values[i * n + column]! / 4;
        matmulTN(device, a.tensor, b.tensor, c.tensor, { scale: 0.25 });
        const expected = product(m, n, k, left, right);
        const magnitudes = product(m, n, k, magnitude(left), magnitude(right));
        c.values.forEach((value, i) => ((expected[i]! += value), (magnitudes[i]! += Math.abs(value))));
        expectWithin(await device.readF32(c.tensor), expected, magnitudes, k, 2);
        release(device, a.tensor, b.tensor, c.tensor);
      }),
      { numRuns: 20 },
    );
  });

  it('with operands in two halves all three products have the digits of f32, for any shape and weight dtype', { timeout: 600_000 }, async () => {
    const forms = fc.constantFrom('nt', 'nn', 'tn');
    await fc.assert(
      fc.asyncProperty(shapes, forms, async ({ m, n, k, tile }, form) => {
        take(tile);
        plansOf(device).compute = '3xf16';
        const { dtype } = tiles[tile]!;
        const a = upload(device, form === 'tn' ? [k, m] : [m, k], 1);
        const b = upload(device, form === 'nt' ? [n, k] : [k, n], 2, form === 'tn' ? 'f32' : dtype);
        const y = upload(device, [m, n], 3);
        const left = (row: number, i: number): number => a.values[form === 'tn' ? i * m + row : row * k + i]!;
        const right = (column: number, i: number): number => b.values[form === 'nt' ? column * k + i : i * n + column]!;
        if (form === 'tn') matmulTN(device, a.tensor, b.tensor, y.tensor, { accumulate: false });
        else (form === 'nt' ? matmulNT : matmulNN)(device, a.tensor, b.tensor, y.tensor);
        plansOf(device).compute = 'f32';
        const magnitudes = product(m, n, k, magnitude(left), magnitude(right));
        expectWithin(await device.readF32(y.tensor), product(m, n, k, left, right), magnitudes, 2 * k, TWO_HALVES);
        release(device, a.tensor, b.tensor, y.tensor);
      }),
      { numRuns: 30 },
    );
  });

  it('what is measured of a product in two halves is that product', async () => {
    const problem = { form: 'tn', m: 40, n: 48, k: 300, storage: 'f32', isPlain: true, hasDropout: false, compute: '3xf16' } as const;
    const trial = productTrial(device, problem)!;
    const halves: SubgroupMatrixConfiguration = { algorithm: 'subgroup_matrix', ...units!, BM: 32, BN: 32, BK: 16, COMPACT: true };
    const results = [];
    for (const configuration of [chooseProduct(device.capabilities, { ...problem, compute: 'f32' }), halves]) {
      const contender = trial.contender(configuration);
      await contender.run();
      results.push((await contender.result())[0]!);
    }
    trial.release();
    plansOf(device).compute = 'f32';
    const [exact, found] = results as [Float32Array, Float32Array];
    const largest = exact.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const error = found.reduce((most, value, i) => Math.max(most, Math.abs(value - exact[i]!)), 0);
    expect(error / largest).toBeLessThan(2 ** -18);
    expect(error).toBeGreaterThan(0);
  });

  it('activations are rounded to f16, once, and to the nearest; weights of f32 are not', async () => {
    take(0);
    const [m, n, k] = [64, 64, 512];
    const a = upload(device, [m, k], 1);
    const w = upload(device, [n, k], 2);
    const y = upload(device, [m, n], 3);
    matmulNT(device, a.tensor, w.tensor, y.tensor);
    const got = await device.readF32(y.tensor);
    const left = (row: number, i: number): number => a.values[row * k + i]!;
    const right = (column: number, i: number): number => w.values[column * k + i]!;
    const expected = product(m, n, k, left, right);
    const squares = product(m, n, k, (row, i) => left(row, i) ** 2, (column, i) => right(column, i) ** 2);
    const error = Math.sqrt(expected.reduce((sum, value, i) => sum + (got[i]! - value) ** 2, 0));
    const scale = ROUNDING * Math.sqrt(squares.reduce((sum, value) => sum + value, 0));
    // One factor of the two, off by a uniform share (rms 1/√3) of half a unit, which is 2⁻¹¹ to 2⁻¹² of it (rms about 0.72).
    expect(error / scale).toBeGreaterThan(0.36);
    expect(error / scale).toBeLessThan(0.48);
    release(device, a.tensor, w.tensor, y.tensor);
  });

  it('gradients far below the range of f16 and activations far above it keep their digits', async () => {
    take(0);
    const [m, n, k] = [37, 45, 83];
    for (const [scaleA, scaleW] of [[1e-12, 1], [3e6, 0.02], [1e-20, 1e12], [1e30, 1e-30], [0, 1]] as const) {
      const a = upload(device, [m, k], 1, 'f32', m, scaleA);
      const w = upload(device, [n, k], 2, 'f32', n, scaleW);
      const y = upload(device, [m, n], 3);
      const left = (row: number, i: number): number => a.values[row * k + i]!;
      const right = (column: number, i: number): number => w.values[column * k + i]!;
      matmulNT(device, a.tensor, w.tensor, y.tensor);
      const magnitudes = product(m, n, k, magnitude(left), magnitude(right));
      expectWithin(await device.readF32(y.tensor), product(m, n, k, left, right), magnitudes, k, 1, scaleA * scaleW);
      release(device, a.tensor, w.tensor, y.tensor);
    }
  });

  it('a later step of the sum may be millions of times larger or smaller than those before', async () => {
    take(0);
    const [m, n, k] = [33, 20, 160];
    for (const grows of [true, false]) {
      const a = upload(device, [k, m], 1);
      const b = upload(device, [k, n], 2);
      const c = upload(device, [m, n], 3);
      a.values.forEach((value, i) => (a.values[i] = value * 10 ** ((grows ? 1 : -1) * (Math.floor(i / m) / 20 - 4))));
      device.write(a.tensor.view, a.values);
      const left = (row: number, i: number): number => a.values[i * m + row]!;
      const right = (column: number, i: number): number => b.values[i * n + column]!;
      matmulTN(device, a.tensor, b.tensor, c.tensor, { accumulate: false });
      const magnitudes = product(m, n, k, magnitude(left), magnitude(right));
      expectWithin(await device.readF32(c.tensor), product(m, n, k, left, right), magnitudes, k, 2, 1e4);
      release(device, a.tensor, b.tensor, c.tensor);
    }
  });

  it('what is not finite stays visible', async () => {
    take(0);
    for (const bad of [NaN, Infinity, -Infinity]) {
      const a = upload(device, [5, 40], 1);
      const w = upload(device, [7, 40], 2);
      const y = upload(device, [5, 7], 3);
      a.values[2 * 40 + 33] = bad;
      device.write(a.tensor.view, a.values);
      matmulNT(device, a.tensor, w.tensor, y.tensor);
      const got = await device.readF32(y.tensor);
      expect([...got.subarray(14, 21)].some((value) => Number.isFinite(value))).toBe(false);
      release(device, a.tensor, w.tensor, y.tensor);
    }
  });

  it('a split weight with bias, columns scaled and a low-rank pair, in all three products', { timeout: 600_000 }, async () => {
    for (const [dtype, rowsEach, tile] of [['f32', 13, 0], ['bf16', 26, 1], ['f16', 12, 2]] as const) {
      take(tile);
      const [m, n, k] = [11, 50, 76];
      const a = upload(splitting, [m, k], 1);
      const w = upload(splitting, [n, k], 2, dtype, rowsEach);
      const y = upload(splitting, [m, n], 3);
      const dx = upload(splitting, [m, k], 4);
      const low = { a: upload(splitting, [m, 3], 5), w: upload(splitting, [n, 3], 6, 'f32', n, 1e-5) };
      const bias = upload(splitting, [n, 1], 7);
      const vector = new Tensor([n], 'f32', bias.tensor.view);
      expect(w.tensor.parts.length).toBeGreaterThan(1);
      const pair = { a: low.a.tensor, w: low.w.tensor };
      matmulNT(splitting, a.tensor, w.tensor, y.tensor, { bias: vector, columnScale: { tensor: vector, offset: 2 }, lowRank: pair });
      const left = (row: number, i: number): number => a.values[row * k + i]!;
      const right = (column: number, i: number): number => w.values[column * k + i]! * (bias.values[column]! + 2);
      const lowLeft = (row: number, i: number): number => low.a.values[row * 3 + i]!;
      const lowRight = (column: number, i: number): number => low.w.values[column * 3 + i]!;
      const sum = (one: Float64Array, other: Float64Array, shift: (i: number) => number): Float64Array => one.map((value, i) => value + other[i]! + shift(i));
      const expected = sum(product(m, n, k, left, right), product(m, n, 3, lowLeft, lowRight), (i) => bias.values[i % n]!);
      const lowSize = product(m, n, 3, magnitude(lowLeft), magnitude(lowRight));
      const magnitudes = sum(product(m, n, k, magnitude(left), magnitude(right)), lowSize, (i) => Math.abs(bias.values[i % n]!));
      const got = await splitting.readF32(y.tensor);
      // A low-rank factor is split where w is.
      expectWithin(got, expected, magnitudes, k + 3, dtype === 'f32' ? 1 : 2, 3);

      matmulNN(splitting, y.tensor, w.tensor, dx.tensor, { accumulate: true, scale: 0.01 });
      const dy = (row: number, i: number): number => got[row * n + i]!;
      const back = (column: number, i: number): number => w.values[i * k + column]! / 100;
      const plus = (values: Float64Array, of: (value: number) => number): Float64Array => values.map((value, i) => value + of(dx.values[i]!));
      const backSize = plus(product(m, k, n, magnitude(dy), magnitude(back)), Math.abs);
      expectWithin(await splitting.readF32(dx.tensor), plus(product(m, k, n, dy, back), Number), backSize, n, 1, 1);

      if (dtype === 'f32') {
        matmulTN(splitting, y.tensor, a.tensor, w.tensor, { scale: 0.01 });
        const outer = (row: number, i: number): number => got[i * n + row]!;
        const inner = (column: number, i: number): number => a.values[i * k + column]! / 100;
        const onto = (values: Float64Array, of: (value: number) => number): Float64Array => values.map((value, i) => value + of(w.values[i]!));
        const size = onto(product(n, k, m, magnitude(outer), magnitude(inner)), Math.abs);
        expectWithin(await splitting.readF32(w.tensor), onto(product(n, k, m, outer, inner), Number), size, m, 2, 1);
      }
      release(splitting, a.tensor, w.tensor, y.tensor, dx.tensor, low.a.tensor, low.w.tensor, bias.tensor);
    }
  });

  it('masks follow the counter hash', { timeout: 600_000 }, async () => {
    take(0);
    const [m, n, k] = [39, 41, 18];
    const mask = { seed: 7, stream: 0xfffffff1, step: 3, rate: 0.4 };
    const kept = (i: number): number => (Math.floor(counterHash(mask.seed, mask.stream, mask.step, i) / 256) / 2 ** 24 >= mask.rate ? 1 / (1 - mask.rate) : 0);
    const a = upload(device, [m, k], 1);
    const w = upload(device, [n, k], 2);
    const v = upload(device, [k, n], 4);
    const y = upload(device, [m, n], 3);
    const low = { a: upload(device, [m, 5], 5), w: upload(device, [5, n], 6) };
    const at = (row: number, i: number): number => a.values[row * k + i]!;
    const masked = (row: number, i: number): number => at(row, i) * kept(row * k + i);
    const right = (column: number, i: number): number => w.values[column * k + i]!;
    matmulNT(device, a.tensor, w.tensor, y.tensor, { dropout: mask });
    expectWithin(await device.readF32(y.tensor), product(m, n, k, masked, right), product(m, n, k, magnitude(masked), magnitude(right)), k, 1, 2);

    const across = (column: number, i: number): number => v.values[i * n + column]!;
    const [lowLeft, lowRight] = [(row: number, i: number): number => low.a.values[row * 5 + i]!, (column: number, i: number): number => low.w.values[i * n + column]!];
    const [plain, plainSize] = [product(m, n, k, at, across), product(m, n, k, magnitude(at), magnitude(across))];
    const [lowRank, lowSize] = [product(m, n, 5, lowLeft, lowRight), product(m, n, 5, magnitude(lowLeft), magnitude(lowRight))];
    const pair = { a: low.a.tensor, w: low.w.tensor };
    const masks = { lowRank: [(_: number): number => 1, kept], all: [kept, kept] } as const;
    for (const over of ['lowRank', 'all'] as const) {
      const [all, narrow] = masks[over];
      matmulNN(device, a.tensor, v.tensor, y.tensor, { lowRank: pair, dropout: { ...mask, over } });
      const combined = (long: Float64Array, short: Float64Array): Float64Array => long.map((value, i) => value * all(i) + short[i]! * narrow(i));
      expectWithin(await device.readF32(y.tensor), combined(plain, lowRank), combined(plainSize, lowSize), k + 5, 1, 2);
    }
    const b = upload(device, [m, n], 8);
    const c = upload(device, [k, n], 9);
    matmulTN(device, a.tensor, b.tensor, c.tensor, { dropout: mask, accumulate: false });
    const up = (row: number, i: number): number => a.values[i * k + row]!;
    const along = (column: number, i: number): number => b.values[i * n + column]! * kept(i * n + column);
    expectWithin(await device.readF32(c.tensor), product(k, n, m, up, along), product(k, n, m, magnitude(up), magnitude(along)), m, 2, 2);
    release(device, a.tensor, w.tensor, v.tensor, y.tensor, low.a.tensor, low.w.tensor, b.tensor, c.tensor);
  });

  it('weights in NF4 are multiplied as their values are, which bf16 holds', { timeout: 600_000 }, async () => {
    take(0);
    // Read by the kernel itself, as where a product keeps tiles.
    const forced: SubgroupMatrixConfiguration = { algorithm: 'subgroup_matrix', ...units!, BM: 32, BN: 32, BK: 16, COMPACT: true };
    plansOf(device).force({ product: () => forced, unpacking: () => false });
    for (const [n, k, precision] of [[45, 83, 'BF16'], [64, 128, 'BF16'], [33, 64, 'F32']] as const) {
      const m = 37;
      const { data } = randomOperand([n, k], 2);
      const values = nf4Values(data, { precision });
      const w = await uploadedNf4(device, data, [n, k], { precision });
      const [x, g] = [upload(device, [m, k], 1), upload(device, [m, n], 3)];
      const [y, dx] = [upload(device, [m, n], 4), upload(device, [m, k], 5)];
      matmulNT(device, x.tensor, w, y.tensor);
      matmulNN(device, g.tensor, w, dx.tensor);
      const roundings = precision === 'BF16' ? 1 : 2;
      const [left, right] = [(row: number, i: number): number => x.values[row * k + i]!, (column: number, i: number): number => values[column * k + i]!];
      expectWithin(await device.readF32(y.tensor), product(m, n, k, left, right), product(m, n, k, magnitude(left), magnitude(right)), k, roundings);
      const [up, down] = [(row: number, i: number): number => g.values[row * n + i]!, (column: number, i: number): number => values[i * k + column]!];
      expectWithin(await device.readF32(dx.tensor), product(m, k, n, up, down), product(m, k, n, magnitude(up), magnitude(down)), n, roundings);
      release(device, x.tensor, g.tensor, y.tensor, dx.tensor, w);
    }
  });
});
