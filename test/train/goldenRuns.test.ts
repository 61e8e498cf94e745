/**
 * The trainer against transformers + PEFT, step by step: losses, gradient norms, learning rates, and where the weights end. Bounds are the issue's: loss 1e-4
 * and norm 1e-3 relative at every step, final weights' rms error 1e-3 of the rms update.
 */
import { readFileSync, existsSync, readdirSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Example } from '../../src/data/example.ts';
import type { Device } from '../../src/gpu/device.ts';
import { toFloat32 } from '../../src/io/safetensors.ts';
import { allOf } from '../../src/track/tracker.ts';
import { train } from '../../src/train/trainer.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { goldenPath } from '../io/goldenFolder.ts';
import { gemma } from '../models/gemma3/goldenExamples.ts';
import { qwen } from '../models/qwen2_5_vl/goldenExamples.ts';
import { qwen3 } from '../models/qwen3_vl/goldenExamples.ts';
import { smolvlm } from '../models/smolvlm/goldenExamples.ts';
import { openRun, plain, runExamples, settingsOf, tensorsOf } from './goldenRun.ts';
import type { Run } from './goldenRun.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

describe.each([qwen, gemma, qwen3, smolvlm])('runs of the reference, repeated: $name', (model) => {
  const runs = goldenPath('golden', model.name, 'runs');
  const names = readdirSync(runs);
  const zeros = model.zeroGradients();
  it('has all six', () => {
    expect(names).toEqual(expect.arrayContaining(['full_ft', 'lora_b_zero_init', 'lora_dora', 'lora_epoch_remainder', 'lora_micro_mean', 'lora_token_mean']));
  });
  for (const runName of names) {
    const folder = `${runs}/${runName}`;
    it(`${runName}: loss, norm and weights`, { timeout: 240_000 }, async () => {
      const run = JSON.parse(readFileSync(`${folder}/run.json`, 'utf8')) as Run;
      const session = await openRun(device, model, run, folder);
      const start = new Map<string, Float32Array>();
      for (const parameter of session.plan.trained.keys()) start.set(parameter, await session.arena.readValues(parameter));
      const examples = await runExamples(model, session, run);
      const source = { length: examples.length, get: (i: number): Promise<Example> => Promise.resolve(examples[i]!) };
      const result = await train(session, source, settingsOf(run), { tracker: allOf([]) });

      const rows = result.state.log_history;
      expect(rows).toHaveLength(run.steps);
      const lossError = Math.max(...rows.map((row, i) => Math.abs(row.loss! - run.history[i]!.loss) / run.history[i]!.loss));
      const normError = Math.max(...rows.map((row, i) => Math.abs(row.grad_norm! - run.history[i]!.grad_norm) / run.history[i]!.grad_norm));
      rows.forEach((row, i) => {
        expect(row.learning_rate).toBeCloseTo(run.history[i]!.lr, 12);
      });
      expect(lossError, 'loss').toBeLessThanOrEqual(1e-4);
      expect(normError, 'gradient norm').toBeLessThanOrEqual(1e-3);

      const end = run.kind === 'full' ? `${folder}/model_final.safetensors` : `${folder}/adapter_final/adapter_model.safetensors`;
      if (existsSync(end)) {
        let error = 0;
        let update = 0;
        for (const [key, { raw, dtype }] of await tensorsOf(end)) {
          const parameter = plain(model, key);
          const before = start.get(parameter);
          // A full model's file also holds what this run's plan calls by another name; and Adam makes whole steps out of gradients that are only rounding.
          if (!before || zeros.has(parameter)) continue;
          const wanted = toFloat32(raw, dtype, key);
          const got = await session.arena.readValues(parameter);
          for (let i = 0; i < wanted.length; i++) {
            error += (got[i]! - wanted[i]!) ** 2;
            update += (wanted[i]! - before[i]!) ** 2;
          }
        }
        expect(update).toBeGreaterThan(0);
        expect(Math.sqrt(error / update), 'rms error over rms update').toBeLessThanOrEqual(1e-3);
      }
      session.close();
    });
  }
});
