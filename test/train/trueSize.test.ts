/**
 * One training step of SmolVLM-256M's true shapes, random weights, on the adapter that is here: loss and gradient norm are transformers', the peak of memory is
 * the plan's. test/golden/smolvlm_true_size.py makes the half gigabyte that it needs and says how to run this.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Example } from '../../src/data/example.ts';
import { Device } from '../../src/gpu/device.ts';
import { allOf } from '../../src/track/tracker.ts';
import { planMemory } from '../../src/train/memoryPlan.ts';
import { openSession } from '../../src/train/session.ts';
import type { SessionOptions } from '../../src/train/session.ts';
import { train } from '../../src/train/trainer.ts';
import type { TrainSettings } from '../../src/train/trainSettings.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { tensorsOf } from '../models/golden.ts';
import { integers } from '../models/goldenModel.ts';
import { patchesOf } from '../models/smolvlm/goldenExamples.ts';
import { settings } from './plannedMemory.ts';

const folder = process.env['VERNIER_TRUE_SIZE'];

it.runIf(folder)('a step of SmolVLM-256M: loss to 1e-4, gradient norm to 1e-3, memory to the byte', { timeout: 3_600_000 }, async () => {
  const golden = await tensorsOf(`${folder!}/case.safetensors`);
  const facts = JSON.parse(readFileSync(`${folder!}/case.json`, 'utf8')) as { loss: number; grad_norm: number };
  const inputIds = integers(golden, 'input_ids');
  const example: Example = { inputIds, labels: integers(golden, 'labels'), positionIds: Int32Array.from(inputIds.keys()), ...patchesOf(golden.get('tiles_u8')!, 16, 4) };
  const options: SessionOptions = { baseModel: folder!, initAdapter: `${folder!}/adapter` };
  const one: TrainSettings = { ...settings, max_steps: 1, per_device_train_batch_size: 1, gradient_accumulation_steps: 1, max_grad_norm: 1e9 };

  const device = await testDevice();
  const session = await openSession(nodePlatform, device, options);
  const begun = performance.now();
  const { memory, state } = await train(session, { length: 1, get: () => Promise.resolve(example) }, one, { tracker: allOf([]) });
  const seconds = (performance.now() - begun) / 1000;
  session.close();
  const dry = await openSession(nodePlatform, Device.dry(device.capabilities), options);
  const plan = await planMemory(dry, { examples: [example], settings: one, loggingSteps: 1 });
  dry.close();

  const [row] = state.log_history;
  console.log({ loss: [row!.loss, facts.loss], grad_norm: [row!.grad_norm, facts.grad_norm], seconds, peakBytes: memory.peakBytes, atPeak: memory.atPeak });
  expect(Math.abs(row!.loss! / facts.loss - 1)).toBeLessThanOrEqual(1e-4);
  expect(Math.abs(row!.grad_norm! / facts.grad_norm - 1)).toBeLessThanOrEqual(1e-3);
  expect(plan.atPeak).toEqual(memory.atPeak);
  expect(plan.peakBytes).toBe(memory.peakBytes);
});
