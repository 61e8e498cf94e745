/** What does not stay on the GPU gives the same run, to the bit: losses, norms, adapters and moments over ten steps, and those of a run that was broken off and resumed. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Example } from '../../src/data/example.ts';
import type { Device } from '../../src/gpu/device.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { generateBatch } from '../../src/models/generate.ts';
import { allOf } from '../../src/track/tracker.ts';
import type { Tracker } from '../../src/track/tracker.ts';
import { newestCheckpoint } from '../../src/train/resume.ts';
import { openSession } from '../../src/train/session.ts';
import type { Offload, SessionOptions } from '../../src/train/session.ts';
import { train } from '../../src/train/trainer.ts';
import type { TrainSettings } from '../../src/train/trainSettings.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { goldenPath } from '../io/goldenFolder.ts';
import { gemma } from '../models/gemma3/goldenExamples.ts';
import type { GoldenModel } from '../models/goldenModel.ts';
import { qwen } from '../models/qwen2_5_vl/goldenExamples.ts';

const STEPS = 10;
const settings: TrainSettings = {
  run_name: 'offload', epoch: 1, max_steps: STEPS, per_device_train_batch_size: 1, gradient_accumulation_steps: 2, learning_rate: 2e-3, lr_scheduler_type: 'cosine',
  warmup_ratio: 0.1, warmup_steps: 0, max_grad_norm: 0.5, weight_decay: 0.01, adam_beta1: 0.9, adam_beta2: 0.99, adam_epsilon: 1e-8, loss_reduction: 'token',
  shuffle: true, seed: 5, gradient_checkpointing: true, logging_steps: 1, save_steps: 4, save_total_limit: -1,
};

const own = (name: string): string => fileURLToPath(new URL(`../golden/nf4/${name}`, import.meta.url));

const scratch = mkdtempSync(join(tmpdir(), 'vernier-offload-'));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

const lora = (more: object = {}): NonNullable<SessionOptions['finetuning']> => ({ kind: 'lora', config: loraConfig({ r: 4, lora_dropout: 0.1, target_modules: 'all-linear', ...more }) });

interface Outcome {
  history: unknown[];
  /** SHA-256 of the last checkpoint's weights and moments. */
  files: string[];
  answer: number[];
}

/** @param stopAt the step after which a first process ends, and a second goes on from its checkpoint */
async function run(
  model: Pick<GoldenModel, 'name' | 'baseModel' | 'cases'>,
  name: string,
  options: Omit<SessionOptions, 'baseModel'>,
  { stopAt, on = device, ids = ['s09_textonly', 's10_twoimages', 's09_textonly'] }: { stopAt?: { step: number; then: Offload }; on?: Device; ids?: string[] } = {},
): Promise<Outcome> {
  const examples = (await model.cases(ids)).map((golden) => golden!.example);
  const source = { length: 3, get: (index: number): Promise<Example> => Promise.resolve(examples[index]!), fingerprint: () => Promise.resolve('rows') };
  const outputDir = join(scratch, model.name, name);
  const session = await openSession(nodePlatform, on, { baseModel: model.baseModel, ...options });
  const stop = new AbortController();
  const stopper: Tracker = { ...allOf([]), progress: ({ step }) => { if (step === stopAt?.step) stop.abort(); } };
  let { state } = await train(session, source, settings, { tracker: stopper, outputDir, stop: stop.signal });
  let open = session;
  if (stopAt) {
    session.close();
    open = await openSession(nodePlatform, on, { baseModel: model.baseModel, ...options, offload: stopAt.then });
    const checkpoint = await newestCheckpoint(nodePlatform, outputDir, () => undefined);
    ({ state } = await train(open, source, settings, { tracker: allOf([]), outputDir, resume: { checkpoint: checkpoint! } }));
  }
  const last = join(outputDir, `checkpoint-${STEPS}`);
  const weights = open.plan.config ? 'adapter_model.safetensors' : 'model.safetensors';
  const files = [weights, 'optimizer.safetensors'].map((file) => createHash('sha256').update(readFileSync(join(last, file))).digest('hex'));
  const [answer] = await generateBatch(on, open.model, [examples[1]!], { maxNewTokens: 5, endIds: [] });
  open.close();
  return { history: state.log_history.map(({ loss, grad_norm }) => ({ loss, grad_norm })), files, answer: answer!.ids };
}

describe.each([qwen, gemma])('a run with what it needs elsewhere is the run with all of it here: $name', (model) => {
  it('an adapter: weights, optimizer, all; broken off and resumed', async () => {
    const held = device.pool.report().inUseBytes;
    const plain = await run(model, 'plain', { finetuning: lora() });
    expect(plain.history).toHaveLength(STEPS);
    expect(plain.history[0]).not.toEqual(plain.history[9]);
    for (const offload of ['weights', 'optimizer', 'all'] as const) expect(await run(model, offload, { finetuning: lora(), offload }), offload).toEqual(plain);
    expect(await run(model, 'resumed', { finetuning: lora(), offload: 'all' }, { stopAt: { step: 5, then: 'all' } }), 'resumed').toEqual(plain);
    expect(await run(model, 'changed', { finetuning: lora(), offload: 'all' }, { stopAt: { step: 5, then: 'none' } }), 'resumed without').toEqual(plain);
    expect(device.pool.report().inUseBytes).toBe(held);
  });

  it('a table in several parts, and weights that are split', async () => {
    // As little as binds the rows' largest activation.
    const [maxBindingBytes, other] = model === qwen ? [80 * 128 * 4, 's09_textonly'] : [64 * 588 * 4, 's01_single'];
    const narrow = { on: await testDevice({ maxBindingBytes }), ids: ['s09_textonly', other, 's09_textonly'] };
    const plain = await run(model, 'narrow', { finetuning: lora() }, narrow);
    expect(await run(model, 'narrow-weights', { finetuning: lora(), offload: 'weights' }, narrow)).toEqual(plain);
    expect(await run(model, 'narrow-again', { finetuning: lora(), offload: 'weights' }), 'other rows give other figures').not.toEqual(plain);
  });

  it('over weights in 4 bits', async () => {
    const options = { finetuning: lora(), quantization: { weights: 'nf4', skipModules: [], embedding: 'none' } } as const;
    expect(await run(model, 'nf4-all', { ...options, offload: 'all' })).toEqual(await run(model, 'nf4', options));
  });

  it('DoRA, whose norms need the weights too', async () => {
    const finetuning = lora({ use_dora: true });
    expect(await run(model, 'dora-all', { finetuning, offload: 'all' })).toEqual(await run(model, 'dora', { finetuning }));
  });

  it('NF4, quantised while loading and stored so', async () => {
    const quantization = { weights: 'nf4', skipModules: ['lm_head'], embedding: 'none' } as const;
    expect(await run(model, 'nf4-all', { finetuning: lora(), quantization, offload: 'all' })).toEqual(await run(model, 'nf4', { finetuning: lora(), quantization }));
    const stored = { ...model, baseModel: model === qwen ? goldenPath('models', `${qwen.name}-bnb-4bit`) : own('gemma3-tiny-bnb-4bit'), cases: model.cases.bind(model) };
    const examples = await run(stored, 'stored', { finetuning: lora() });
    expect(await run(stored, 'stored-weights', { finetuning: lora(), offload: 'weights' })).toEqual(examples);
  });

  it('every weight: moments elsewhere', async () => {
    expect(await run(model, 'full-all', { finetuning: { kind: 'full' }, offload: 'all' })).toEqual(await run(model, 'full', { finetuning: { kind: 'full' } }));
  });
});
