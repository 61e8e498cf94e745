/** Results do not depend on how the work is cut into submits, nor on whether a dispatch is made at once or in pieces. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Conversation, Example } from '../../src/data/example.ts';
import type { Device, DeviceOptions } from '../../src/gpu/device.ts';
import type { Tensor } from '../../src/gpu/tensor.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { attention, uploadRanges } from '../../src/ops/attention.ts';
import { causalRanges } from '../../src/ops/attentionRanges.ts';
import { matmulNN, matmulNT, matmulTN } from '../../src/ops/matmul.ts';
import { Tape } from '../../src/ops/tape.ts';
import { allOf } from '../../src/track/tracker.ts';
import { openSession } from '../../src/train/session.ts';
import { train } from '../../src/train/trainer.ts';
import type { TrainSettings } from '../../src/train/trainSettings.ts';
import { testDevice } from './testDevice.ts';

const golden = process.env['VERNIER_GOLDEN_DIR'] ?? fileURLToPath(new URL('../golden/data', import.meta.url));
/** So short that every dispatch is a submit and every one that can be cut is in as many pieces as it has workgroups. */
const SHORTEST = 1e-9;

type Bits = Record<string, Uint8Array>;

function values(shape: readonly number[], seed: number): Float32Array {
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(seed + i * 1.7) * 0.5);
}

function tensor(device: Device, shape: readonly number[], seed: number): Tensor {
  const t = device.upload(values(shape, seed), shape, 'test');
  t.requiresGrad = true;
  return t;
}

async function bitsOf(device: Device, tensors: Record<string, Tensor>): Promise<Bits> {
  const out: Bits = {};
  for (const [name, t] of Object.entries(tensors)) out[name] = new Uint8Array((await device.readF32(t)).buffer);
  return out;
}

/** The three products with all that may be in them, over several tiles both ways and with a sum that is cut. */
async function products(device: Device): Promise<Bits> {
  const [m, n, k, rank] = [70, 270, 96, 8];
  const t = (shape: readonly number[], seed: number): Tensor => tensor(device, shape, seed);
  const dropout = { seed: 1, stream: 2, step: 3, rate: 0.25 };
  const [a, w, bias, lowA, lowW] = [t([m, k], 1), t([n, k], 2), t([n], 3), t([m, rank], 4), t([n, rank], 5)];
  const [nt, nn, tn, few, long] = [t([m, n], 6), t([m, k], 7), t([n, k], 8), t([2, n], 9), t([16, n], 10)];
  matmulNT(device, a, w, nt, { bias, lowRank: { a: lowA, w: lowW }, dropout, scale: 0.5, accumulate: true });
  matmulNN(device, nt, w, nn, { dropout: { ...dropout, over: 'all' }, accumulate: true });
  matmulTN(device, nt, a, tn, { dropout });
  matmulNT(device, t([2, k], 11), w, few, { bias });
  matmulNN(device, t([16, 1040], 12), t([1040, n], 13), long);
  return bitsOf(device, { nt, nn, tn, few, long });
}

async function attentionWithGradients(device: Device): Promise<Bits> {
  const [T, H, KV, D] = [150, 4, 2, 24];
  const [q, k, v] = [tensor(device, [T, H, D], 1), tensor(device, [T, KV, D], 2), tensor(device, [T, KV, D], 3)];
  const tape = new Tape(device, { grad: true });
  const y = attention(tape, q, k, v, uploadRanges(device, causalRanges([90, 60]), T, 'test'), { scale: 0.2 });
  const before = await bitsOf(device, { y });
  tape.backward(y, tensor(device, [T, H, D], 4));
  const [dq, dk, dv] = [q, k, v].map((x) => tape.takeGradient(x)!);
  return { ...before, ...(await bitsOf(device, { dq: dq!, dk: dk!, dv: dv! })) };
}

describe.each<[string, DeviceOptions]>([
  ['with subgroups', {}],
  ['without subgroups', { without: ['subgroups'] }],
])('a dispatch in pieces, %s', (_, options) => {
  let whole: Device;
  let cut: Device;
  beforeAll(async () => {
    whole = await testDevice({ ...options, submitMs: 0 });
    cut = await testDevice({ ...options, submitMs: SHORTEST });
  });

  it.each([
    ['products', products],
    ['attention', attentionWithGradients],
  ])('gives the bits of one at once: %s', async (__, compute) => {
    const before = { ...cut.counters };
    const [expected, found] = [await compute(whole), await compute(cut)];
    expect(found).toEqual(expected);
    expect(Object.values(expected).every((bytes) => new Float32Array(bytes.buffer).some((value) => value !== 0))).toBe(true);
    expect(cut.counters.dispatches - before.dispatches).toBeGreaterThan(10 + whole.counters.dispatches);
    expect(cut.counters.submits - before.submits).toBeGreaterThanOrEqual(cut.counters.dispatches - before.dispatches);
  });
});

const settings: TrainSettings = {
  run_name: 'submits', epoch: 1, max_steps: 3, per_device_train_batch_size: 2, gradient_accumulation_steps: 1, learning_rate: 1e-2, lr_scheduler_type: 'constant',
  warmup_ratio: 0, warmup_steps: 0, max_grad_norm: 1, weight_decay: 0, adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, loss_reduction: 'token',
  shuffle: false, seed: 3, gradient_checkpointing: true, logging_steps: 1, save_steps: -1, save_total_limit: -1,
};

/** Losses, norms and the adapter of a short run on a picture and text. */
async function run(model: string, submitMs: number): Promise<{ losses: unknown[]; adapter: Bits; submits: number; dispatches: number }> {
  const device = await testDevice({ submitMs });
  const config = loraConfig({ r: 4, lora_dropout: 0.1, target_modules: 'all-linear' });
  const session = await openSession(nodePlatform, device, { baseModel: `${golden}/models/${model}`, finetuning: { kind: 'lora', config }, seed: 5 });
  const lines = readFileSync(`${golden}/data/dataset.jsonl`, 'utf8').split('\n').filter((line) => line !== '');
  const rows = lines.slice(0, 2).map((line) => JSON.parse(line) as Conversation);
  const examples = await Promise.all(
    rows.map(async (row): Promise<Example> => {
      const paths = row.images.map((image) => `${golden}/data/${String(image)}`);
      const images = await Promise.all(paths.map(async (path) => nodePlatform.decodeImage(await nodePlatform.readFile(path), path)));
      return session.processor.encode(row, images, { mask: 'completion' });
    }),
  );
  const before = { ...device.counters };
  const { state } = await train(session, { length: 2, get: (i) => Promise.resolve(examples[i]!) }, settings, { tracker: allOf([]) });
  const { submits, dispatches } = device.counters;
  const tensors = Object.fromEntries([...session.arena.parameters].map(([name, parameter]) => [name, parameter.tensor]));
  const adapter = await bitsOf(device, tensors);
  session.close();
  return { losses: state.log_history, adapter, submits: submits - before.submits, dispatches: dispatches - before.dispatches };
}

it.each(['qwen2_5_vl-tiny', 'gemma3-tiny'])('a run is the same to the bit whatever --submit_ms: %s', { timeout: 400_000 }, async (model) => {
  const uncut = await run(model, 0);
  expect(uncut.losses).toHaveLength(3);
  for (const submitMs of [100, 0.5]) {
    const { losses, adapter, submits, dispatches } = await run(model, submitMs);
    expect(losses).toEqual(uncut.losses);
    expect(adapter).toEqual(uncut.adapter);
    if (submitMs < 1) {
      expect(submits).toBeGreaterThan(uncut.submits * 10);
      expect(dispatches).toBeGreaterThan(uncut.dispatches);
    }
  }
});
