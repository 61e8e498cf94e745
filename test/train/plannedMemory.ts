/** One run for real and one on a device that makes nothing, held against each other to the byte. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Example, Message } from '../../src/data/example.ts';
import { Device } from '../../src/gpu/device.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import type { Quantization } from '../../src/models/quantization.ts';
import { TextProcessor } from '../../src/models/textProcessor.ts';
import { allOf } from '../../src/track/tracker.ts';
import { RowEvaluator } from '../../src/train/evaluation.ts';
import { planMemory } from '../../src/train/memoryPlan.ts';
import { openSession } from '../../src/train/session.ts';
import type { SessionOptions } from '../../src/train/session.ts';
import { train } from '../../src/train/trainer.ts';
import type { TrainSettings } from '../../src/train/trainSettings.ts';
import { plansOf } from '../../src/tune/plans.ts';
import type { ComputeDtype } from '../../src/tune/subgroupMatrix.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { inGroups } from '../models/golden.ts';
import type { GoldenModel } from '../models/goldenModel.ts';

export const settings: TrainSettings = {
  run_name: 'plan', epoch: 1, max_steps: 2, per_device_train_batch_size: 2, gradient_accumulation_steps: 2, learning_rate: 1e-3, lr_scheduler_type: 'constant',
  warmup_ratio: 0, warmup_steps: 0, max_grad_norm: 0.3, weight_decay: 0, adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, loss_reduction: 'token',
  shuffle: false, seed: 0, gradient_checkpointing: true, logging_steps: 1, save_steps: -1, save_total_limit: -1,
};

export const lora = loraConfig({ target_modules: 'all-linear', lora_dropout: 0.1 });
export const NF4: Quantization = { weights: 'nf4', skipModules: [], embedding: 'none' };

/** What is planned for: a folder, and a batch of unlike rows. */
export interface PlannedModel {
  name: string;
  baseModel: string;
  rows: () => Promise<Example[]>;
}

export function planned(model: GoldenModel): PlannedModel {
  const { name, baseModel } = model;
  return { name, baseModel, rows: async () => (await model.cases(['s10_twoimages', 's09_textonly'])).map((golden) => golden!.example) };
}

/** A checkpoint of test/golden/text_tiny.py. */
export function plannedText(name: string): PlannedModel {
  const baseModel = fileURLToPath(new URL(`../golden/${name}`, import.meta.url));
  const { cases } = JSON.parse(readFileSync(`${baseModel}/cases.json`, 'utf8')) as { cases: { messages: Message[] }[] };
  const rows = async (): Promise<Example[]> => {
    const processor = await TextProcessor.load(nodePlatform, baseModel);
    return cases.slice(0, 2).map(({ messages }) => processor.encode({ messages, images: [] }, [], { mask: 'completion' }));
  };
  return { name, baseModel, rows };
}

export interface Way {
  session: (model: PlannedModel) => Omit<SessionOptions, 'baseModel'>;
  run?: Partial<TrainSettings>;
  compute?: ComputeDtype;
  /** Every picture goes through the tower by itself. */
  isGrouped?: boolean;
}

/** No tolerance: peak, peak by label, and what is held from the system. */
export async function expectPlanned(model: PlannedModel, { session: sessionOf, run: more, compute = 'f32', isGrouped = false }: Way): Promise<void> {
  const options: SessionOptions = { baseModel: model.baseModel, ...sessionOf(model) };
  const run = { ...settings, ...more };
  const examples = await model.rows();
  const device = await testDevice();
  const dryDevice = Device.dry(device.capabilities);
  for (const one of [device, dryDevice]) plansOf(one).compute = compute;
  const session = await openSession(nodePlatform, device, options);
  if (isGrouped) Object.assign(session, { model: inGroups(session.model) });
  const source = { length: 2, get: (index: number): Promise<Example> => Promise.resolve(examples[index]!) };
  const evaluator = new RowEvaluator(source, { per_device_eval_batch_size: 2, eval_generate: 0, eval_max_new_tokens: 0, parser: 'robust', seed: 0 });
  const { memory } = await train(session, source, { ...run, gradient_accumulation_steps: 2 }, { tracker: allOf([]), evaluator });

  const dry = await openSession(nodePlatform, dryDevice, options);
  if (isGrouped) Object.assign(dry, { model: inGroups(dry.model) });
  const plan = await planMemory(dry, { examples, settings: run, loggingSteps: 1, evaluation: { examples, prompts: [], maxNewTokens: 0 } });
  for (const opened of [session, dry]) opened.close();
  expect(plan.atPeak).toEqual(memory.atPeak);
  expect(plan.peakBytes).toBe(memory.peakBytes);
  expect(plan.reservedPeakBytes).toBe(memory.reservedPeakBytes);
  expect(memory.reservedPeakBytes).toBeGreaterThanOrEqual(memory.peakBytes);
}
