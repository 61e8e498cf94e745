/**
 * Attention on tensor cores against float64, within a bound of f16. Needs a GPU with subgroup matrices; the software GPU of Mesa 26 has them
 * (`node test/runtimes/mesa26.mjs npx vitest run test/ops/attentionHalf.test.ts`; test/runtimes/mesa26.test.ts does it where the machine allows).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attention, uploadRanges } from '../../src/ops/attention.ts';
import { blockCausalRanges, causalRanges, segmentRanges } from '../../src/ops/attentionRanges.ts';
import type { RangeTable } from '../../src/ops/attentionRanges.ts';
import { Tape } from '../../src/ops/tape.ts';
import { plansOf } from '../../src/tune/plans.ts';
import { matrixUnitsOf } from '../../src/tune/subgroupMatrix.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { anyRanges, attentionOperands, attentionReference } from './attentionReference.ts';
import type { AttentionShape } from './attentionReference.ts';
import { checkOp } from './gradientCheck.ts';

const device = await testDevice();
/** With a SUBGROUP larger than the device's subgroups, as where a driver picks a smaller one. */
const spread = await testDevice();
const units = matrixUnitsOf(device.capabilities);
if (units) {
  plansOf(device).force({ attention: () => ({ algorithm: 'subgroup_matrix', ...units, COMPACT: true }) });
  plansOf(spread).force({ attention: () => ({ algorithm: 'subgroup_matrix', ...units, SUBGROUP: 4 * units.SUBGROUP, COMPACT: true }) });
}

/**
 * In f16 (half a unit: 2⁻¹¹) are q, k, v, dy, the weights and the gradients of the scores. What a score is off by, at most 2·2⁻¹¹ of Σ|q||k|·scale, is the
 * relative error of its weight. Roundings have random signs: over the head's sum and the keys they average, so that one S of the worst two counts, and
 * four more for the other operands. A key too many or too few of some dozens is tens of times that.
 */
function toleranceOf({ D }: AttentionShape, softcap: number): number {
  // Operands lie in (-2, 2), so that |q||k| is 1 on average.
  const scores = D * D ** -0.5;
  return 2 ** -11 * (4 + (softcap > 0 ? Math.min(scores, softcap) : scores));
}

async function check(on: typeof device, shape: AttentionShape, table: RangeTable, softcap = 0, factor = 1): Promise<void> {
  const scale = shape.D ** -0.5;
  const ranges = uploadRanges(on, table, shape.S, 'test');
  const operands = attentionOperands(shape);
  operands.v!.data.forEach((value, i) => (operands.v!.data[i] = value * factor));
  await checkOp(on, {
    inputs: operands,
    run: (t, { q, k, v }) => attention(t, q!, k!, v!, ranges, { scale, softcap }),
    reference: ({ q, k, v }) => attentionReference(q!, k!, v!, shape, table, scale, softcap),
    probes: 12,
    forwardTolerance: toleranceOf(shape, softcap),
    gradientTolerance: toleranceOf(shape, softcap),
    gradientFloor: 0.01 * factor,
  });
  on.pool.release(ranges.queryRanges.view);
  on.pool.release(ranges.keyRanges.view);
}

describe.skipIf(units === undefined)(`attention on tensor cores (${units ? 'here' : 'this GPU has no subgroup matrices of f16 into f32'})`, () => {
  it('equals float64 within the bound for any shape and intervals, forward and gradients', { timeout: 600_000 }, async () => {
    const heads = fc.constantFrom([1, 1], [2, 2], [4, 2], [6, 1]);
    // Few combinations, because each compiles three kernels.
    const kernels = fc.constantFrom({ D: 5, softcap: 3, on: device }, { D: 36, softcap: 0, on: device }, { D: 64, softcap: 0, on: spread });
    await fc.assert(
      fc.asyncProperty(anyRanges, heads, kernels, async (r, [H, KV], { D, softcap, on }) => {
        await check(on, { T: r.T, S: r.S, H: H!, KV: KV!, D }, r.table, softcap);
      }),
      { numRuns: 12, endOnFailure: true },
    );
  });

  it.each([80, 250, 256])('takes heads of %i', { timeout: 600_000 }, async (D) => {
    await check(device, { T: 37, S: 37, H: 2, KV: 1, D }, causalRanges([30, 7]));
  });

  it('spans several tiles of queries and keys, with windows, pictures and segments', { timeout: 600_000 }, async () => {
    const shape = { T: 150, S: 150, H: 2, KV: 1, D: 36 };
    for (const window of [3, 40]) await check(device, shape, blockCausalRanges([150], new Int32Array(150).fill(-1), window));
    await check(device, shape, segmentRanges([0, 70, 103, 150]));
  });

  it('values far outside of the range of f16 keep their digits', { timeout: 600_000 }, async () => {
    const shape = { T: 45, S: 45, H: 2, KV: 1, D: 36 };
    for (const factor of [1e-9, 1e7]) await check(device, shape, causalRanges([45]), 0, factor);
  });

  it('rises by more and more where the largest scores come last', async () => {
    const [T, D] = [100, 16];
    const t = new Tape(device);
    const q = device.upload(new Float32Array(T * D).fill(1), [T, 1, D], 'test');
    // Scores grow by 1 a key up to 99; the value of a key is its number.
    const k = device.upload(Float32Array.from({ length: T * D }, (_, i) => Math.floor(i / D) / D), [T, 1, D], 'test');
    const v = device.upload(Float32Array.from({ length: T * D }, (_, i) => Math.floor(i / D)), [T, 1, D], 'test');
    const y = await device.readF32(attention(t, q, k, v, uploadRanges(device, causalRanges([T]), T, 'test'), { scale: 1 }));
    for (let i = 0; i < T; i++) {
      let [total, sum] = [0, 0];
      for (let j = 0; j <= i; j++) {
        total += Math.exp(j - i);
        sum += j * Math.exp(j - i);
      }
      // Keys' sixteenths have at most seven bits, and are exact; weights are rounded once.
      expect(Math.abs(y[i * D]! - sum / total)).toBeLessThanOrEqual(2 ** -10 * (i + 1));
    }
    t.release();
  });

  it('what is not finite stays visible', async () => {
    const shape = { T: 40, S: 40, H: 1, KV: 1, D: 36 };
    const operands = attentionOperands(shape);
    operands.v!.data[35 * 36 + 3] = Infinity;
    const t = new Tape(device);
    const [q, k, v] = [operands.q!, operands.k!, operands.v!].map((x) => device.upload(x.data, x.shape, 'test'));
    const y = await device.readF32(attention(t, q!, k!, v!, uploadRanges(device, causalRanges([40]), 40, 'test'), { scale: 1 }));
    for (let i = 35; i < 40; i++) expect(Number.isFinite(y[i * 36 + 3]!)).toBe(false);
    t.release();
  });
});
