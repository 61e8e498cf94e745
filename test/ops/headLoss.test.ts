import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { counterHash } from '../../src/data/random.ts';
import type { Device } from '../../src/gpu/device.ts';
import { Tensor } from '../../src/gpu/tensor.ts';
import type { TensorPart } from '../../src/gpu/tensor.ts';
import { bf16ToF32, f32ToBf16 } from '../../src/io/halfFloat.ts';
import { argmax } from '../../src/ops/argmax.ts';
import { headLogits, headLoss } from '../../src/ops/headLoss.ts';
import { Tape } from '../../src/ops/tape.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { randomOperand } from './gradientCheck.ts';

let device: Device;
let small: Device;
beforeAll(async () => {
  device = await testDevice();
  small = await testDevice({ maxBindingBytes: 8192 });
});

type WeightDType = 'f32' | 'bf16';

interface Case {
  on: Device;
  tokens: number;
  labelled: number;
  vocabulary: number;
  size: number;
  dtype?: WeightDType;
  /** Rows of the head in one buffer; all by default. */
  partRows?: number;
  trainable?: boolean;
  chunkBytes?: number;
  softcap?: number;
  /** Of the head's weights; logits of a larger one are confident. */
  weightScale?: number;
  /** Labels weigh quarters from 0.25 to 1.75. */
  weighted?: boolean;
}

interface Problem {
  hidden: Float32Array;
  weight: Float32Array;
  rows: Uint32Array;
  labels: Uint32Array;
  weights: Float32Array;
  lossScale: number;
}

/** Positions are distinct and not in order. */
function problem(c: Case): Problem {
  const hidden = randomOperand([c.tokens, c.size], 1).data;
  const raw = randomOperand([c.vocabulary, c.size], 2, c.weightScale ?? 1).data;
  const weight = c.dtype === 'bf16' ? bf16ToF32(f32ToBf16(raw)) : raw;
  const order = Array.from({ length: c.tokens }, (_, i) => i).sort((a, b) => counterHash(3, 0, 0, a) - counterHash(3, 0, 0, b));
  const rows = Uint32Array.from(order.slice(0, c.labelled));
  const labels = Uint32Array.from(rows, (_, i) => counterHash(4, 0, 0, i) % c.vocabulary);
  const weights = Float32Array.from(rows, (_, i) => (c.weighted ? (1 + (counterHash(6, 0, 0, i) % 7)) / 4 : 1));
  return { hidden, weight, rows, labels, weights, lossScale: 1 / Math.max(1, c.labelled + 3) };
}

interface Outcome {
  nll: Float64Array;
  correct: number;
  dhidden: Float64Array;
  dweight: Float64Array;
  logits: Float64Array;
}

function reference(hidden: ArrayLike<number>, weight: ArrayLike<number>, { rows, labels, weights, lossScale }: Problem, c: Case): Outcome {
  const { vocabulary, size } = c;
  const nll = new Float64Array(rows.length);
  const logits = new Float64Array(rows.length * vocabulary);
  const dhidden = new Float64Array(hidden.length);
  const dweight = new Float64Array(weight.length);
  let correct = 0;
  rows.forEach((row, i) => {
    const z = logits.subarray(i * vocabulary, (i + 1) * vocabulary);
    for (let v = 0; v < vocabulary; v++) {
      for (let k = 0; k < size; k++) z[v]! += hidden[row * size + k]! * weight[v * size + k]!;
      if (c.softcap) z[v] = c.softcap * Math.tanh(z[v]! / c.softcap);
    }
    const top = z.reduce((best, value) => Math.max(best, value), -Infinity);
    const lse = top + Math.log(z.reduce((sum, value) => sum + Math.exp(value - top), 0));
    const label = labels[i]!;
    const share = weights[i]!;
    nll[i] = share * (lse - z[label]!);
    if (z.indexOf(top) === label) correct += share;
    for (let v = 0; v < vocabulary; v++) {
      let d = share * lossScale * (Math.exp(z[v]! - lse) - (v === label ? 1 : 0));
      if (c.softcap) d *= 1 - (z[v]! / c.softcap) ** 2;
      for (let k = 0; k < size; k++) {
        dhidden[row * size + k]! += d * weight[v * size + k]!;
        dweight[v * size + k]! += d * hidden[row * size + k]!;
      }
    }
  });
  return { nll, correct, dhidden, dweight, logits };
}

function splitTensor(on: Device, values: Float32Array, shape: [number, number], dtype: WeightDType, partRows = shape[0]): Tensor {
  const stored = dtype === 'bf16' ? f32ToBf16(values) : values;
  const parts: TensorPart[] = [];
  for (let rowStart = 0; rowStart < shape[0]; rowStart += partRows) {
    const rows = Math.min(partRows, shape[0] - rowStart);
    const slice = stored.slice(rowStart * shape[1], (rowStart + rows) * shape[1]);
    parts.push({ view: on.upload(slice, [rows, shape[1]], 'test', dtype).view, rowStart, rows });
  }
  return new Tensor(shape, dtype, parts);
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  expect(actual.length, what).toBe(expected.length);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    worst = Math.max(worst, Number.isNaN(error) ? Infinity : error);
  }
  expect(worst, what).toBeLessThanOrEqual(tolerance);
}

const largest = (values: Float64Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** Runs a case and compares everything the op makes; logits sum up to 16 products, hence errors of some 1e-6 of the largest. */
async function check(c: Case): Promise<void> {
  const { on, vocabulary, size } = c;
  const p = problem(c);
  const t = new Tape(on, { grad: true });
  const hidden = on.upload(p.hidden, [c.tokens, size], 'test');
  hidden.requiresGrad = true;
  const tensor = splitTensor(on, p.weight, [vocabulary, size], c.dtype ?? 'f32', c.partRows);
  // A gradient is added to: what was there must still be in it.
  const start = randomOperand([vocabulary, size], 5, 0.1).data;
  const grad = splitTensor(on, start, [vocabulary, size], 'f32', c.partRows);
  const rows = on.upload(p.rows, [c.labelled], 'test');
  const labels = on.upload(p.labels, [c.labelled], 'test');
  const weights = c.weighted ? on.upload(p.weights, [c.labelled], 'test') : undefined;
  const lossSum = on.upload(Float32Array.of(0.5, 2), [2], 'test');
  const nll = on.upload(new Float32Array(c.labelled), [c.labelled], 'test');
  const head = { name: 'lm_head.weight', tensor, ...(c.trainable ? { grad } : {}) };
  const loss = await headLoss(t, hidden, head, { rows, labels, ...(weights && { weights }), count: c.labelled }, {
    lossScale: p.lossScale,
    lossSum,
    nll,
    ...(c.chunkBytes === undefined ? {} : { chunkBytes: c.chunkBytes }),
    ...(c.softcap === undefined ? {} : { softcap: c.softcap }),
  });
  const [lossValue] = await on.readF32(loss);
  t.backward(loss, loss);
  const dhidden = t.takeGradient(hidden)!;

  const expected = reference(p.hidden, p.weight, p, c);
  const total = expected.nll.reduce((sum, value) => sum + value, 0);
  expectClose(await on.readF32(nll), expected.nll, 3e-6 * (1 + largest(expected.logits)), 'nll');
  const sums = await on.readF32(lossSum);
  expectClose([sums[0]! - 0.5, lossValue! / p.lossScale], [total, total], 3e-6 * (1 + total), 'loss');
  expect(sums[1]).toBe(2 + expected.correct);
  expectClose(await on.readF32(dhidden), expected.dhidden, 1e-5 * largest(expected.dhidden), 'gradient of hidden');
  const dweight = await on.readF32(grad);
  const change = expected.dweight.map((value, i) => (c.trainable ? value + start[i]! : start[i]!));
  expectClose(dweight, change, 1e-5 * largest(expected.dweight) + 1e-8, 'gradient of the head');

  t.release();
  for (const used of [hidden, tensor, grad, rows, labels, ...(weights ? [weights] : []), lossSum, nll, dhidden]) for (const part of used.parts) on.pool.release(part.view);
}

describe('headLoss', () => {
  // Odd sizes of at most 15 and few rows a chunk: of the matrix products' many specialisations, whose own tests cover them and which a
  // software GPU takes seconds to compile, these need four.
  it('equals float64 for any shape and chunk', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 0, max: 30 }),
        fc.integer({ min: 0, max: 350 }),
        fc.integer({ min: 0, max: 7 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 9 }),
        async (tokens, labelled, halfVocabulary, halfSize, trainable, rowsOfChunk) => {
          const vocabulary = 2 * halfVocabulary + 1;
          await check({
            on: device,
            tokens,
            labelled: Math.min(labelled, tokens),
            vocabulary,
            size: 2 * halfSize + 1,
            trainable,
            chunkBytes: rowsOfChunk * vocabulary * 4 + 3,
          });
        },
      ),
      { numRuns: 24 },
    );
  });

  it('weighs labels', async () => {
    for (const softcap of [undefined, 3])
      await check({ on: device, tokens: 12, labelled: 11, vocabulary: 257, size: 13, weighted: true, trainable: true, chunkBytes: 4 * 257 * 4, ...(softcap && { softcap }) });
  });

  it.each([
    { tokens: 9, labelled: 0, vocabulary: 33, size: 9, trainable: true },
    { tokens: 1, labelled: 1, vocabulary: 1, size: 1, trainable: true },
    { tokens: 12, labelled: 12, vocabulary: 301, size: 13, chunkBytes: 1, trainable: true },
    { tokens: 12, labelled: 8, vocabulary: 257, size: 13, chunkBytes: 4 * 257 * 4 },
    { tokens: 12, labelled: 9, vocabulary: 257, size: 13, chunkBytes: 4 * 257 * 4 },
  ])('handles $labelled labels of $tokens tokens, vocabulary $vocabulary, chunks of $chunkBytes bytes', async (shape) => {
    await check({ on: device, ...shape });
  });

  it.each([
    { dtype: 'f32' as const, size: 15, partRows: 50 },
    { dtype: 'bf16' as const, size: 15, partRows: 37 },
    { dtype: 'bf16' as const, size: 16, partRows: 64 },
  ])('takes a head split over buffers ($dtype, $partRows rows each)', async ({ dtype, size, partRows }) => {
    await check({ on: small, tokens: 40, labelled: 23, vocabulary: 311, size, dtype, partRows, trainable: true });
  });

  it('differentiates bounded logits', async () => {
    await check({ on: device, tokens: 10, labelled: 7, vocabulary: 91, size: 15, softcap: 3, trainable: true });
  });

  it('does not overflow where logits are in the hundreds', async () => {
    await check({ on: device, tokens: 6, labelled: 6, vocabulary: 71, size: 15, weightScale: 100, trainable: true });
  });

  it('has a reference whose gradients are those of its loss', () => {
    const c: Case = { on: device, tokens: 5, labelled: 3, vocabulary: 9, size: 4, softcap: 2 };
    const p = problem(c);
    const hidden = Float64Array.from(p.hidden);
    const weight = Float64Array.from(p.weight);
    const loss = (): number => reference(hidden, weight, p, c).nll.reduce((sum, value) => sum + value, 0) * p.lossScale;
    const { dhidden, dweight } = reference(hidden, weight, p, c);
    for (const [values, gradient] of [[hidden, dhidden], [weight, dweight]] as const) {
      for (let i = 0; i < values.length; i++) {
        const center = values[i]!;
        values[i] = center + 1e-5;
        const above = loss();
        values[i] = center - 1e-5;
        expect(Math.abs((above - loss()) / 2e-5 - gradient[i]!)).toBeLessThan(1e-9);
        values[i] = center;
      }
    }
  });

  it('adds micro-batches up and passes its gradient through the tape as one of several', async () => {
    const c: Case = { on: device, tokens: 8, labelled: 5, vocabulary: 51, size: 11 };
    const p = problem(c);
    const hidden = device.upload(p.hidden, [8, 11], 'test');
    hidden.requiresGrad = true;
    const head = { name: 'lm_head.weight', tensor: device.upload(p.weight, [51, 11], 'test') };
    const targets = { rows: device.upload(p.rows, [5], 'test'), labels: device.upload(p.labels, [5], 'test'), count: 5 };
    const lossSum = device.upload(new Float32Array(2), [2], 'test');
    const t = new Tape(device, { grad: true });
    const once = await headLoss(t, hidden, head, targets, { lossScale: p.lossScale, lossSum });
    const twice = await headLoss(t, hidden, head, targets, { lossScale: p.lossScale, lossSum });
    t.backward(once, once);
    const evaluation = new Tape(device);
    await headLoss(evaluation, hidden, head, targets, { lossScale: 1, lossSum });
    expect(twice.requiresGrad).toBe(true);
    const expected = reference(p.hidden, p.weight, p, c);
    const total = expected.nll.reduce((sum, value) => sum + value, 0);
    expectClose(await device.readF32(lossSum), [3 * total, 3 * expected.correct], 1e-5 * total, 'three batches');
    expectClose(await device.readF32(t.takeGradient(hidden)!), expected.dhidden, 1e-5 * largest(expected.dhidden), 'one gradient');
    t.release();
    evaluation.release();
  });

  it('lets a number that is not finite reach the loss, bounded logits or not', async () => {
    for (const softcap of [undefined, 30]) {
      const hidden = device.upload(Float32Array.of(1, NaN, 1, 2), [2, 2], 'test');
      const head = { name: 'lm_head.weight', tensor: device.upload(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2], 'test') };
      const targets = { rows: device.upload(Uint32Array.of(0, 1), [2], 'test'), labels: device.upload(Uint32Array.of(1, 2), [2], 'test'), count: 2 };
      const lossSum = device.upload(new Float32Array(2), [2], 'test');
      const t = new Tape(device);
      await headLoss(t, hidden, head, targets, { lossScale: 1, lossSum, ...(softcap === undefined ? {} : { softcap }) });
      expect((await device.readF32(lossSum))[0]).toBeNaN();
      t.release();
    }
  });

  it('keeps no more logits than a chunk, and creates nothing in a second identical step', async () => {
    const c: Case = { on: device, tokens: 64, labelled: 60, vocabulary: 1001, size: 7 };
    const p = problem(c);
    const own = await testDevice();
    const hidden = own.upload(p.hidden, [64, 7], 'test');
    hidden.requiresGrad = true;
    const head = { name: 'lm_head.weight', tensor: own.upload(p.weight, [1001, 7], 'test') };
    const targets = { rows: own.upload(p.rows, [60], 'test'), labels: own.upload(p.labels, [60], 'test'), count: 60 };
    const lossSum = own.upload(new Float32Array(2), [2], 'test');
    const once = async (): Promise<void> => {
      const t = new Tape(own, { grad: true });
      const loss = await headLoss(t, hidden, head, targets, { lossScale: 1, lossSum, chunkBytes: 50_000 });
      t.backward(loss, loss);
      own.pool.release(t.takeGradient(hidden)!.view);
      t.release();
      await own.readF32(lossSum);
    };
    await once();
    const before = { ...own.counters };
    await once();
    expect(own.pool.report().peakByLabel.logits).toBe(12 * 1001 * 4);
    expect(own.counters.buffersCreated).toBe(before.buffersCreated);
    expect(own.counters.bindGroupsCreated).toBe(before.bindGroupsCreated);
  });
});

describe('headLogits', () => {
  it.each([undefined, 3])('gives the logits of the rows asked for (softcap %s)', async (softcap) => {
    const c: Case = { on: device, tokens: 11, labelled: 6, vocabulary: 75, size: 11, ...(softcap === undefined ? {} : { softcap }) };
    const p = problem(c);
    const t = new Tape(device);
    const hidden = device.upload(p.hidden, [11, 11], 'test');
    const head = { name: 'lm_head.weight', tensor: device.upload(p.weight, [75, 11], 'test') };
    const expected = reference(p.hidden, p.weight, p, c).logits;
    const some = await headLogits(t, hidden, head, device.upload(p.rows, [6], 'test'), softcap);
    expectClose(await device.readF32(some), expected, 2e-6 * largest(expected), 'rows');
    const all = await device.readF32(await headLogits(t, hidden, head, undefined, softcap));
    p.rows.forEach((row, i) => {
      expectClose(all.subarray(row * 75, (row + 1) * 75), expected.subarray(i * 75, (i + 1) * 75), 2e-6 * largest(expected), `row ${row}`);
    });
    t.release();
  });
});

describe('argmax', () => {
  const indexOf = async (x: Float32Array, rows: number): Promise<number[]> => {
    const t = new Tape(device);
    const index = argmax(t, device.upload(x, [rows, x.length / rows], 'test'));
    const found = [...new Uint32Array(await device.read(index.view))].slice(0, rows);
    t.release();
    return found;
  };

  it('finds the largest of each row, whatever its length', async () => {
    for (const size of [1, 7, 255, 257, 5003]) {
      const x = randomOperand([5, size], size).data;
      const expected = Array.from({ length: 5 }, (_, row) => {
        const values = x.subarray(row * size, (row + 1) * size);
        return values.indexOf(values.reduce((a, b) => Math.max(a, b)));
      });
      expect(await indexOf(x, 5)).toEqual(expected);
    }
  });

  it('takes the first of equal ones', async () => {
    const x = new Float32Array(3 * 1000).fill(-5);
    for (const at of [700, 300, 556]) x[at] = 2;
    for (const at of [999, 256, 512]) x[1000 + at] = -1;
    expect(await indexOf(x, 3)).toEqual([300, 256, 0]);
  });
});
