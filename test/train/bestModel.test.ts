/** Evaluations in the training loop: when they come, which is the best, where it is kept, and when the run ends early. The evaluator follows a script. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { UserError } from '../../src/platform.ts';
import type { Row, Tracker } from '../../src/track/tracker.ts';
import { allOf } from '../../src/track/tracker.ts';
import { BestModel } from '../../src/train/bestModel.ts';
import { readTrainerState, trainerState } from '../../src/train/checkpointFolder.ts';
import type { Evaluator } from '../../src/train/evaluator.ts';
import { openCheckpoint } from '../../src/train/resume.ts';
import type { SavedCheckpoint } from '../../src/train/saving.ts';
import { openSession } from '../../src/train/session.ts';
import type { Session } from '../../src/train/session.ts';
import { train } from '../../src/train/trainer.ts';
import type { TrainSettings } from '../../src/train/trainSettings.ts';
import type { TrainResult, TrainSurroundings } from '../../src/train/trainer.ts';
import { testDevice } from '../gpu/testDevice.ts';

const golden = process.env['VERNIER_GOLDEN_DIR'] ?? fileURLToPath(new URL('../golden/data', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'vernier-best-'));
const settings: TrainSettings = {
  run_name: 'best', epoch: 1, max_steps: 8, per_device_train_batch_size: 1, gradient_accumulation_steps: 1, learning_rate: 5e-3, lr_scheduler_type: 'constant',
  warmup_ratio: 0, warmup_steps: 0, max_grad_norm: 1, weight_decay: 0, adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, loss_reduction: 'token',
  shuffle: false, seed: 0, gradient_checkpointing: true, logging_steps: 4, save_steps: 3, save_total_limit: -1, eval_steps: 2,
};

let session: Session;
beforeAll(async () => {
  const finetuning = { kind: 'lora' as const, config: loraConfig({ r: 2, target_modules: ['q_proj'] }) };
  session = await openSession(nodePlatform, await testDevice(), { baseModel: `${golden}/models/qwen2_5_vl-tiny`, finetuning });
});
afterAll(() => {
  session.close();
  rmSync(scratch, { recursive: true, force: true });
});

/** Trains with evaluations whose figures are given for each step. */
async function run(name: string, figures: Record<number, Row | number>, more: Partial<TrainSettings> = {}, around: Partial<TrainSurroundings> = {}) {
  const asked: number[] = [];
  const events: string[] = [];
  const evaluator: Evaluator = {
    evaluate(_, { step }) {
      asked.push(step);
      const found = figures[step] ?? 9;
      return Promise.resolve(typeof found === 'number' ? { eval_loss: found } : found);
    },
  };
  const tracker: Tracker = { ...allOf([]), event: (level, text) => Promise.resolve(void events.push(`${level}: ${text}`)) };
  const conversation = { messages: [{ role: 'user' as const, content: 'How long?' }, { role: 'assistant' as const, content: 'Two.' }], images: [] };
  const example = session.processor.encode(conversation, [], { mask: 'completion' });
  const outputDir = join(scratch, name);
  const source = { length: 1, get: () => Promise.resolve(example) };
  const result: TrainResult = await train(session, source, { ...settings, ...more }, { tracker, evaluator, outputDir, ...around });
  const checkpoints = readdirSync(outputDir).flatMap((file) => /^checkpoint-(\d+)$/.exec(file)?.[1] ?? []).map(Number).sort((a, b) => a - b);
  const weights = (dir: string): Buffer => readFileSync(join(outputDir, dir, 'adapter_model.safetensors'));
  return { asked, events, result, outputDir, checkpoints, weights };
}

describe('evaluations', () => {
  it('come before the first step, every eval_steps, and after the last', async () => {
    expect((await run('steps', {}, { max_steps: 5 })).asked).toEqual([0, 2, 4, 5]);
    expect((await run('epochs', {}, { max_steps: 3, eval_strategy: 'epoch' })).asked).toEqual([0, 1, 2, 3]);
    expect((await run('late', {}, { max_steps: 3, eval_on_start: false })).asked).toEqual([2, 3]);
    expect((await run('never', {}, { max_steps: 3, eval_strategy: 'no' })).asked).toEqual([]);
  });

  it('are rows of the history, and name the best in trainer_state.json', async () => {
    const { result, outputDir } = await run('rows', { 0: 1, 2: 5, 4: 3, 6: 4, 8: 6 });
    expect(result.state.log_history.filter((row) => row['eval_loss'] !== undefined)).toEqual(
      [[0, 1], [2, 5], [4, 3], [6, 4], [8, 6]].map(([step, loss]) => ({ step, epoch: step, eval_loss: loss })),
    );
    const state = await readTrainerState(nodePlatform, outputDir);
    // Saved were steps 3, 6 and 8: of those with an evaluation, 6 is the best. The base model (step 0) does not compete.
    expect(state).toMatchObject({ best_metric: 3, best_global_step: 4, best_model_checkpoint: 'checkpoint-6', eval_steps: 2 });
  });

  it('must have the metric that is asked for, which is told before the first step', async () => {
    const ended = run('metric', { 0: { eval_loss: 1, eval_AD_mae: 2 } }, { metric_for_best_model: 'AD_mre' });
    await expect(ended).rejects.toThrow(UserError);
    await expect(ended).rejects.toThrow('--metric_for_best_model eval_AD_mre: the evaluation has no such figure. It has eval_loss, eval_AD_mae.');
    expect(readdirSync(join(scratch, 'metric'))).toEqual([]);
  });
});

describe('the best model', () => {
  it('is saved when it is seen, kept by save_total_limit, and the result', async () => {
    const { checkpoints, weights, events, outputDir } = await run('load', { 2: 5, 4: 3, 6: 4, 8: 6 }, { load_best_model_at_end: true, save_total_limit: 1, save_steps: 1 });
    expect(checkpoints).toEqual([4, 8]);
    expect(weights('.')).toEqual(weights('checkpoint-4'));
    expect(weights('.')).not.toEqual(weights('checkpoint-8'));
    expect(events).toContain(`info: The result is the best model: ${join(outputDir, 'checkpoint-4')}, with 3.`);
    expect(await readTrainerState(nodePlatform, outputDir)).toMatchObject({ global_step: 8, best_model_checkpoint: 'checkpoint-4' });
  });

  it('that was damaged in the meantime is told, and the last is the result', async () => {
    const spoil = ({ path, step }: SavedCheckpoint): undefined => {
      if (step === 2) writeFileSync(join(path, 'adapter_model.safetensors'), 'x');
    };
    const { weights, events } = await run('spoilt', { 2: 1 }, { load_best_model_at_end: true, max_steps: 4 }, { onSaved: spoil });
    expect(weights('.')).toEqual(weights('checkpoint-4'));
    expect(events.join('\n')).toMatch(/warning: --load_best_model_at_end: .*checkpoint-2 is damaged: .*adapter_model\.safetensors has 1 bytes, .* The last model is the result/);
  });

  it('of a run that goes on in another folder lies beside what it went on from, or where an older state says', async () => {
    const more = { load_best_model_at_end: true, save_steps: 2, max_steps: 4 };
    const before = await run('before', { 2: 1, 4: 5 }, more);
    const checkpoint = await openCheckpoint(nodePlatform, join(before.outputDir, 'checkpoint-4'));
    const best = join(before.outputDir, 'checkpoint-2');
    for (const named of ['checkpoint-2', best]) {
      const moved = { ...checkpoint, trainerState: { ...checkpoint.trainerState, best_model_checkpoint: named } };
      const { events, outputDir } = await run(`elsewhere ${named.length}`, {}, { ...more, max_steps: 6 }, { resume: { checkpoint: moved } });
      expect(events).toContain(`info: The result is the best model: ${best}, with 1.`);
      expect(await readTrainerState(nodePlatform, outputDir)).toMatchObject({ best_model_checkpoint: 'checkpoint-2' });
    }
  });

  it.each([
    ['loss', undefined, [3, 2, 4], 2],
    ['eval_AD_mae', undefined, [3, 2, 4], 2],
    ['AD_mae_mm', undefined, [3, 2, 4], 2],
    ['eval_TL_nmae', undefined, [3, 2, 4], 2],
    ['Detection_iou', undefined, [3, 2, 4], 3],
    ['Detection_iou_.50:.95', undefined, [3, 2, 4], 3],
    ['AD_mre<0.1', undefined, [3, 2, 4], 3],
    ['loss', true, [3, 2, 4], 3],
    ['loss', undefined, [NaN, 4, Infinity], 2],
    ['iou', undefined, [1, 1, 1], 1],
  ])('by %s (greater_is_better %s) of %j is evaluation %d', (metric, greater, values, best) => {
    const state = trainerState({});
    const model = new BestModel({ metric_for_best_model: metric, ...(greater !== undefined && { greater_is_better: greater }) }, state);
    values.forEach((value, index) => model.see({ [model.metric]: value }, index + 1));
    expect(state).toMatchObject({ best_global_step: best, best_metric: values[best - 1] });
  });
});

describe('early stopping', () => {
  it('ends after evaluations without an improvement above the threshold, with its checkpoint, and a resumed run does not go on', async () => {
    const figures = { 2: 5, 4: 4.95, 6: 5.5, 8: 1 };
    const more = { early_stopping_patience: 2, early_stopping_threshold: 0.1, max_steps: 20 };
    const { asked, events, result, checkpoints, outputDir } = await run('early', figures, more);
    expect(asked).toEqual([0, 2, 4, 6]);
    expect(result).toMatchObject({ outcome: 'finished', steps: 6 });
    expect(checkpoints).toEqual([3, 6]);
    expect(events).toContain('info: Stopped early at step 6: eval_loss has not improved in 2 evaluations; the best was 4.95 at step 4.');
    expect((await readTrainerState(nodePlatform, outputDir)).stateful_callbacks).toEqual({
      EarlyStoppingCallback: { args: { early_stopping_patience: 2, early_stopping_threshold: 0.1 }, attributes: { early_stopping_patience_counter: 2 } },
    });
    const checkpoint = await openCheckpoint(nodePlatform, join(outputDir, 'checkpoint-6'));
    const again = await run('early', figures, more, { resume: { checkpoint } });
    expect(again.asked).toEqual([]);
    expect(again.result).toMatchObject({ outcome: 'finished', steps: 6 });
  });
});

describe('the hook after a save', () => {
  it('is called for each checkpoint when it is whole; one that it still reads is not removed; a failure is a warning', async () => {
    const seen: [number, boolean][] = [];
    let release = (): void => undefined;
    const onSaved = (saved: SavedCheckpoint): Promise<void> | undefined => {
      seen.push([saved.step, saved.isBest]);
      if (saved.step === 4 || !readdirSync(saved.path).includes('checksums.json')) throw new Error('thrown at once');
      if (saved.step === 1) return new Promise((resolve) => (release = resolve));
      return saved.step === 3 ? Promise.reject(new Error('the hub is down')) : undefined;
    };
    const more = { save_steps: 1, save_total_limit: 2, max_steps: 5 };
    const { checkpoints, events } = await run('hook', { 2: 5, 4: 6 }, more, { onSaved });
    expect(seen).toEqual([[1, false], [2, true], [3, false], [4, false], [5, false]]);
    expect(checkpoints).toEqual([1, 2, 5]); // being read, the best, the last
    expect(events).toEqual(expect.arrayContaining(['warning: After checkpoint-3 was saved: the hub is down', 'warning: After checkpoint-4 was saved: thrown at once']));
    release();
  });
});
