/**
 * Every plan that this device may be given, against float64 on the CPU: products of odd shapes in all forms and storages, and attention
 * with its gradients. What is offered for measuring is what is checked, so a new algorithm, size or storage comes by itself.
 */
import type { Capabilities } from '../../gpu/capabilities.ts';
import type { Device } from '../../gpu/device.ts';
import type { Tensor } from '../../gpu/tensor.ts';
import { nf4Layout } from '../../gpu/packedLayout.ts';
import { bf16ToF32, f16ToF32 } from '../../io/halfFloat.ts';
import { NESTED_BLOCK, restoredScales } from '../../io/quantization/doubleQuantization.ts';
import { NF4_BLOCK } from '../../io/quantization/nf4.ts';
import { dequantize } from '../../io/quantization/nf4Weight.ts';
import { attention, uploadRanges } from '../../ops/attention.ts';
import { blockCausalRanges } from '../../ops/attentionRanges.ts';
import { matmulNN, matmulNT, matmulTN } from '../../ops/matmul.ts';
import { Tape } from '../../ops/tape.ts';
import { randomScales, randomTensor, randomWeight, releaseTensors, WEIGHT_STORAGES } from '../../train/tuning/randomTensor.ts';
import { attentionBound, productBound } from '../../train/tuning/trials.ts';
import { refusedAttention } from '../../tune/attention.ts';
import type { AttentionConfiguration, AttentionPass } from '../../tune/attention.ts';
import { attentionCandidates, attentionDtypesOf, computeDtypesOf, productCandidates } from '../../tune/candidates.ts';
import { plansOf } from '../../tune/plans.ts';
import type { ComputeDtype } from '../../tune/subgroupMatrix.ts';
import { refusedProduct } from '../../tune/product.ts';
import type { ProductConfiguration, ProductForm, ProductProblem } from '../../tune/product.ts';
import { attentionWords, configurationWords, productWords } from '../../tune/words.ts';
import { attentionReference } from './attentionReference.ts';
import type { Scale } from './shapes.ts';
import { errorText } from '../../platform.ts';

export interface CheckResult {
  checked: number;
  /** A sentence each. */
  failures: string[];
  /** Time was up before these. */
  leftOut: number;
}

export interface Check {
  words: string;
  /** Of the largest value. */
  run(device: Device): Promise<{ error: number; bound: number }>;
}

/** An error ends a device: the checks after it get another. */
export async function runChecks(open: () => Promise<Device>, checks: readonly Check[], isLate: () => boolean): Promise<CheckResult> {
  const failures: string[] = [];
  let checked = 0;
  let device: Device | undefined;
  for (const { words, run } of checks) {
    if (isLate()) break;
    checked++;
    try {
      device ??= await open();
      const { error, bound } = await run(device);
      if (!(error <= bound))
        failures.push(`${words}: it is off by ${error.toExponential(1)} of the largest value, where ${bound.toExponential(1)} is allowed`);
    } catch (error) {
      failures.push(`${words}: it does not run: ${errorText(error).split('\n')[0]}`);
      device?.destroy();
      device = undefined;
    }
  }
  device?.destroy();
  return { checked, failures, leftOut: checks.length - checked };
}

/** For which problems the candidates are asked, so that all of them are in the list: large, narrow both ways, few rows. */
const SHAPES = [
  { m: 600, n: 2048, k: 2048 },
  { m: 600, n: 16, k: 2048 },
  { m: 16, n: 600, k: 2048 },
  { m: 4, n: 2048, k: 2048 },
  { m: 1, n: 2048, k: 2048 },
];

/** Multiples of 4 or not, rows and columns that no tile divides, a sum that is cut in parts. */
function problems(compute: ComputeDtype): ProductProblem[] {
  const base = { isPlain: true, hasDropout: false, compute };
  const all: ProductProblem[] = [];
  for (const storage of WEIGHT_STORAGES) {
    for (const form of ['nt', 'nn'] as const)
      all.push({ ...base, form, storage, m: 67, n: 148, k: 260 }, { ...base, form, storage, m: 3, n: 76, k: 516 });
  }
  for (const form of ['nt', 'nn', 'tn'] as const) all.push({ ...base, form, storage: 'f32', m: 37, n: 45, k: 131 });
  all.push({ ...base, form: 'tn', storage: 'f32', m: 36, n: 148, k: 700 });
  return all;
}

export function productChecks(capabilities: Capabilities): Check[] {
  return computeDtypesOf(capabilities)
    .flatMap(problems)
    .flatMap((problem) => {
      const offered = SHAPES.flatMap((shape) => productCandidates(capabilities, { ...problem, ...shape }));
      const distinct = [...new Map(offered.map((one) => [configurationWords(one), one])).values()].filter(
        (one) => refusedProduct(capabilities, problem, one) === undefined,
      );
      let reference: Promise<ProductReference> | undefined;
      return distinct.map((configuration): Check => ({
        words: `${productWords(problem)} by ${configurationWords(configuration)}`,
        run: async (device) => checkProduct(device, problem, configuration, await (reference ??= productReference(device, problem))),
      }));
    });
}

interface ProductReference {
  values: Float64Array;
  /** Its rounding is the check's unit. */
  largest: number;
}

async function operands(device: Device, { form, m, n, k, storage }: ProductProblem): Promise<{ a: Tensor; w: Tensor }> {
  const a = randomTensor(device, form === 'tn' ? [k, m] : [m, k], 11);
  const w = form === 'tn' ? randomTensor(device, [k, n], 12) : randomWeight(device, form === 'nt' ? [n, k] : [k, n], 12, storage)!;
  await device.confirm();
  return { a, w };
}

async function productReference(device: Device, problem: ProductProblem): Promise<ProductReference> {
  const { form, m, n, k } = problem;
  const { a, w } = await operands(device, problem);
  const [left, right] = [await valuesOf(device, a), await valuesOf(device, w)];
  releaseTensors(device, a, w);
  const values = new Float64Array(m * n);
  for (let row = 0; row < m; row++) {
    for (let column = 0; column < n; column++) {
      let sum = 0;
      for (let i = 0; i < k; i++)
        sum += left[form === 'tn' ? i * m + row : row * k + i]! * right[form === 'nt' ? column * k + i : i * n + column]!;
      values[row * n + column] = sum;
    }
  }
  return { values, largest: values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) };
}

const RUN: Record<ProductForm, (device: Device, a: Tensor, w: Tensor, y: Tensor) => void> = {
  nt: (device, a, w, y) => {
    matmulNT(device, a, w, y);
  },
  nn: (device, a, w, y) => {
    matmulNN(device, a, w, y);
  },
  tn: (device, a, w, y) => {
    matmulTN(device, a, w, y, { accumulate: false });
  },
};

async function checkProduct(
  device: Device,
  problem: ProductProblem,
  configuration: ProductConfiguration,
  { values, largest }: ProductReference,
): ReturnType<Check['run']> {
  const { a, w } = await operands(device, problem);
  const y = randomTensor(device, [problem.m, problem.n], 13);
  plansOf(device).compute = problem.compute;
  plansOf(device).force({ product: () => configuration });
  RUN[problem.form](device, a, w, y);
  plansOf(device).force({});
  plansOf(device).compute = 'f32';
  const found = await device.readF32(y);
  releaseTensors(device, a, w, y);
  return { error: worst(found, values) / largest, bound: productBound(problem, [configuration]) };
}

const PASSES = ['forward', 'query_backward', 'key_backward'] as const;
const ATTENTION = { queries: 77, heads: 4, kvHeads: 2 };
/** Those of the models; where the compiler is slow, a small one. */
const HEAD_SIZES: Readonly<Record<Scale, readonly number[]>> = { true: [64, 72, 80, 128, 256], blocks: [64, 72, 128], tiny: [16] };

/** Two rows with a block of tokens that see each other: causal attention and Gemma's. */
export function attentionChecks(capabilities: Capabilities, scale: Scale): Check[] {
  return HEAD_SIZES[scale].flatMap((headSize) => {
    const extent = { ...ATTENTION, span: 40 };
    let reference: Promise<Reference> | undefined;
    return PASSES.flatMap((pass) => {
      const problem = { pass, headSize, isDecoding: false, extent, compute: 'f32' } as const;
      const offered = attentionDtypesOf(capabilities).flatMap((compute) => attentionCandidates(capabilities, { ...problem, compute }));
      return [...new Map(offered.map((one) => [configurationWords(one), one])).values()]
        .filter((one) => refusedAttention(capabilities, problem, one) === undefined)
        .map((configuration): Check => ({
          words: `${attentionWords(problem)} by ${configurationWords(configuration)}`,
          run: async (device) => checkAttention(device, pass, headSize, configuration, await (reference ??= referenceOf(device, headSize))),
        }));
    });
  });
}

type Reference = ReturnType<typeof attentionReference>;

function attentionRanges(): Uint32Array<ArrayBuffer> {
  const { queries } = ATTENTION;
  const blocks = new Int32Array(queries).fill(-1);
  blocks.fill(0, 5, 20);
  return blockCausalRanges([50, queries - 50], blocks);
}

function attentionOperands(device: Device, headSize: number): Record<'q' | 'k' | 'v' | 'dy', Tensor> {
  const { queries, heads, kvHeads } = ATTENTION;
  return {
    q: randomTensor(device, [queries, heads, headSize], 21, { bound: 2 }),
    k: randomTensor(device, [queries, kvHeads, headSize], 22, { bound: 2 }),
    v: randomTensor(device, [queries, kvHeads, headSize], 23),
    dy: randomTensor(device, [queries, heads, headSize], 24),
  };
}

async function referenceOf(device: Device, headSize: number): Promise<Reference> {
  const { q, k, v, dy } = attentionOperands(device, headSize);
  const values = { q: await device.readF32(q), k: await device.readF32(k), v: await device.readF32(v), dy: await device.readF32(dy) };
  releaseTensors(device, q, k, v, dy);
  return attentionReference({ ...ATTENTION, headSize }, values, attentionRanges(), headSize ** -0.5);
}

async function checkAttention(
  device: Device,
  pass: AttentionPass,
  headSize: number,
  configuration: AttentionConfiguration,
  wanted: Reference,
): ReturnType<Check['run']> {
  const { q, k, v, dy } = attentionOperands(device, headSize);
  const ranges = uploadRanges(device, attentionRanges(), ATTENTION.queries, 'batch');
  plansOf(device).force({ attention: (problem) => (problem.pass === pass ? configuration : undefined) });
  for (const tensor of [q, k, v]) tensor.requiresGrad = true;
  const t = new Tape(device, { grad: true });
  const y = attention(t, q, k, v, ranges, { scale: headSize ** -0.5 });
  const output = await device.readF32(y);
  t.backward(y, dy);
  const [dq, dk, dv] = [q, k, v].map((tensor) => t.takeGradient(tensor)!) as [Tensor, Tensor, Tensor];
  t.release();
  plansOf(device).force({});
  let error = relative(output, wanted.y);
  for (const [tensor, values] of [
    [dq, wanted.dq],
    [dk, wanted.dk],
    [dv, wanted.dv],
  ] as const) {
    error = Math.max(error, relative(await device.readF32(tensor), values));
  }
  releaseTensors(device, q, k, v, dy, dq, dk, dv, ranges.queryRanges, ranges.keyRanges);
  return { error, bound: attentionBound(ATTENTION.queries, headSize, [configuration]) };
}

function worst(found: Float32Array, wanted: Float64Array): number {
  let most = found.length === wanted.length ? 0 : Infinity;
  for (let i = 0; i < wanted.length; i++) {
    const distance = Math.abs(found[i]! - wanted[i]!);
    if (!(distance <= most)) most = Number.isFinite(distance) ? distance : Infinity;
  }
  return most;
}

function relative(found: Float32Array, wanted: Float64Array): number {
  return worst(found, wanted) / wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** Of a matrix on the GPU, in whatever it is stored, decoded here. */
async function valuesOf(device: Device, tensor: Tensor): Promise<Float32Array> {
  const { dtype, size } = tensor;
  if (dtype === 'f32') return device.readF32(tensor);
  const raw = await device.read(tensor.view);
  if (dtype === 'bf16') return bf16ToF32(new Uint16Array(raw).subarray(0, size));
  if (dtype === 'f16') return f16ToF32(new Uint16Array(raw).subarray(0, size));
  if (dtype !== 'nf4') throw new Error(`values of ${tensor.describe()} are not read here`);
  const codes = new Uint8Array(raw, nf4Layout(0, size, NF4_BLOCK, NESTED_BLOCK).codeWord * 4);
  const scales = randomScales(Math.ceil(size / NF4_BLOCK), Math.sqrt(3 / tensor.rowSize));
  return dequantize(codes, size, 0, restoredScales({ kind: 'double', ...scales }), { blockSize: NF4_BLOCK, precision: 'BF16' });
}
