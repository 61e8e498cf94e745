/** What must not change the figures, and what must not grow: weights split over bindings, repeated steps, the memory report. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Example } from '../../src/data/example.ts';
import type { Device } from '../../src/gpu/device.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { generate } from '../../src/models/generate.ts';
import { countLabels, runMicroBatch } from '../../src/train/microBatch.ts';
import { AdamW } from '../../src/train/optimizer.ts';
import type { Session, SessionOptions } from '../../src/train/session.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { goldenPath } from '../io/goldenFolder.ts';
import { Bounds, readGradients, runBatch, withSession } from './golden.ts';
import { floats } from './goldenModel.ts';
import type { GoldenModel } from './goldenModel.ts';

export interface Split {
  id: string;
  /** The least that binds the case's largest activation. */
  maxBindingBytes: number;
  /** A weight that is then in so many parts. */
  split: string;
  parts: number;
}

/** @param savedFactor how many times the peak of a step is higher without checkpointing, at least */
export function memoryTests(model: GoldenModel, splits: readonly Split[], savedFactor = 1.5): void {
  const bounds = new Bounds(model.name);
  const { baseModel } = model;
  const full: SessionOptions = { baseModel, finetuning: { kind: 'full' } };
  const adapter = (variant: string): SessionOptions => ({ baseModel, initAdapter: goldenPath('golden', model.name, 'lora', variant) });
  let device: Device;

  beforeAll(async () => {
    device = await testDevice({ submitMs: 0 }); // submits are counted
  });

  describe('weights split over bindings', () => {
    it.each(splits)('$id within $maxBindingBytes bytes: the golden figures, and the gradients of one piece', async ({ id, maxBindingBytes, split, parts }) => {
      const narrow = await testDevice({ maxBindingBytes });
      const golden = await model.case(id);
      const zeros = model.zeroGradients();
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
          if (split.endsWith('embed_tokens.weight')) expect(session.model.head.tensor.parts.length, 'parts of the head').toBe(parts);
          if (variant === 'full') {
            expect(session.arena.parameters.get(split)!.tensor.parts.length, `parts of ${split}`).toBe(parts);
            const answer = await generate(narrow, session.model, model.promptOf(golden), { maxNewTokens: 5, endIds: [] });
            expect(answer).toEqual(facts.generated.ids.slice(0, 5));
          }
          return differentiate(session);
        });
        for (const [name, gradient] of whole) {
          if (!zeros.has(name)) bounds.expectNear('full.grad', `${id}, ${variant}, ${name}`, pieces.get(name)!, gradient);
        }
      }
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
      const batches = await microBatches(model);
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
      const batches = await microBatches(model);
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
      expect(peaks[1]).toBeGreaterThan(savedFactor * peaks[0]!);
    });
  });
}

/** Micro-batches of one step: text beside two images, and text alone. */
async function microBatches(model: GoldenModel): Promise<Example[][]> {
  const [s09, s10] = await model.cases(['s09_textonly', 's10_twoimages']);
  return [[s09!.example, s10!.example], [s09!.example]];
}

async function trainStep(session: Session, optimizer: AdamW, batches: readonly Example[][], step: number, checkpointing: boolean): Promise<void> {
  const labels = batches.flat().reduce((sum, example) => sum + countLabels(example), 0);
  session.arena.zeroGradients();
  for (const [micro, examples] of batches.entries()) {
    await runMicroBatch(session.device, session.model, examples, {
      grad: true,
      training: true,
      checkpointing,
      random: { seed: 1, step: step * batches.length + micro },
      lossScale: 1 / labels,
      lossSum: optimizer.lossSum,
    });
  }
  optimizer.step(1e-4);
  session.device.flush();
}
