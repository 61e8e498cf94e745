/** One problem on random operands, run by the ops themselves in whatever way is asked: what is measured is what training will run. */
import type { Device } from '../../gpu/device.ts';
import type { Tensor } from '../../gpu/tensor.ts';
import { attention, uploadRanges } from '../../ops/attention.ts';
import { causalRanges, segmentRanges } from '../../ops/attentionRanges.ts';
import type { RangeTable } from '../../ops/attentionRanges.ts';
import { matmulNN, matmulNT, matmulTN } from '../../ops/matmul.ts';
import { Tape } from '../../ops/tape.ts';
import type { AttentionConfiguration, AttentionProblem } from '../../tune/attention.ts';
import { ATTENTION_ROUNDING, productRounding } from '../../tune/candidates.ts';
import type { Contender } from '../../tune/measure.ts';
import { plansOf } from '../../tune/plans.ts';
import type { ProductConfiguration, ProductProblem } from '../../tune/product.ts';
import { randomTensor, randomWeight, releaseTensors } from './randomTensor.ts';

export interface Trial<Configuration> {
  contender(configuration: Configuration): Contender;
  /** Largest difference of two right results, over the largest value. */
  bound(configurations: readonly Configuration[]): number;
  /** Of one run: multiplications and additions. */
  flop: number;
  release(): void;
}

/** Elements of a result that is measured: more change nothing about which way is fast, and are read back. */
const MOST_RESULTS = 2 ** 23;
const RANK = 16;
const DROPOUT = { seed: 1, stream: 2, step: 3, rate: 0.1 };
/** Unit roundoff of f32. */
const F32 = 2 ** -24;

/**
 * Largest error over the largest value of a product of k random terms: rounding errors of k sums walk as √k, those of operands do so with
 * the sum itself.
 */
export function productBound(problem: ProductProblem, configurations: readonly ProductConfiguration[]): number {
  return 8 * F32 * Math.sqrt(problem.k + RANK) + 4 * Math.max(...configurations.map((one) => productRounding(problem, one)));
}

/** The same of attention's output and gradients: scores are exponents, whose errors multiply. */
export function attentionBound(span: number, headSize: number, configurations: readonly AttentionConfiguration[]): number {
  return 64 * F32 * Math.sqrt(span + headSize) + 8 * Math.max(...configurations.map(({ algorithm }) => ATTENTION_ROUNDING[algorithm]));
}

/** Undefined where nothing makes operands of the problem's storage. The device's forced plans become the trial's. */
export function productTrial(device: Device, asked: ProductProblem): Trial<ProductConfiguration> | undefined {
  const problem = fitted(asked, device.maxBindingBytes);
  const { form, m, n, k, storage, isPlain, hasDropout } = problem;
  const w =
    form === 'tn' ? randomTensor(device, [k, n], 2, { label: 'batch' }) : randomWeight(device, form === 'nt' ? [n, k] : [k, n], 2, storage);
  if (w === undefined) return undefined;
  const a = randomTensor(device, form === 'tn' ? [k, m] : [m, k], 1, { label: 'batch' });
  const y = randomTensor(device, [m, n], 3, { label: 'batch' });
  // Whatever keeps a product from being plain, its kernels are those of one with a low-rank term.
  const hasLow = form !== 'tn' && !isPlain;
  const low = hasLow
    ? { a: randomTensor(device, [m, RANK], 4), w: randomTensor(device, form === 'nt' ? [n, RANK] : [RANK, n], 5) }
    : undefined;
  const dropout = hasDropout ? { dropout: DROPOUT } : {};
  const lowRank = low ? { lowRank: low } : {};
  const run = (): void => {
    if (form === 'nt') matmulNT(device, a, w, y, { ...dropout, ...lowRank });
    else if (form === 'nn')
      matmulNN(device, a, w, y, { ...lowRank, ...(hasDropout && { dropout: { ...DROPOUT, over: hasLow ? 'lowRank' : 'all' } }) });
    else matmulTN(device, a, w, y, { accumulate: false, ...dropout });
  };
  return {
    contender: (configuration) => ({
      run() {
        plansOf(device).compute = problem.compute;
        plansOf(device).force({ product: () => configuration });
        run();
      },
      finish: () => device.finish(),
      result: async () => [await device.readF32(y)],
    }),
    bound: (configurations) => productBound(problem, configurations),
    flop: 2 * m * n * k,
    release() {
      releaseTensors(device, a, w, y, low?.a, low?.w);
    },
  };
}

/** Halves what is longest until every operand is bound whole and the result is not too large to be read. */
function fitted(problem: ProductProblem, maxBindingBytes: number): ProductProblem {
  let { m, n, k } = problem;
  while (m * n > Math.min(MOST_RESULTS, maxBindingBytes / 4)) {
    if (m >= n) m = Math.ceil(m / 2);
    else n = half(n);
  }
  while (n * k > maxBindingBytes / 4 || m * k > maxBindingBytes / 4) {
    if (k >= n) k = half(k);
    else n = half(n);
  }
  return { ...problem, m, n, k };
}

/** Keeps a multiple of 4 (and of a block of a quantised weight) one. */
function half(extent: number): number {
  return extent >= 512 ? Math.ceil(extent / 512) * 256 : Math.ceil(extent / 2);
}

/** A backward pass is measured together with the passes before it, whose plans stay the policy's. */
export function attentionTrial(
  device: Device,
  { pass, headSize, extent, compute }: AttentionProblem,
): Trial<AttentionConfiguration> | undefined {
  if (extent === undefined) return undefined;
  const { queries, heads, kvHeads, span } = extent;
  const q = randomTensor(device, [queries, heads, headSize], 1, { label: 'batch' });
  const k = randomTensor(device, [queries, kvHeads, headSize], 2, { label: 'batch' });
  const v = randomTensor(device, [queries, kvHeads, headSize], 3, { label: 'batch' });
  const dy = randomTensor(device, [queries, heads, headSize], 4, { label: 'batch' });
  const isBackward = pass !== 'forward';
  for (const tensor of [q, k, v]) tensor.requiresGrad = isBackward;
  const ranges = uploadRanges(device, rangesOf(queries, span), queries, 'batch');
  /** The output, or the gradients; to be released. */
  const run = (): Tensor[] => {
    const t = new Tape(device, { grad: isBackward });
    const y = attention(t, q, k, v, ranges, { scale: headSize ** -0.5 });
    const results = isBackward ? [] : [t.keep(y)];
    if (isBackward) {
      t.backward(y, dy);
      results.push(...[q, k, v].map((tensor) => t.takeGradient(tensor)!));
    }
    t.release();
    return results;
  };
  return {
    contender: (configuration) => {
      const force = (): void => {
        plansOf(device).compute = compute;
        plansOf(device).force({ attention: (problem) => (problem.pass === pass ? configuration : undefined) });
      };
      return {
        run() {
          force();
          releaseTensors(device, ...run());
        },
        finish: () => device.finish(),
        async result() {
          force();
          const results = run();
          const values: Float32Array[] = [];
          for (const tensor of results) values.push(await device.readF32(tensor));
          releaseTensors(device, ...results);
          return values;
        },
      };
    },
    bound: (configurations) => attentionBound(span, headSize, configurations),
    flop: attentionFlop(queries, span, heads, headSize, isBackward),
    release() {
      releaseTensors(device, q, k, v, dy, ranges.queryRanges, ranges.keyRanges);
    },
  };
}

/** Two products forward, five more backward (FlashAttention's count). */
export function attentionFlop(queries: number, span: number, heads: number, headSize: number, isBackward: boolean): number {
  return (isBackward ? 7 : 2) * 2 * queries * span * headSize * heads;
}

/** Rows of a length at which a causal query sees `span` keys on average; where nearly all keys are seen, all of them. */
function rangesOf(queries: number, span: number): RangeTable {
  if (span > 0.8 * queries) return segmentRanges([0, queries]);
  const length = Math.min(queries, 2 * span);
  const lengths = Array.from({ length: Math.ceil(queries / length) }, (_, row) => Math.min(length, queries - row * length));
  return causalRanges(lengths);
}
