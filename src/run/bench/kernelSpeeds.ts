/** Products and attention in every plan that this device may be given; the fastest of each is the figure. */
import type { Device } from '../../gpu/device.ts';
import type { Capabilities } from '../../gpu/capabilities.ts';
import { attention, uploadRanges } from '../../ops/attention.ts';
import { causalRanges } from '../../ops/attentionRanges.ts';
import { Tape } from '../../ops/tape.ts';
import { measurePlans } from '../../train/tuning/measurePlans.ts';
import { randomTensor, releaseTensors, WEIGHT_STORAGES } from '../../train/tuning/randomTensor.ts';
import { attentionFlop } from '../../train/tuning/trials.ts';
import type { AttentionProblem } from '../../tune/attention.ts';
import { attentionDtypesOf, computeDtypesOf } from '../../tune/candidates.ts';
import { NO_CHOICES } from '../../tune/choices.ts';
import type { Choices } from '../../tune/choices.ts';
import { plansOf } from '../../tune/plans.ts';
import type { Asked, AskedPlans } from '../../tune/plans.ts';
import type { ProductProblem } from '../../tune/product.ts';
import type { AttentionDtype } from '../../tune/subgroupMatrix.ts';
import { medianMs } from '../../tune/timing.ts';
import type { Patience } from '../../tune/timing.ts';
import { configurationWords, productWords } from '../../tune/words.ts';
import type { Part } from './parts.ts';
import type { Scale } from './shapes.ts';

export type Extent = readonly [m: number, n: number, k: number];

/** Of a text layer of the 3B at 600 tokens, of LoRA there, and a large one, whose rate is the device's peak here. */
export const PRODUCT_SHAPES: Readonly<Record<Scale, readonly Extent[]>> = {
  true: [
    [4096, 2048, 4096],
    [600, 2048, 2048],
    [600, 11_008, 2048],
    [600, 2048, 11_008],
    [600, 16, 2048],
  ],
  blocks: [
    [1024, 1024, 1024],
    [600, 2048, 2048],
    [600, 16, 2048],
  ],
  tiny: [
    [256, 256, 256],
    [64, 64, 128],
  ],
};

const ATTENTION_TOKENS: Readonly<Record<Scale, readonly number[]>> = { true: [600, 2048], blocks: [600], tiny: [64] };

function byName<Problem extends ProductProblem | AttentionProblem>(problems: readonly Problem[]): Map<string, Asked<Problem>> {
  // Not by class: every one of them is to be measured.
  return new Map(problems.map((problem) => [JSON.stringify(problem), { problem, times: 1 }]));
}

export interface SpeedOptions {
  open(): Promise<Device>;
  capabilities: Capabilities;
  scale: Scale;
  stop: AbortSignal;
}

export async function productSpeeds(part: Part, { open, capabilities, scale, stop }: SpeedOptions): Promise<void> {
  const bases = computeDtypesOf(capabilities).map((compute) => ({ isPlain: true, hasDropout: false, compute }));
  const problems = bases.flatMap((base) =>
    PRODUCT_SHAPES[scale].flatMap(([m, n, k]): ProductProblem[] => [
      // Two halves are for weights that train.
      ...(base.compute === '3xf16' ? (['f32'] as const) : WEIGHT_STORAGES).flatMap((storage): ProductProblem[] => [
        { ...base, form: 'nt', m, n, k, storage },
        { ...base, form: 'nn', m, n: k, k: n, storage },
      ]),
      { ...base, form: 'tn', m: n, n: k, k: m, storage: 'f32' },
    ]),
  );
  const asked: AskedPlans = { product: byName(problems), attention: new Map() };
  const done = new Set<string>();
  await measurePlans(open, capabilities, asked, {
    seconds: part.secondsLeft(),
    isThorough: scale !== 'tiny',
    everything: true,
    stop,
    tell: (text) => {
      part.note(text);
    },
    seen: (choice) => {
      const { problem, ms, policyMs, flop, configuration } = choice;
      if (!('form' in problem)) return;
      const words = productWords(problem);
      done.add(words);
      part.figure({
        what: words,
        ms,
        rate: flop / ms / 1e9,
        unit: 'TFLOP/s',
        by: configurationWords(configuration),
        more: {
          storage: problem.storage,
          usualMs: policyMs,
          speedup: policyMs / ms,
          flop,
          extent: `${problem.m}×${problem.n}×${problem.k}`,
        },
      });
    },
  });
  for (const problem of problems) if (!done.has(productWords(problem))) part.fits(productWords(problem), Infinity);
}

export async function attentionSpeeds(part: Part, options: SpeedOptions): Promise<void> {
  for (const compute of attentionDtypesOf(options.capabilities)) {
    const open = async (): Promise<Device> => {
      const device = await options.open();
      plansOf(device).compute = compute;
      return device;
    };
    await attentionSpeedsIn(compute, part, { ...options, open });
  }
}

async function attentionSpeedsIn(compute: AttentionDtype, part: Part, { open, capabilities, scale, stop }: SpeedOptions): Promise<void> {
  for (const T of ATTENTION_TOKENS[scale]) {
    for (const [D, heads, kvHeads] of scale === 'tiny'
      ? ([
          [64, 2, 1],
          [128, 2, 1],
          [256, 2, 1],
        ] as const)
      : ([
          [64, 16, 16],
          [128, 16, 2],
          [256, 8, 4],
        ] as const)) {
      const name = `T ${T}, H ${heads}, KV ${kvHeads}, D ${D}, causal${compute === 'f16' ? ', operands in f16' : ''}`;
      if (!part.fits(name, 2)) continue;
      const extent = { queries: T, heads, kvHeads, span: (T + 1) >> 1 };
      const problems = (['forward', 'query_backward', 'key_backward'] as const).map((pass): AttentionProblem => ({
        pass,
        headSize: D,
        isDecoding: false,
        extent,
        compute,
      }));
      const { choices } = await measurePlans(
        open,
        capabilities,
        { product: new Map(), attention: byName(problems) },
        {
          seconds: part.secondsLeft() / 2,
          isThorough: false,
          stop,
          tell: (text) => {
            part.note(text);
          },
        },
      );
      const plans = choices.attention.map(({ configuration }) => configurationWords(configuration));
      for (const [what, chosen] of [
        ['the usual plans', NO_CHOICES],
        ['the fastest plans', choices],
      ] as const) {
        if (what === 'the fastest plans' && choices.attention.length === 0) continue;
        await time(
          part,
          name,
          { T, heads, kvHeads, D },
          open,
          chosen,
          what === 'the usual plans' ? what : plans.join('; '),
          scale === 'tiny',
        );
      }
    }
  }
}

interface AttentionSize {
  T: number;
  heads: number;
  kvHeads: number;
  D: number;
}

async function time(
  part: Part,
  name: string,
  { T, heads, kvHeads, D }: AttentionSize,
  open: () => Promise<Device>,
  choices: Choices,
  by: string,
  isTiny: boolean,
): Promise<void> {
  const device = await open();
  try {
    plansOf(device).choose(choices);
    const shape = (h: number): number[] => [T, h, D];
    const [q, k, v, dy] = [
      randomTensor(device, shape(heads), 1),
      randomTensor(device, shape(kvHeads), 2),
      randomTensor(device, shape(kvHeads), 3),
      randomTensor(device, shape(heads), 4),
    ];
    const ranges = uploadRanges(device, causalRanges([T]), T, 'batch');
    const patience: Patience = isTiny ? { sampleMs: 5, samples: 3, repeats: 5 } : { sampleMs: 60, samples: 5, repeats: 500 };
    for (const isBackward of [false, true]) {
      for (const tensor of [q, k, v]) tensor.requiresGrad = isBackward;
      const run = (): void => {
        const t = new Tape(device, { grad: isBackward });
        const y = attention(t, q, k, v, ranges, { scale: D ** -0.5 });
        if (isBackward) {
          t.backward(y, dy);
          for (const tensor of [q, k, v]) releaseTensors(device, t.takeGradient(tensor));
        }
        t.release();
      };
      const [ms = NaN] = await medianMs([{ run, finish: () => device.finish() }], patience);
      const flop = attentionFlop(T, (T + 1) / 2, heads, D, isBackward);
      part.figure({
        what: `${isBackward ? 'forward and backward' : 'forward'}, ${name}`,
        ms,
        rate: flop / ms / 1e9,
        unit: 'TFLOP/s',
        by,
        more: { flop },
      });
    }
  } finally {
    device.destroy();
  }
}
