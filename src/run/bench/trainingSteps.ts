/** Training steps of whole models: warm-up and tuning first, then steps that are waited for one by one. */
import type { Device } from '../../gpu/device.ts';
import type { Example } from '../../data/example.ts';
import { UserError } from '../../platform.ts';
import { bytesText, countText } from '../../track/console.ts';
import { measurePlans } from '../../train/tuning/measurePlans.ts';
import { median } from '../../tune/timing.ts';
import { plansOf } from '../../tune/plans.ts';
import type { Part } from './parts.ts';
import { gemmaExample, qwenExample, randomModel, trainingStep } from './randomModel.ts';
import type { RandomModel } from './randomModel.ts';
import type { BenchModel } from './shapes.ts';

export function exampleOf({ example }: BenchModel): Example {
  return example.family === 'qwen2_5_vl'
    ? qwenExample(example.imageToken, example.textTokens, example.labelled, example.grid)
    : gemmaExample(example.imageToken, example.textTokens, example.labelled, example.features, example.side);
}

const WARM_UP = 2;
const STEPS = 5;
/** Of tuning, as `--tune auto` has it. */
const TUNE_SECONDS = 10;

export interface StepsOptions {
  open(): Promise<Device>;
  /** Of frozen matrices. */
  storage: string;
  /** By the speed of products, s. */
  estimate: number;
  tune: boolean;
}

export async function trainingSteps(part: Part, model: BenchModel, options: StepsOptions): Promise<void> {
  const { open, storage, estimate } = options;
  const name = `${model.name}, ${storage}`;
  if (!part.fits(name, estimate * (WARM_UP + 2))) return;
  for (const isShared of [false, true]) {
    // Its own device, so that one that ran out of memory is gone with all that it held.
    const device = await open();
    try {
      const random = await randomModel(device, model.config, { storage, isShared });
      if (!random) {
        part.note(`${name}: left out, nothing makes random weights of this kind yet`);
        return;
      }
      await measured(part, device, model, random, `${name}${isShared ? ', layers sharing weights' : ''}`, options);
      return;
    } catch (error) {
      if (isShared || !(error instanceof UserError)) throw error;
      part.note(`${name}: ${error.message.split('. ')[0]}; once more with layers of one shape sharing their weights`);
    } finally {
      device.destroy();
    }
  }
}

async function measured(
  part: Part,
  device: Device,
  model: BenchModel,
  random: RandomModel,
  name: string,
  { open, storage, tune }: StepsOptions,
): Promise<void> {
  const examples = [exampleOf(model)];
  const tokens = examples[0]!.inputIds.length;
  let step = 0;
  const once = async (): Promise<number> => {
    const began = performance.now();
    await trainingStep(device, random, examples, step++, true);
    await device.finish();
    return performance.now() - began;
  };
  const asked = await plansOf(device).asking(async () => {
    await once();
  });
  if (tune && part.secondsLeft() > 2 * TUNE_SECONDS) {
    const told: string[] = [];
    const { choices, classes, leftOut, seconds } = await measurePlans(open, device.capabilities, asked, {
      seconds: TUNE_SECONDS,
      isThorough: false,
      tell: (text) => void told.push(text),
    });
    plansOf(device).choose(choices);
    for (const text of told) part.note(text);
    part.note(`${name}: plans of ${classes - leftOut} of ${classes} kinds measured in ${seconds.toFixed(1)} s`);
  }
  for (let i = 1; i < WARM_UP; i++) await once();
  device.pool.resetPeak();
  const times: number[] = [];
  while (times.length < STEPS && (times.length === 0 || part.secondsLeft() > (2 * median(times)) / 1000)) times.push(await once());
  const ms = median(times);
  const { peakBytes } = device.pool.report();
  part.figure({
    what: `${name}, T ${tokens}`,
    ms,
    rate: (tokens / ms) * 1000,
    unit: 'tokens/s',
    by: `peak ${bytesText(peakBytes)}, ${countText(random.parameters.frozen)} frozen, ${times.length} steps`,
    more: { model: model.name, storage, peakBytes, frozen: random.parameters.frozen, trained: random.parameters.trained, tokens },
  });
}
