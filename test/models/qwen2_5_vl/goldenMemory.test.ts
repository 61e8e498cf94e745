/** What must not change the figures, and what must not grow: weights split over bindings, repeated steps, the memory report. */
import { beforeAll, describe, expect, it } from 'vitest';
import { counterHash } from '../../../src/data/random.ts';
import type { Example } from '../../../src/data/example.ts';
import type { Device } from '../../../src/gpu/device.ts';
import { Tensor } from '../../../src/gpu/tensor.ts';
import { loraConfig } from '../../../src/io/peftConfig.ts';
import { generate } from '../../../src/models/generate.ts';
import { allocateRows } from '../../../src/models/weights.ts';
import { embed } from '../../../src/ops/embed.ts';
import { headLoss } from '../../../src/ops/headLoss.ts';
import { Tape } from '../../../src/ops/tape.ts';
import { countLabels, runMicroBatch } from '../../../src/train/microBatch.ts';
import { AdamW } from '../../../src/train/optimizer.ts';
import type { Session, SessionOptions } from '../../../src/train/session.ts';
import { testDevice } from '../../gpu/testDevice.ts';
import { goldenPath } from '../../io/goldenFolder.ts';
import { Bounds, readGradients, runBatch, withSession } from '../golden.ts';
import { floats, goldenCase, MODEL, promptOf } from './goldenExamples.ts';

const bounds = new Bounds(MODEL);
const baseModel = goldenPath('models', MODEL);
const full: SessionOptions = { baseModel, finetuning: { kind: 'full' } };
const adapter = (variant: string): SessionOptions => ({ baseModel, initAdapter: goldenPath('golden', MODEL, 'lora', variant) });
let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

describe('weights split over bindings', () => {
  // The least that binds the largest activation: 80 tokens × 128 features, and 48 patches × 1176 pixels.
  it.each([
    { id: 's09_textonly', maxBindingBytes: 80 * 128 * 4, split: 'model.language_model.embed_tokens.weight', parts: 4 },
    { id: 's01_single', maxBindingBytes: 48 * 1176 * 4, split: 'model.visual.patch_embed.proj.weight', parts: 2 },
  ])('$id within $maxBindingBytes bytes: the golden figures, and the gradients of one piece', async ({ id, maxBindingBytes, split, parts }) => {
    const narrow = await testDevice({ maxBindingBytes });
    const golden = await goldenCase(id);
    const { example, tensors, facts } = golden;
    for (const [variant, options] of Object.entries({ full, dora: adapter('dora'), modules_to_save: adapter('modules_to_save') })) {
      const differentiate = async (session: Session): Promise<Map<string, Float32Array>> => {
        const run = await runBatch(session, [example], { grad: true, lossScale: 1 / countLabels(example) });
        if (variant === 'full') {
          bounds.expectNear('forward.logits', `${id} logits`, run.logits, floats(tensors, 'logits_completion'));
          bounds.expectNear('loss', `${id} loss`, [run.loss], [facts.loss_completion.f64]);
        }
        return readGradients(session);
      };
      const whole = await withSession(device, options, differentiate);
      const pieces = await withSession(narrow, options, async (session) => {
        if (id === 's09_textonly') expect(session.model.head.tensor.parts.length, 'parts of the head').toBe(parts);
        if (variant === 'full') {
          expect(session.arena.parameters.get(split)!.tensor.parts.length, `parts of ${split}`).toBe(parts);
          const answer = await generate(narrow, session.model, promptOf(golden), { maxNewTokens: 5, endIds: [] });
          expect(answer).toEqual(facts.generated.ids.slice(0, 5));
        }
        return differentiate(session);
      });
      for (const [name, gradient] of whole) bounds.expectNear('full.grad', `${id}, ${variant}, ${name}`, pieces.get(name)!, gradient);
    }
  });

  it('an embedding of 36 MB, the head too, on an adapter that binds 32 MiB', async () => {
    const V = 140_000;
    const C = 64;
    const table = Float32Array.from({ length: V * C }, (_, i) => (counterHash(3, 0, 0, i) / 2 ** 31 - 1) / 4);
    const narrow = await testDevice({ maxBindingBytes: 32 * 2 ** 20 });
    const results = [];
    for (const on of [device, narrow]) {
      const parts = allocateRows(on, V, C * 4, 'weights');
      for (const { view, rowStart, rows } of parts) on.write(view, table.subarray(rowStart * C, (rowStart + rows) * C));
      const weight = { name: 'table', tensor: new Tensor([V, C], 'f32', parts) };
      // The first and last rows of either part, and a word of each part to predict.
      const ids = Uint32Array.of(0, V / 2 - 1, V / 2, V - 1);
      const upload = (data: Float32Array | Uint32Array): Tensor => on.upload(data, [data.length], 'test');
      const [words, rows, labels] = [upload(ids), upload(Uint32Array.of(1, 3)), upload(Uint32Array.of(5, V - 7))];
      const lossSum = upload(new Float32Array(2));
      const t = new Tape(on, { grad: true });
      const hidden = embed(t, words, weight);
      expect(await on.readF32(hidden)).toEqual(Float32Array.from([...ids].flatMap((id) => [...table.subarray(id * C, (id + 1) * C)])));
      hidden.requiresGrad = true;
      t.backward(headLoss(t, hidden, weight, { count: 2, rows, labels }, { lossScale: 0.5, lossSum }));
      const [loss] = await on.readF32(lossSum);
      const gradient = t.takeGradient(hidden)!;
      results.push({ parts: parts.length, loss: loss!, gradient: await on.readF32(gradient) });
      t.release();
      for (const { view } of [...parts, words, rows, labels, lossSum, gradient]) on.pool.release(view);
    }
    const [whole, pieces] = results;
    expect([whole!.parts, pieces!.parts]).toEqual([1, 2]);
    expect(pieces!.loss).toBe(whole!.loss);
    bounds.expectNear('full.grad', 'gradient of the hidden state', pieces!.gradient, whole!.gradient);
  });
});

describe('a step like the one before', () => {
  interface Setting {
    name: string;
    options: SessionOptions;
    checkpointing: boolean;
  }
  const dropout = loraConfig({ target_modules: 'all-linear', lora_dropout: 0.1 });
  const settings: Setting[] = [
    { name: 'LoRA', options: { baseModel, finetuning: { kind: 'lora', config: dropout } }, checkpointing: true },
    { name: 'LoRA, no checkpointing', options: adapter('all_linear'), checkpointing: false },
    { name: 'DoRA', options: adapter('dora'), checkpointing: true },
    { name: 'trained embedding and head', options: adapter('modules_to_save'), checkpointing: true },
    { name: 'full', options: full, checkpointing: true },
  ];

  interface StepRecord {
    submits: number;
    buffers: number;
    bindGroups: number;
    heldBytes: number;
  }
  /** Equal steps from an empty pool, and the bytes in use before them. */
  async function equalSteps(count: number, { options, checkpointing }: Setting): Promise<{ held: number; steps: StepRecord[]; microSteps: number }> {
    device.trim();
    const batches = await microBatches();
    return withSession(device, options, async (session) => {
      const optimizer = new AdamW(device, session.arena, { maxGradNorm: 0.3 });
      const held = device.pool.report().inUseBytes;
      const steps: StepRecord[] = [];
      for (let step = 1; step <= count; step++) {
        const before = { ...device.counters };
        await trainStep(session, optimizer, batches, step, checkpointing);
        await device.finish();
        const { counters, pool } = device;
        steps.push({
          submits: counters.submits - before.submits,
          buffers: counters.buffersCreated - before.buffersCreated,
          bindGroups: counters.bindGroupsCreated - before.bindGroupsCreated,
          heldBytes: pool.report().inUseBytes,
        });
      }
      optimizer.release();
      return { held, steps, microSteps: batches.length };
    });
  }
  const nothingNew = (steps: readonly StepRecord[]): void => {
    expect(steps.map(({ buffers, bindGroups }) => ({ buffers, bindGroups }))).toEqual(steps.map(() => ({ buffers: 0, bindGroups: 0 })));
  };

  it.each(settings)('$name: submits little, leaves nothing behind, and makes nothing new from the second step on', async (setting) => {
    const { held, steps, microSteps } = await equalSteps(3, setting);
    for (const { submits, heldBytes } of steps) {
      expect(heldBytes).toBe(held);
      expect(submits).toBeLessThanOrEqual(4 * microSteps);
    }
    nothingNew(steps.slice(1));
  });

  it('the memory report adds up, and checkpointing saves what it is for', async () => {
    const batches = await microBatches();
    const peaks: number[] = [];
    for (const checkpointing of [true, false]) {
      await withSession(device, adapter('all_linear'), async (session) => {
        const optimizer = new AdamW(device, session.arena);
        device.pool.resetPeak();
        const { inUseBytes: held } = device.pool.report();
        await trainStep(session, optimizer, batches, 1, checkpointing);
        await device.finish();
        const { atPeak, peakBytes, peakByLabel, inUseBytes, reservedBytes } = device.pool.report();
        expect(Object.values(atPeak).reduce((sum, bytes) => sum + bytes, 0)).toBe(peakBytes);
        for (const [label, bytes] of Object.entries(atPeak)) expect(peakByLabel[label], label).toBeGreaterThanOrEqual(bytes);
        expect(inUseBytes).toBe(held);
        expect(peakBytes).toBeGreaterThan(held);
        expect(reservedBytes).toBeGreaterThanOrEqual(peakBytes);
        const { adapters, gradients, weights, scratch, batch } = atPeak;
        expect(adapters).toBe(gradients);
        expect(weights).toBeGreaterThan(0);
        expect(scratch).toBeGreaterThan(0);
        expect(batch).toBeGreaterThan(0);
        expect('saved inputs' in peakByLabel && peakByLabel['saved inputs']! > 0).toBe(checkpointing);
        peaks.push(peakBytes);
        optimizer.release();
      });
    }
    expect(peaks[1]).toBeGreaterThan(1.5 * peaks[0]!);
  });
});

/** Micro-batches of one step: text beside two images, and text alone. */
async function microBatches(): Promise<Example[][]> {
  const [s09, s10] = await Promise.all(['s09_textonly', 's10_twoimages'].map(goldenCase));
  return [[s09!.example, s10!.example], [s09!.example]];
}

async function trainStep(session: Session, optimizer: AdamW, batches: readonly Example[][], step: number, checkpointing: boolean): Promise<void> {
  const labels = batches.flat().reduce((sum, example) => sum + countLabels(example), 0);
  session.arena.zeroGradients();
  for (const [micro, examples] of batches.entries()) {
    await runMicroBatch(device, session.model, examples, {
      grad: true,
      training: true,
      checkpointing,
      random: { seed: 1, step: step * batches.length + micro },
      lossScale: 1 / labels,
      lossSum: optimizer.lossSum,
    });
  }
  optimizer.step(1e-4);
  device.flush();
}
