/** What the watchdog says of log rows, and steps without a finite gradient in a real run. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { allOf } from '../../src/track/tracker.ts';
import type { Row, Tracker } from '../../src/track/tracker.ts';
import { windowFigures } from '../../src/train/figures.ts';
import type { StepFigures } from '../../src/train/figures.ts';
import { openSession } from '../../src/train/session.ts';
import { train } from '../../src/train/trainer.ts';
import { Watchdog } from '../../src/train/watchdog.ts';
import { testDevice } from '../gpu/testDevice.ts';

const step = (at: number, skipped = false, loss = 2): StepFigures => ({ step: at, loss, gradNorm: skipped ? NaN : 1, skipped, labels: 4, correct: 1 });
const rows = (...losses: number[]) => losses.map((loss, index) => ({ step: index + 1, epoch: 0, loss }));

describe('Watchdog', () => {
  it('warns of a jump, against the median of the rows before, and of nothing in noise', () => {
    const dog = new Watchdog({});
    expect(dog.look([step(6)], rows(2, 2.2, 1.9, 40, 2.1, 6.5)).warnings.join()).toMatch(/The loss jumped to 6\.500; the median of the 5 rows before is 2\.100/);
    expect(dog.look([step(6)], rows(2, 2.2, 1.9, 2.5, 2.1, 3.9)).warnings).toEqual([]);
    expect(dog.look([step(3)], rows(2, 2, 60)).warnings).toEqual([]);
    expect(dog.look([step(6)], rows(0.01, 0.01, 0.01, 0.01, 0.01, 0.2)).warnings).toEqual([]);
  });

  it('ends a run whose loss stays above the threshold, not one that comes back', () => {
    const dog = new Watchdog({ loss_watchdog_threshold: 5, loss_watchdog_patience: 3 });
    expect(dog.look([step(1)], rows(9, 9)).end).toBeUndefined();
    expect(dog.look([step(1)], rows(9, 9, 4, 9, 9)).end).toBeUndefined();
    expect(dog.look([step(1)], rows(1, 9, NaN, 9)).end?.message).toMatch(/above --loss_watchdog_threshold 5 in 3 rows in a row \(9\.000, NaN, 9\.000\)/);
  });

  it('counts skipped steps over rows and over a break', () => {
    const first = new Watchdog({});
    const { warnings } = first.look([step(1), ...Array.from({ length: 20 }, (_, i) => step(2 + i, true))], rows(2));
    expect(warnings).toEqual(['20 of the last 21 steps had a gradient that is not finite; they were skipped (20 so far).']);
    const resumed = new Watchdog({}, first);
    const end = resumed.look(Array.from({ length: 6 }, (_, i) => step(22 + i, true)), rows(2, 2)).end;
    expect(end?.message).toMatch(/gradients of 25 steps in a row were not finite \(the last is step 26\)/);
    expect(new Watchdog({}, first).look([step(22), ...Array.from({ length: 24 }, (_, i) => step(23 + i, true))], rows(2, 2)).end).toBeUndefined();
  });
});

it('a step without a finite loss does not spoil the mean of the others, and is shown when alone', () => {
  expect(windowFigures([step(1, false, 3), step(2, true, NaN), step(3, false, 1)])).toEqual({ loss: 2, grad_norm: 1, mean_token_accuracy: 0.25 });
  expect(windowFigures([step(2, true, NaN)])).toMatchObject({ loss: NaN, grad_norm: NaN });
});

it('a run whose gradients are never finite is ended with words, and says how many steps it skipped', async () => {
  const golden = process.env['VERNIER_GOLDEN_DIR'] ?? fileURLToPath(new URL('../golden/data', import.meta.url));
  const finetuning = { kind: 'lora' as const, config: loraConfig({ r: 2, target_modules: ['q_proj'] }) };
  const session = await openSession(nodePlatform, await testDevice(), { baseModel: `${golden}/models/qwen2_5_vl-tiny`, finetuning });
  const [name] = session.plan.trained.keys();
  session.arena.writeValues(name!, (await session.arena.readValues(name!)).fill(NaN));
  const conversation = { messages: [{ role: 'user' as const, content: 'How long?' }, { role: 'assistant' as const, content: 'Two.' }], images: [] };
  const example = session.processor.encode(conversation, [], { mask: 'completion' });
  const seen: Row[] = [];
  const warnings: string[] = [];
  const tracker: Tracker = {
    ...allOf([]),
    log: (row) => Promise.resolve(void seen.push(row)),
    event: (_, text) => Promise.resolve(void warnings.push(text)),
  };
  const settings = {
    run_name: 'nan', epoch: 1, max_steps: 60, per_device_train_batch_size: 1, gradient_accumulation_steps: 1, learning_rate: 1e-3, lr_scheduler_type: 'constant' as const,
    warmup_ratio: 0, warmup_steps: 0, max_grad_norm: 1, weight_decay: 0, adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, loss_reduction: 'token' as const,
    shuffle: false, seed: 0, gradient_checkpointing: true, logging_steps: 10, save_steps: -1, save_total_limit: -1,
  };
  const ended = train(session, { length: 1, get: () => Promise.resolve(example) }, settings, { tracker });
  await expect(ended).rejects.toThrow(/gradients of 25 steps in a row were not finite/);
  session.close();
  expect(seen.map((row) => row['skipped_steps'])).toEqual([10, 20, 30]);
  expect(warnings[1]).toBe('10 of the last 10 steps had a gradient that is not finite; they were skipped (20 so far).');
});
