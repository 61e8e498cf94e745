/**
 * The parts of the bench and their shares of the time. What a part learns that a later one goes by (how fast products are) is in `results`.
 */
import type { Capabilities } from '../../gpu/capabilities.ts';
import type { Device } from '../../gpu/device.ts';
import { randomTensor, WEIGHT_STORAGES } from '../../train/tuning/randomTensor.ts';
import { attentionCandidates, attentionDtypesOf, computeDtypesOf, productCandidates } from '../../tune/candidates.ts';
import { plansOf } from '../../tune/plans.ts';
import type { ForcedPlans } from '../../tune/plans.ts';
import { refusedAttention } from '../../tune/attention.ts';
import { refusedProduct } from '../../tune/product.ts';
import { configurationWords } from '../../tune/words.ts';
import { medianMs } from '../../tune/timing.ts';
import { matmulNT } from '../../ops/matmul.ts';
import { goldenLoss, GOLDEN_LOSSES, LOSS_BOUND } from './goldenLosses.ts';
import type { GoldenLoss } from './goldenLosses.ts';
import { attentionSpeeds, productSpeeds, PRODUCT_SHAPES } from './kernelSpeeds.ts';
import type { Part, PartPlan } from './parts.ts';
import { attentionChecks, productChecks, runChecks } from './planChecks.ts';
import type { Check } from './planChecks.ts';
import type { Pytorch, PytorchResult } from './pytorch.ts';
import { benchModels, stepFlop } from './shapes.ts';
import type { Scale } from './shapes.ts';
import { trainingSteps } from './trainingSteps.ts';

export interface BenchOptions {
  open(): Promise<Device>;
  capabilities: Capabilities;
  size: Scale | 'auto';
  /** Undefined: PyTorch is not asked. */
  pytorch: Pytorch | undefined;
  stop: AbortSignal;
}

export interface BenchResults {
  scale: Scale;
  /** Of a product as large as the device makes at once in a short time, FLOP/s. */
  flopASecond: number;
  pytorch?: PytorchResult;
}

/** Frozen weights of the training steps: what a checkpoint has, and what it is quantised to. */
const STEP_STORAGES = ['bf16', 'nf4'];

export function benchParts(options: BenchOptions): { parts: PartPlan[]; results: BenchResults } {
  const { open, capabilities, pytorch, stop } = options;
  const results: BenchResults = { scale: 'tiny', flopASecond: NaN };
  const parts: PartPlan[] = [
    { name: 'Size', share: 20, run: (part) => chooseScale(part, options, results) },
    { name: 'Products against float64', share: 70, run: (part) => check(part, options, productChecks(capabilities)) },
    { name: 'Attention against float64', share: 40, run: (part) => check(part, options, attentionChecks(capabilities, results.scale)) },
    { name: "Losses against transformers'", share: 40, run: (part) => checkLosses(part, options, results) },
    { name: 'Products', share: 80, run: (part) => productSpeeds(part, { open, capabilities, scale: results.scale, stop }) },
    { name: 'Attention', share: 50, run: (part) => attentionSpeeds(part, { open, capabilities, scale: results.scale, stop }) },
    { name: 'Training steps', share: 110, run: (part) => steps(part, options, results) },
    ...(pytorch ? [{ name: 'PyTorch', share: 120, run: (part: Part) => besidePytorch(part, pytorch, options, results) }] : []),
  ];
  return { parts, results };
}

/** The whole models where a step of the larger takes seconds, their widths where two layers do, and else tiny ones. */
async function chooseScale(part: Part, { open, size }: BenchOptions, results: BenchResults): Promise<void> {
  const device = await open();
  try {
    // Small enough for any GPU, large enough to keep one busy.
    for (const extent of [256, 1024, 2048]) {
      const [x, w, y] = [1, 2, 3].map((seed) => randomTensor(device, [extent, extent], seed)) as [
        ReturnType<typeof randomTensor>,
        ReturnType<typeof randomTensor>,
        ReturnType<typeof randomTensor>,
      ];
      const run = (): void => {
        matmulNT(device, x, w, y);
      };
      const [ms = NaN] = await medianMs([{ run, finish: () => device.finish() }], { sampleMs: 20, samples: 3, repeats: 100 });
      results.flopASecond = (2 * extent ** 3 * 1000) / ms;
      if (ms > 20) break;
    }
  } finally {
    device.destroy();
  }
  const seconds = (scale: Scale): number => Math.max(...benchModels(scale).map(stepFlop)) / results.flopASecond;
  results.scale = size !== 'auto' ? size : seconds('true') < 8 ? 'true' : seconds('blocks') < 8 ? 'blocks' : 'tiny';
  part.note(
    `a product of f32 makes ${(results.flopASecond / 1e9).toFixed(0)} GFLOP/s: ` +
      `${{ true: 'the whole models', blocks: 'two layers of each stack of the models', tiny: 'tiny models' }[results.scale]}`,
  );
}

async function check(part: Part, { open, stop }: BenchOptions, checks: readonly Check[]): Promise<void> {
  const { checked, failures, leftOut } = await runChecks(open, checks, () => stop.aborted || part.secondsLeft() <= 0);
  for (const text of failures) part.fail(text);
  part.note(`${checked - failures.length} of ${checked} are right`);
  if (leftOut > 0) part.fits(`${leftOut} of ${checks.length} checks`, Infinity);
}

/** Operands in f16 may move a loss by two in a thousand; these are of about 5. */
const F16_LOSS_BOUND = 1e-2;

function boundOf({ algorithm }: { algorithm: string }): { bound?: number } {
  return algorithm === 'subgroup_matrix' ? { bound: F16_LOSS_BOUND } : {};
}

/** With the policy's plans, and with each candidate wherever it is allowed. */
async function checkLosses(part: Part, { open, capabilities }: BenchOptions, { scale }: BenchResults): Promise<void> {
  const large = { m: 600, n: 2048, k: 2048, storage: 'f32', isPlain: true, hasDropout: false } as const;
  const computes = computeDtypesOf(capabilities);
  // Of each family one.
  const some = GOLDEN_LOSSES.filter((_, i) => i % 4 === 0);
  const ways: { words: string; forced: ForcedPlans; cases: readonly GoldenLoss[]; bound?: number }[] = [
    { words: 'the usual plans', forced: {}, cases: scale === 'tiny' ? some : GOLDEN_LOSSES },
  ];
  const shapes = [large, { ...large, n: 16 }, { ...large, m: 16 }, { ...large, m: 1 }];
  const products = computes.flatMap((compute) =>
    shapes.flatMap((shape) => productCandidates(capabilities, { ...shape, form: 'nt', compute })),
  );
  for (const one of new Map(products.map((each) => [configurationWords(each), each])).values()) {
    ways.push({
      words: configurationWords(one),
      cases: some,
      ...boundOf(one),
      forced: { product: (problem) => (refusedProduct(capabilities, problem, one) === undefined ? one : undefined) },
    });
  }
  const attentions = attentionDtypesOf(capabilities).flatMap((compute) =>
    attentionCandidates(capabilities, { pass: 'forward', headSize: 16, isDecoding: false, compute }),
  );
  for (const one of new Map(attentions.map((each) => [configurationWords(each), each])).values()) {
    const forced: ForcedPlans = {
      attention: (problem) => (problem.isDecoding || refusedAttention(capabilities, problem, one) !== undefined ? undefined : one),
    };
    ways.push({ words: `attention ${configurationWords(one)}`, cases: some, ...boundOf(one), forced });
  }
  let checked = 0;
  for (const { words, forced, cases, bound = LOSS_BOUND } of ways) {
    if (!part.fits(`losses by ${words}`)) continue;
    const device = await open();
    try {
      plansOf(device).force(forced);
      for (const one of cases) {
        const error = Math.abs((await goldenLoss(device, one)) - one.loss);
        if (!(error < bound))
          part.fail(
            `${one.config.model_type} by ${words}: the loss is off by ${error.toExponential(1)}, where ${bound.toExponential(0)} is ` +
              `allowed`,
          );
        checked++;
      }
    } catch (error) {
      part.fail(`${words}: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
    } finally {
      device.destroy();
    }
  }
  part.note(`${checked} losses compared, by ${ways.length} ways to compute them`);
}

async function steps(part: Part, { open, capabilities }: BenchOptions, { scale, flopASecond }: BenchResults): Promise<void> {
  for (const storage of STEP_STORAGES.filter((one) => WEIGHT_STORAGES.includes(one))) {
    for (const model of benchModels(scale)) {
      await trainingSteps(part, model, { open, storage, estimate: stepFlop(model) / flopASecond, tune: capabilities.kind === 'hardware' });
    }
  }
}

async function besidePytorch(part: Part, pytorch: Pytorch, { stop }: BenchOptions, results: BenchResults): Promise<void> {
  const found = await pytorch.find();
  if ('why' in found) {
    part.note(`left out: ${found.why}`);
    return;
  }
  const models = benchModels(results.scale).map((model) => ({ ...model, storages: ['bf16', 'nf4'] }));
  const result = await pytorch.measure(found.python, {
    products: [[8192, 8192, 8192], ...PRODUCT_SHAPES[results.scale]],
    models,
    seconds: part.secondsLeft(),
    stop,
  });
  results.pytorch = result;
  part.note(result.about);
  for (const { m, n, k, dtype, ms } of result.products) {
    part.figure({ what: `x·wᵀ ${m}×${n}×${k} ${dtype}`, ms, rate: (2 * m * n * k) / ms / 1e9, unit: 'TFLOP/s', more: { storage: dtype } });
  }
  for (const { name, storage, ms, steps: count, tokens, peakBytes } of result.steps) {
    part.figure({
      what: `${name}, ${storage}, T ${tokens}`,
      ms,
      rate: (tokens / ms) * 1000,
      unit: 'tokens/s',
      by: `${count} steps`,
      more: { model: name, storage, peakBytes, tokens },
    });
  }
  for (const note of result.notes) part.note(note);
}
