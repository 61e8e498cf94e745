/** Steps, learning rates and epochs against transformers 5.18: recorded figures of get_scheduler and Trainer, and the runs of the golden set. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { epochAfter, learningRateAt, microBatchesOf, planSteps, warmupStepsOf } from '../../src/train/schedule.ts';
import type { SchedulerType } from '../../src/train/schedule.ts';

const goldenDir = process.env.VERNIER_GOLDEN_DIR ?? fileURLToPath(new URL('../golden/data', import.meta.url));

/** get_scheduler at lr 2e-4; keys are scheduler, total steps, warm-up steps. */
const RATES: Record<string, number[]> = {
  'linear 10 1': [0, 2e-4, 0.00017777777777777779, 0.00015555555555555556, 0.00013333333333333334, 0.00011111111111111112, 8.888888888888889e-5, 6.666666666666667e-5, 4.4444444444444447e-5, 2.2222222222222223e-5],
  'linear 10 0': [2e-4, 0.00018, 0.00016, 0.00014, 0.00012, 0.0001, 8e-5, 6e-5, 4e-5, 2e-5],
  'linear 7 3': [0, 6.666666666666667e-5, 0.00013333333333333334, 2e-4, 0.00015000000000000001, 0.0001, 5e-5],
  'linear 4 6': [0, 3.3333333333333335e-5, 6.666666666666667e-5, 0.0001],
  'cosine 10 1': [0, 2e-4, 0.00019396926207859084, 0.0001766044443118978, 0.00015000000000000001, 0.00011736481776669306, 8.263518223330697e-5, 5.000000000000002e-5, 2.339555568810221e-5, 6.030737921409169e-6],
  'cosine 7 3': [0, 6.666666666666667e-5, 0.00013333333333333334, 2e-4, 0.00017071067811865476, 0.0001, 2.9289321881345254e-5],
  'constant 4 6': [2e-4, 2e-4, 2e-4, 2e-4],
  'constant_with_warmup 7 3': [0, 6.666666666666667e-5, 0.00013333333333333334, 2e-4, 2e-4, 2e-4, 2e-4],
};

/** Trainer's state and log: rows, batch size, accumulation, epochs, max_steps → steps, epochs, the epoch of every row; linear with 3 % warm-up. */
const TRAINER_RUNS = [
  { run: [9, 2, 2, 3.34, -1], steps: 11, epochs: 4, epoch: [0.4, 0.8, 1, 1.4, 1.8, 2, 2.4, 2.8, 3, 3.4, 3.8] },
  { run: [8, 2, 2, 1, -1], steps: 2, epochs: 1, epoch: [0.5, 1] },
  { run: [7, 3, 4, 2, -1], steps: 2, epochs: 2, epoch: [1, 2] },
  { run: [5, 2, 2, 0.3, -1], steps: 1, epochs: 1, epoch: [0.6666666666666666] },
  { run: [9, 2, 2, 1, 7], steps: 7, epochs: 3, epoch: [0.4, 0.8, 1, 1.4, 1.8, 2, 2.4] },
  { run: [1, 4, 8, 2, -1], steps: 2, epochs: 2, epoch: [1, 2] },
  { run: [10, 1, 3, 1.5, -1], steps: 6, epochs: 2, epoch: [0.3, 0.6, 0.9, 1, 1.3, 1.6] },
] as const;

describe('learningRateAt', () => {
  it.each(Object.keys(RATES))('equals get_scheduler: %s', (key) => {
    const [scheduler, totalSteps, warmupSteps] = key.split(' ') as [SchedulerType, string, string];
    const schedule = { scheduler, base: 2e-4, totalSteps: Number(totalSteps), warmupSteps: Number(warmupSteps) };
    const rates = Array.from({ length: schedule.totalSteps }, (_, step) => learningRateAt(step, schedule));
    expect(rates).toHaveLength(RATES[key]!.length);
    rates.forEach((rate, step) => expect(Math.abs(rate - RATES[key]![step]!)).toBeLessThanOrEqual(2e-4 * 2 ** -52));
  });

  it('has no rate below 0 past the end', () => {
    for (const scheduler of ['linear', 'cosine'] as const) expect(learningRateAt(10, { scheduler, base: 1, totalSteps: 10, warmupSteps: 1 })).toBeCloseTo(0, 15);
    expect(learningRateAt(12, { scheduler: 'linear', base: 1, totalSteps: 10, warmupSteps: 1 })).toBe(0);
  });
});

describe('warmupStepsOf', () => {
  it('rounds the share up; steps above 0 win', () => {
    expect(warmupStepsOf(20, { warmupSteps: 0, warmupRatio: 0.03 })).toBe(1);
    expect(warmupStepsOf(100, { warmupSteps: 0, warmupRatio: 0.03 })).toBe(3);
    expect(warmupStepsOf(101, { warmupSteps: 0, warmupRatio: 0.03 })).toBe(4);
    expect(warmupStepsOf(101, { warmupSteps: 0, warmupRatio: 0 })).toBe(0);
    expect(warmupStepsOf(101, { warmupSteps: 7, warmupRatio: 0.03 })).toBe(7);
  });
});

describe('planSteps and epochAfter', () => {
  it.each(TRAINER_RUNS)('equal the Trainer: $run', ({ run: [rows, batchSize, accumulation, epochs, maxSteps], steps, epochs: begun, epoch }) => {
    const plan = planSteps({ rows, batchSize, accumulation, epochs, maxSteps });
    expect([plan.totalSteps, plan.epochs]).toEqual([steps, begun]);
    expect(Array.from({ length: plan.totalSteps }, (_, step) => epochAfter(step, plan, accumulation))).toEqual(epoch);
  });

  it('ends an epoch with a shorter group', () => {
    const plan = planSteps({ rows: 9, batchSize: 2, accumulation: 2, epochs: 2, maxSteps: -1 });
    expect([0, 1, 2, 3].map((step) => microBatchesOf(step, plan, 2))).toEqual([
      { epoch: 0, first: 0, end: 2 },
      { epoch: 0, first: 2, end: 4 },
      { epoch: 0, first: 4, end: 5 },
      { epoch: 1, first: 0, end: 2 },
    ]);
  });
});

interface GoldenRun {
  steps: number;
  base_lr: number;
  warmup_steps: number;
  micro_batch: number;
  grad_accum: number;
  sample_ids: string[];
  history: { lr: number; samples: number[][] }[];
}

const models = existsSync(join(goldenDir, 'golden')) ? readdirSync(join(goldenDir, 'golden')) : [];
const runs = models.flatMap((model) => {
  const folder = join(goldenDir, 'golden', model, 'runs');
  return existsSync(folder) ? readdirSync(folder).map((run) => ({ name: `${model}/${run}`, path: join(folder, run, 'run.json') })) : [];
});

describe.skipIf(runs.length === 0)('golden runs', () => {
  it.each(runs)('$name: learning rates and the rows of every micro-batch', ({ path }) => {
    const golden = JSON.parse(readFileSync(path, 'utf8')) as GoldenRun;
    const accumulation = golden.grad_accum;
    const plan = planSteps({ rows: golden.sample_ids.length, batchSize: golden.micro_batch, accumulation, epochs: 1, maxSteps: golden.steps });
    const warmupSteps = warmupStepsOf(plan.totalSteps, { warmupSteps: 0, warmupRatio: 0.03 });
    expect(warmupSteps).toBe(golden.warmup_steps);
    golden.history.forEach(({ lr, samples }, step) => {
      const rate = learningRateAt(step, { scheduler: 'linear', base: golden.base_lr, totalSteps: plan.totalSteps, warmupSteps });
      expect(Math.abs(rate - lr)).toBeLessThanOrEqual(golden.base_lr * 2 ** -52);
      const { first, end } = microBatchesOf(step, plan, accumulation);
      const rows = Array.from({ length: end - first }, (_, i) => (first + i) * golden.micro_batch).map((row) =>
        Array.from({ length: Math.min(golden.micro_batch, golden.sample_ids.length - row) }, (_, k) => row + k),
      );
      expect(rows).toEqual(samples);
    });
  });
});
