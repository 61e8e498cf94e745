/** Evaluation between two steps: losses against transformers' figures, by task and together, answers scored, and nothing changed by it. */
import { beforeAll, describe, expect, it } from 'vitest';
import { IGNORE_INDEX } from '../../src/data/example.ts';
import { scoreAnswer } from '../../src/data/medvision/metrics.ts';
import { ANSWER_LENGTH } from '../../src/data/medvision/sample.ts';
import type { TaskType } from '../../src/data/medvision/tasks.ts';
import type { Device } from '../../src/gpu/device.ts';
import type { Row } from '../../src/track/tracker.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { allOf } from '../../src/track/tracker.ts';
import type { Tracker } from '../../src/track/tracker.ts';
import { boughtBy, boughtText } from '../../src/train/beforeAfter.ts';
import { evaluationFigures } from '../../src/run/report/figures.ts';
import { answerFigures } from '../../src/train/answerFigures.ts';
import { RowEvaluator } from '../../src/train/evaluation.ts';
import type { EvaluationRows, EvaluationSettings } from '../../src/train/evaluation.ts';
import { shortRunSettings } from '../../src/train/shortRun.ts';
import { train } from '../../src/train/trainer.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { argmaxRows, goldenCases, withSession } from '../models/golden.ts';
import { floats } from '../models/goldenModel.ts';
import type { GoldenCase } from '../models/goldenModel.ts';
import { qwen } from '../models/qwen2_5_vl/goldenExamples.ts';

const { baseModel } = qwen;
const settings: EvaluationSettings = { per_device_eval_batch_size: 2, eval_generate: 0, eval_max_new_tokens: 4, parser: 'robust', seed: 1 };
const moment = { step: 0, tracker: allOf([]) };
let cases: GoldenCase[] = [];
let device: Device;

beforeAll(async () => {
  device = await testDevice();
  cases = await qwen.cases(goldenCases(qwen.name));
});

const rowsOf = (types?: TaskType[]): EvaluationRows => ({
  length: cases.length,
  get: (index) => Promise.resolve(cases[index]!.example),
  ...(types && {
    ask: (index: number) => Promise.resolve(qwen.promptOf(cases[index]!)),
    question: (index: number) => {
      const taskType = types[index % types.length]!;
      return Promise.resolve({ taskType, values: [1, 2, 3, 4].slice(0, ANSWER_LENGTH[taskType]) });
    },
  }),
});
/** Mean −log p of the labelled tokens of some cases, as transformers computed it. */
const goldenLoss = (chosen: readonly GoldenCase[]): number => {
  const nll = chosen.flatMap(({ tensors }) => [...floats(tensors, 'nll_completion')]);
  return nll.reduce((sum, value) => sum + value, 0) / nll.length;
};
/** Share of the labelled tokens that are transformers' most likely ones. */
const goldenAccuracy = (chosen: readonly GoldenCase[]): number => {
  const right = chosen.flatMap(({ tensors, example }) => {
    const labels = [...example.labels].slice(1).filter((label) => label !== IGNORE_INDEX);
    return argmaxRows(floats(tensors, 'logits_completion'), qwen.vocabSize()).map((id, i) => id === labels[i]);
  });
  return right.filter(Boolean).length / right.length;
};
const evaluate = async (rows: EvaluationRows, chosen: Partial<EvaluationSettings> = {}, stop?: AbortSignal): Promise<Row | undefined> => {
  let row: Row | undefined;
  await withSession(device, { baseModel, finetuning: { kind: 'full' } }, async (session) => {
    row = await new RowEvaluator(rows, { ...settings, ...chosen }).evaluate(session, { ...moment, ...(stop && { stop }) });
  });
  return row;
};

describe('losses', () => {
  it('are means over the weights of the labels, where rows have some', async () => {
    const weighted = cases.map(({ example, tensors }, at) => {
      const weights = Float32Array.from(example.labels, (_, t) => ((t + at) % 4 === 0 ? 0.25 : 1));
      const nll = floats(tensors, 'nll_completion');
      const own = [...weights].filter((_, t) => t > 0 && example.labels[t] !== IGNORE_INDEX);
      return { example: at === 1 ? example : { ...example, weights }, nll, own: at === 1 ? own.map(() => 1) : own };
    });
    const sum = weighted.reduce((total, { nll, own }) => total + own.reduce((part, weight, i) => part + weight * nll[i]!, 0), 0);
    const weight = weighted.flatMap(({ own }) => own).reduce((total, one) => total + one, 0);
    expect(Math.abs(sum / weight - goldenLoss(cases))).toBeGreaterThan(1e-3);
    const row = await evaluate({ ...rowsOf(), get: (index) => Promise.resolve(weighted[index]!.example) });
    expect(row!['eval_loss']).toBeCloseTo(sum / weight, 5);
  });

  it.each([1, 2, 3, 100])('weigh every token alike, in batches of %d', async (size) => {
    const row = await evaluate(rowsOf(), { per_device_eval_batch_size: size });
    expect(row!['eval_loss']).toBeCloseTo(goldenLoss(cases), 5);
    expect(row!['eval_mean_token_accuracy']).toBeCloseTo(goldenAccuracy(cases), 12);
    expect(Object.keys(row!).sort()).toEqual(['eval_loss', 'eval_mean_token_accuracy', 'eval_runtime', 'eval_samples_per_second', 'eval_steps_per_second']);
  });

  it('are there for each task and together', async () => {
    const types: TaskType[] = ['BoxSize', 'TumorLesionSize'];
    const row = await evaluate(rowsOf(types));
    expect(row!['eval_loss']).toBeCloseTo(goldenLoss(cases), 5);
    expect(row!['eval_Detection_loss']).toBeCloseTo(goldenLoss(cases.filter((_, i) => i % 2 === 0)), 5);
    expect(row!['eval_TL_loss']).toBeCloseTo(goldenLoss(cases.filter((_, i) => i % 2 === 1)), 5);
    expect('eval_AD_loss' in row!).toBe(false);
    expect('eval_TL_mae' in row!).toBe(false);
  });
});

describe('answers', () => {
  it('are asked for so many rows of each task, the same every time, and scored', async () => {
    const asked: number[] = [];
    const rows = rowsOf(['BoxSize', 'TumorLesionSize']);
    const counting = { ...rows, ask: (index: number) => (asked.push(index), rows.ask!(index)) };
    await withSession(device, { baseModel, finetuning: { kind: 'full' } }, async (session) => {
      const evaluator = new RowEvaluator(counting, { ...settings, eval_generate: 1 });
      const first = await evaluator.evaluate(session, moment);
      const again = await evaluator.evaluate(session, moment);
      expect(asked).toHaveLength(4);
      expect(asked.slice(2)).toEqual(asked.slice(0, 2));
      expect(asked.map((index) => index % 2)).toEqual([0, 1, 0, 1]);
      for (const key of ['eval_Detection_iou', 'eval_Detection_f1', 'eval_Detection_precision', 'eval_Detection_recall', 'eval_Detection_iou>0.5', 'eval_TL_mre<0.1'])
        expect(first![key], key).toBe(0);
      expect(first!['eval_TL_success_rate']).toBe(again!['eval_TL_success_rate']);
    });
  });

  it('have errors of millimetres and of degrees apart, where it is known which', () => {
    const score = (text: string, truth: number): ReturnType<typeof scoreAnswer> => scoreAnswer('BiometricsFromLandmarks', text, [truth]);
    const answers = [
      { score: score('12', 10), unit: 'mm' }, { score: score('16', 10), unit: 'mm' }, { score: score('60', 90), unit: '°' }, { score: score('3', 2), unit: 'cm' },
    ];
    expect(answerFigures('eval_AD', 'BiometricsFromLandmarks', answers)).toMatchObject({ eval_AD_mae: 9.75, eval_AD_mae_mm: 4, eval_AD_mae_deg: 30 });
    expect(Object.keys(answerFigures('eval_AD', 'BiometricsFromLandmarks', answers))).not.toContain('eval_AD_nmae');
    expect(answerFigures('eval_AD', 'BiometricsFromLandmarks', answers.slice(0, 2))).toMatchObject({ eval_AD_nmae: 0.4 });
    const boxes = ['0, 0, 1, 1', '0, 0, 0.5, 1'].map((text) => ({ score: scoreAnswer('BoxSize', text, [0, 0, 1, 1]), unit: undefined }));
    expect(answerFigures('eval_Detection', 'BoxSize', boxes)).toMatchObject({ 'eval_Detection_iou_.50:.95': 0.55 });
    expect(Object.keys(answerFigures('eval_AD', 'BiometricsFromLandmarks', [answers[3]!]))).not.toContain('eval_AD_mae_mm');
    expect(evaluationFigures({ eval_AD_mae: 9.75, eval_AD_mae_mm: 4 })).toEqual({ eval_AD_mae_mm: 4 });
  });

  it('stop between two tokens: no row then', async () => {
    const stop = new AbortController();
    const rows = rowsOf(['BoxSize']);
    const stopping = { ...rows, ask: (index: number) => (stop.abort(), rows.ask!(index)) };
    expect(await evaluate(stopping, { eval_generate: 2, eval_max_new_tokens: 100 }, stop.signal)).toBeUndefined();
    expect(await evaluate(rowsOf(), {}, AbortSignal.abort())).toBeUndefined();
  });
});

it('changes nothing of the training that goes on: the same weights to the bit', async () => {
  const weights: Float32Array[][] = [];
  const rows: Row[] = [];
  const listener: Tracker = {
    start: () => Promise.resolve(), progress: () => undefined, event: () => Promise.resolve(), finish: () => Promise.resolve(),
    log: (row) => Promise.resolve(void rows.push(row)),
  };
  const config = loraConfig({ r: 4, lora_dropout: 0.2, target_modules: 'all-linear' });
  for (const evaluator of [undefined, new RowEvaluator(rowsOf(['BoxSize']), { ...settings, eval_generate: 1 })]) {
    await withSession(device, { baseModel, finetuning: { kind: 'lora', config }, seed: 5 }, async (session) => {
      const run = shortRunSettings({ run_name: 'test', max_steps: 3, per_device_train_batch_size: 1, learning_rate: 0.01, seed: 5 });
      await train(session, rowsOf(), { ...run, eval_steps: 1 }, { tracker: listener, ...(evaluator && { evaluator }) });
      weights.push(await Promise.all([...session.arena.parameters.keys()].map((name) => session.arena.readValues(name))));
    });
  }
  expect(weights[1]).toEqual(weights[0]);
  expect(weights[0]!.some((values) => values.some((value) => value !== 0))).toBe(true);
  expect(rows.filter((row) => 'eval_loss' in row)).toHaveLength(4); // before the first step and after each
  expect(rows.some((row) => 'eval_Detection_iou' in row)).toBe(true);
});

describe('what a run bought', () => {
  const row = (step: number, loss: number, mre: number): { step: number; epoch: number; eval_loss: number; 'eval_AD_mre<0.1': number; eval_runtime: number } => ({
    step, epoch: step / 10, eval_loss: loss, 'eval_AD_mre<0.1': mre, eval_runtime: step,
  });

  it('is the difference between the first and the last evaluation', () => {
    const history = [row(0, 2.5, 0), { step: 5, epoch: 0.5, loss: 2 }, row(10, 1.25, 0.5), row(20, 1.5, 0.625)];
    const bought = boughtBy(history)!;
    expect(bought).toEqual({ from: 0, to: 20, figures: [{ name: 'eval_loss', before: 2.5, after: 1.5 }, { name: 'eval_AD_mre<0.1', before: 0, after: 0.625 }] });
    expect(boughtBy(history, 10)?.figures[0]?.after).toBe(1.25);
    expect(boughtText(bought).split('\n')).toEqual(['  evaluation  step 0 → step 20', '  loss         2.500 →   1.500', '  AD_mre<0.1   0.000 →  0.6250']);
  });

  it('is nothing where there was one evaluation or none', () => {
    expect(boughtBy([])).toBeUndefined();
    expect(boughtBy([row(0, 1, 0)])).toBeUndefined();
  });
});
