/**
 * N ranks make the run that one process makes with N times the accumulation, whatever N is: losses, adapter, evaluation, checkpoints that go on with another
 * number. The ranks are sessions of this process; test/node/mpi does it between processes.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Device } from '../../src/gpu/device.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import type { Finetuning } from '../../src/models/lora.ts';
import { Tensor } from '../../src/gpu/tensor.ts';
import { allOf } from '../../src/track/tracker.ts';
import { RowEvaluator } from '../../src/train/evaluation.ts';
import type { ExampleSource } from '../../src/train/exampleSource.ts';
import { GradientSum } from '../../src/train/gradientSum.ts';
import { openCheckpoint } from '../../src/train/resume.ts';
import { openSession } from '../../src/train/session.ts';
import type { Session } from '../../src/train/session.ts';
import { train } from '../../src/train/trainer.ts';
import type { TrainResult, TrainSurroundings } from '../../src/train/trainer.ts';
import type { TrainSettings } from '../../src/train/trainSettings.ts';
import { ALONE } from '../../src/world/world.ts';
import type { World } from '../../src/world/world.ts';
import { compileOnce, testDevice } from '../gpu/testDevice.ts';
import { goldenDir } from '../io/goldenFolder.ts';
import { localWorlds } from './localWorld.ts';

await compileOnce();
const scratch = mkdtempSync(join(tmpdir(), 'vernier-ranks-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const settings: TrainSettings = {
  run_name: 'ranks', epoch: 2, max_steps: -1, per_device_train_batch_size: 1, gradient_accumulation_steps: 1, learning_rate: 5e-3, lr_scheduler_type: 'cosine',
  warmup_ratio: 0.2, warmup_steps: 0, max_grad_norm: 0.5, weight_decay: 0.01, adam_beta1: 0.9, adam_beta2: 0.99, adam_epsilon: 1e-8, loss_reduction: 'token',
  shuffle: true, seed: 3, gradient_checkpointing: true, logging_steps: 1, save_steps: 2, save_total_limit: -1, eval_steps: 2, eval_strategy: 'steps',
};
// 11 rows: the last step of an epoch has three micro-batches of four.
const ANSWERS = ['Two.', 'Three millimetres.', 'About 4.5 mm.', 'None', 'It cannot be said from this slice.', '7', '8.25 cm', 'No.', '11.1', '12', 'Thirteen and a half.'];

function sourceOf(session: Session): ExampleSource {
  const examples = ANSWERS.map((answer) =>
    session.processor.encode({ messages: [{ role: 'user', content: 'How long?' }, { role: 'assistant', content: answer }], images: [] }, [], { mask: 'completion' }),
  );
  return { length: examples.length, get: (index) => Promise.resolve(examples[index]!), fingerprint: () => Promise.resolve(ANSWERS.join()) };
}

interface Made {
  result: TrainResult;
  values: Float32Array[];
}

const lora = (more: object = {}): Finetuning => ({ kind: 'lora', config: loraConfig({ r: 2, lora_dropout: 0.2, target_modules: ['q_proj', 'down_proj'], ...more }) });

/** One run of so many ranks; what rank 0 came to. The values of all others are checked to be the same to the bit. */
async function run(size: number, more: { settings?: Partial<TrainSettings>; finetuning?: Finetuning; around?: Partial<TrainSurroundings>; from?: string } = {}): Promise<Made> {
  const worlds: readonly World[] = size === 1 ? [ALONE] : localWorlds(size);
  const made = await Promise.all(
    worlds.map(async (world): Promise<Made & { device: Device }> => {
      const device = await testDevice();
      const session = await openSession(nodePlatform, device, { baseModel: `${goldenDir}/models/qwen2_5_vl-tiny`, finetuning: more.finetuning ?? lora() });
      const source = sourceOf(session);
      const resume = more.from !== undefined && { resume: { checkpoint: await openCheckpoint(nodePlatform, more.from) } };
      const evaluator = new RowEvaluator(source, { per_device_eval_batch_size: 2, eval_generate: 0, eval_max_new_tokens: 4, parser: 'robust', seed: 0 });
      const result = await train(session, source, { ...settings, ...more.settings }, { tracker: allOf([]), world, evaluator, ...more.around, ...resume });
      const values = [];
      for (const name of session.arena.parameters.keys()) values.push(await session.arena.readValues(name));
      session.close();
      device.destroy();
      return { result, values, device };
    }),
  );
  const [first, ...others] = made;
  for (const other of others) expect(other.values).toEqual(first!.values);
  return first!;
}

/** Losses and evaluations to 1e-5; the adapter to 1e-4 of how far it has moved. */
function expectSameRun(made: Made, expected: Made): void {
  const rows = ({ result }: Made): (number | undefined)[] => result.state.log_history.flatMap((row) => [row['loss'], row['eval_loss']].filter((value) => value !== undefined) as number[]);
  expect(rows(made)).toHaveLength(rows(expected).length);
  rows(expected).forEach((loss, at) => expect(rows(made)[at]).toBeCloseTo(loss!, 5));
  const norm = (values: readonly Float32Array[]): number => Math.sqrt(values.reduce((sum, own) => sum + own.reduce((a, b) => a + b * b, 0), 0));
  const apart = made.values.map((own, at) => own.map((value, i) => value - expected.values[at]![i]!));
  expect(norm(apart)).toBeLessThan(1e-4 * norm(expected.values));
}

describe('several ranks', () => {
  it.each([
    ['token means', {}, {}],
    ['means of micro-batches', { loss_reduction: 'microbatch' as const }, {}],
    ['DoRA', {}, { use_dora: true }],
  ])('make the run of one: %s', async (_, changed, adapter) => {
    const finetuning = lora(adapter);
    const alone = await run(1, { settings: { ...changed, gradient_accumulation_steps: 4 }, finetuning });
    expect(alone.result.steps).toBe(6);
    for (const [size, accumulation] of [[2, 2], [4, 1]] as const)
      expectSameRun(await run(size, { settings: { ...changed, gradient_accumulation_steps: accumulation }, finetuning }), alone);
  });

  it('more of them than micro-batches: who has none adds nothing', async () => {
    const alone = await run(1, { settings: { gradient_accumulation_steps: 5 } });
    expectSameRun(await run(5), alone);
  });

  it('a checkpoint of four goes on with two and with one, where the rows of a step stay', async () => {
    const whole = await run(4);
    const dir = join(scratch, 'four');
    await run(4, { around: { outputDir: dir } });
    expect(readdirSync(dir)).toContain('checkpoint-4');
    for (const [size, accumulation] of [[2, 2], [1, 4], [4, 1]] as const) {
      const resumed = await run(size, { settings: { gradient_accumulation_steps: accumulation }, from: join(dir, 'checkpoint-4') });
      expect(resumed.result.steps).toBe(6);
      expectSameRun(resumed, whole);
      if (size === 4) expect(resumed.values).toEqual(whole.values);
    }
    await expect(run(3, { from: join(dir, 'checkpoint-4') })).rejects.toThrow('the rows of a step, was 4, now it is 3');
  });

  it('one that was given something else is found before the first step', async () => {
    const [first, second] = localWorlds(2, ['ward-1', 'ward-2']);
    const starts = [first!, second!].map(async (world, rank) => {
      const device = await testDevice();
      const session = await openSession(nodePlatform, device, { baseModel: `${goldenDir}/models/qwen2_5_vl-tiny`, finetuning: lora() });
      await train(session, sourceOf(session), { ...settings, learning_rate: rank === 0 ? 5e-3 : 1e-3 }, { tracker: allOf([]), world });
    });
    for (const start of starts) await expect(start).rejects.toThrow('learning_rate: 0.005 at rank 0 on ward-1, 0.001 at rank 1 on ward-2');
  });

  it('a gradient that is not finite at one skips the step at all', async () => {
    const worlds = localWorlds(2);
    const states = await Promise.all(
      worlds.map(async (world) => {
        const device = await testDevice();
        const session = await openSession(nodePlatform, device, { baseModel: `${goldenDir}/models/qwen2_5_vl-tiny`, finetuning: lora() });
        const { arena } = session;
        const lossSum = new Tensor([2], 'f32', device.pool.acquire(8, 'batch'));
        device.write(lossSum.view, Float32Array.of(1 + world.rank, 3));
        const [name] = arena.parameters.keys();
        const { grad } = arena.parameters.get(name!)!;
        device.write(grad.parts[0]!.view, new Float32Array(grad.size).fill(world.rank === 1 ? Infinity : 1));
        const sum = new GradientSum(device, world, arena, lossSum, { sliceBytes: 1024 }); // slices that end within parameters
        sum.begin(true);
        expect(await sum.finish()).toBe('summed');
        return { grad: await device.readF32(grad), loss: await device.readF32(lossSum) };
      }),
    );
    for (const { grad, loss } of states) {
      expect(grad.every((value) => value === Infinity)).toBe(true);
      expect([...loss]).toEqual([3, 6]);
    }
  });

  it('stop together, wherever it is asked for', async () => {
    const stop = new AbortController();
    const worlds = localWorlds(2);
    const results = await Promise.all(
      worlds.map(async (world) => {
        const device = await testDevice();
        const session = await openSession(nodePlatform, device, { baseModel: `${goldenDir}/models/qwen2_5_vl-tiny`, finetuning: lora() });
        const tracker = { ...allOf([]), progress: ({ step }: { step: number }) => void (world.rank === 1 && step === 2 && stop.abort()) };
        return train(session, sourceOf(session), settings, { tracker, world, ...(world.rank === 1 && { stop: stop.signal }) });
      }),
    );
    expect(results.map(({ outcome, steps }) => [outcome, steps])).toEqual([['stopped', 2], ['stopped', 2]]);
  });
});
