/** Pictures of predictions: what is drawn and said, and how they come from an evaluation to a W&B server and to nobody who does not take them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { scoreAnswer } from '../../src/data/medvision/metrics.ts';
import type { TaskType } from '../../src/data/medvision/tasks.ts';
import type { Device } from '../../src/gpu/device.ts';
import type { DecodedImage, Platform } from '../../src/platform.ts';
import { allOf } from '../../src/track/tracker.ts';
import type { Picture, Tracker } from '../../src/track/tracker.ts';
import { wandbSettings } from '../../src/track/wandb/settings.ts';
import { WandbTracker } from '../../src/track/wandb/tracker.ts';
import { RowEvaluator } from '../../src/train/evaluation.ts';
import type { EvaluationRows } from '../../src/train/evaluation.ts';
import { predictionCaption, predictionRaster } from '../../src/train/predictionPictures.ts';
import type { Scene } from '../../src/train/predictionPictures.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { goldenCases, withSession } from '../models/golden.ts';
import type { GoldenCase } from '../models/goldenModel.ts';
import { qwen } from '../models/qwen2_5_vl/goldenExamples.ts';
import { WandbServer } from '../track/wandbServer.ts';

const BLUE = [86, 180, 233];
const ORANGE = [230, 159, 0];
const GREY = [100, 100, 100];
const grey = (width: number, height: number): DecodedImage => ({ width, height, data: new Uint8Array(3 * width * height).fill(100) });
const scene: Scene = { image: grey(64, 128), name: 'left thalamus', target: '0.25, 0.5, 0.75, 0.75', lines: [] };
const TRUTH = [0.25, 0.5, 0.75, 0.75];

describe('a picture', () => {
  /** The colour at (x, y) of the image of `scene`, which is enlarged by 4 within a margin of 6. */
  const at = ({ data, width }: DecodedImage, x: number, y: number): number[] => {
    const first = 3 * ((6 + 4 * y) * width + 6 + 4 * x);
    return [...data.subarray(first, first + 3)];
  };

  it('of a box has the true and the predicted one where they are: (x1, y1) is the lower left corner', () => {
    const raster = predictionRaster(scene, { score: scoreAnswer('BoxSize', '0.5, 0.25, 1, 0.625', TRUTH), values: TRUTH });
    expect([raster.width, raster.height]).toEqual([64 * 4 + 12, 128 * 4 + 12]);
    for (const [x, y] of [[16, 40], [48, 40], [20, 32], [20, 64]] as const) expect(at(raster, x, y), `${x}, ${y}`).toEqual(BLUE);
    for (const [x, y] of [[32, 80], [64, 60], [60, 48], [60, 96]] as const) expect(at(raster, x, y), `${x}, ${y}`).toEqual(ORANGE);
    for (const [x, y] of [[24, 36], [5, 5], [60, 80], [56, 60]] as const) expect(at(raster, x, y), `${x}, ${y}`).toEqual(GREY);
  });

  it('shows both boxes where they are the same, and one where the answer could not be read or lies far away', () => {
    const colors = (answer: string): Set<string> => {
      const { data } = predictionRaster(scene, { score: scoreAnswer('BoxSize', answer, TRUTH), values: TRUTH });
      return new Set(Array.from({ length: data.length / 3 }, (_, i) => data.subarray(3 * i, 3 * i + 3).join()));
    };
    const [black, still, blue, orange] = ['0,0,0', GREY.join(), BLUE.join(), ORANGE.join()];
    expect(colors(TRUTH.join(', '))).toEqual(new Set([black, still, blue, orange]));
    expect(colors('I cannot say')).toEqual(new Set([black, still, blue]));
    expect(colors('1e30, 7, 1e31, 9')).toEqual(new Set([black, still, blue]));
  });

  it('that is a sheet of several has no box, and its caption no colours', () => {
    const answer = { score: scoreAnswer('BoxSize', '0.5, 0.25, 1, 0.625', TRUTH), values: TRUTH };
    const { data } = predictionRaster({ ...scene, isSheet: true }, answer);
    expect(new Set(Array.from({ length: data.length / 3 }, (_, i) => data.subarray(3 * i, 3 * i + 3).join()))).toEqual(new Set(['0,0,0', GREY.join()]));
    expect(predictionCaption('Detection', { ...scene, isSheet: true }, { text: '', ...answer })).toMatch(/\| answer: 0\.5, .* \| truth: 0\.25, /);
  });

  it('of a length has the lines that the truth measures, and points at their ends', () => {
    const lines: Scene['lines'] = [[{ x: 10, y: 20 }, { x: 50, y: 20 }]];
    const raster = predictionRaster({ ...scene, lines }, { score: scoreAnswer('BiometricsFromLandmarks', '30', [40]), values: [40] });
    expect(at(raster, 30, 20)).toEqual(BLUE);
    expect([at(raster, 10, 19.25), at(raster, 30, 19.25)]).toEqual([BLUE, [0, 0, 0]]);
    expect(at(raster, 30, 22)).toEqual(GREY);
  });

  it('says task, label, answer, truth and figure', () => {
    const caption = (taskType: TaskType, text: string, values: number[]): string =>
      predictionCaption(taskType === 'BoxSize' ? 'Detection' : 'TL', scene, { text, values, score: scoreAnswer(taskType, text, values) });
    expect(caption('BoxSize', '0.25, 0.5, 0.75, 1', TRUTH)).toBe(
      'Detection: left thalamus | answer (orange): 0.25, 0.5, 0.75, 1 | truth (blue): 0.25, 0.5, 0.75, 0.75 | IoU 0.500',
    );
    expect(caption('TumorLesionSize', '50.0 and 20.0', [40, 19.999999])).toBe('TL: left thalamus | answer: 50, 20 | truth: 40, 20 | MRE 0.125');
    const long = `TL: left thalamus | answer: not read, "no ${'x'.repeat(197)}…" | truth: 40, 20 | no MRE`;
    expect(caption('TumorLesionSize', `no ${'x'.repeat(300)}`, [40, 20])).toBe(long);
    expect(predictionCaption(undefined, scene, { text: 'a "cat"' })).toBe('left thalamus | answer: "a \\"cat\\"" | truth: "0.25, 0.5, 0.75, 0.75"');
  });
});

describe('evaluations', () => {
  const KEY = '0123456789abcdef0123456789abcdef01234567';
  const settings = { per_device_eval_batch_size: 4, eval_generate: 5, eval_max_new_tokens: 3, parser: 'robust', seed: 1 } as const;
  let device: Device;
  let cases: GoldenCase[];
  let dir: string;
  beforeAll(async () => {
    device = await testDevice();
    cases = await qwen.cases(goldenCases(qwen.name));
    dir = mkdtempSync(join(tmpdir(), 'vernier-pictures-'));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  /** One case as 6 boxes, a size and a row of no task. */
  const rowsOf = (sceneOf: NonNullable<EvaluationRows['scene']>): EvaluationRows => ({
    length: 8,
    get: () => Promise.resolve(cases[0]!.example),
    ask: () => Promise.resolve(qwen.promptOf(cases[0]!)),
    question: (index) =>
      Promise.resolve(index < 6 ? { taskType: 'BoxSize', values: TRUTH } : index === 6 ? { taskType: 'TumorLesionSize', values: [9, 8] } : undefined),
    scene: sceneOf,
  });
  const sceneNamed = (index: number): Promise<Scene> => Promise.resolve({ ...scene, name: `row ${index}` });

  it('send them to W&B with their row of figures, of the same rows every time', { timeout: 60_000 }, async () => {
    const server = new WandbServer(KEY);
    const env: Record<string, string> = { WANDB_API_KEY: KEY, WANDB_BASE_URL: await server.listen() };
    const platform = Object.assign(Object.create(nodePlatform) as Platform, { env: (name: string) => env[name] });
    const unset = {
      wandb_project: null, wandb_entity: null, wandb_run_name: null, wandb_run_id: null, wandb_dir: null, wandb_resume: null, wandb_mode: null, wandb_tags: [],
    };
    const wandb = new WandbTracker({ platform, settings: await wandbSettings(platform, unset, 'sft', dir), say: () => undefined, pace: { post: 1 } });
    const tracker = allOf([wandb]);
    await tracker.start({ name: 'sft', totalSteps: 2, firstStep: 0, facts: {}, config: {} });
    const asked: number[] = [];
    const evaluator = new RowEvaluator(rowsOf((index) => (asked.push(index), sceneNamed(index))), settings);
    await withSession(device, { baseModel: qwen.baseModel, finetuning: { kind: 'full' } }, async (session) => {
      await tracker.log({ loss: 1 }, 0);
      for (const step of [0, 2]) await tracker.log((await evaluator.evaluate(session, { step, tracker }))!, step);
      await tracker.log({ loss: 1 }, 2);
    });
    await tracker.finish({ outcome: 'finished', figures: {}, files: [] });
    await server.close();

    const [run] = [...server.runs.values()];
    const shown = run!.history.map((line) => {
      const pictures = Object.entries(line).filter(([key]) => key.startsWith('eval/predictions/'));
      return Object.fromEntries(pictures) as Record<string, { path: string; caption: string; width: number }>;
    });
    expect(shown.map((pictures) => Object.keys(pictures).sort())).toEqual([
      [], ...[0, 2].map(() => [...[1, 2, 3, 4].map((n) => `eval/predictions/Detection/${n}`), 'eval/predictions/TL/1', 'eval/predictions/rows/1']), [],
    ]);
    expect(asked).toHaveLength(6); // read once, whatever the number of evaluations
    const captions = shown.map((pictures) => Object.values(pictures).map(({ caption }) => caption));
    expect(captions[2]).toEqual(captions[1]);
    expect(new Set(captions[1]).size).toBe(6);
    expect(captions[1]![5]).toMatch(/^row 7 \| answer: .* \| truth: "0.25, 0.5, 0.75, 0.75"$/);
    const stored = [1, 2].flatMap((line) => Object.values(shown[line]!));
    expect(new Set(stored.map(({ path }) => path)).size).toBe(12);
    for (const { path, width } of stored) {
      const image = await nodePlatform.decodeImage(new Uint8Array(run!.files.get(path)!), path);
      expect([image.width, image.height]).toEqual([width, 128 * 4 + 12]);
    }
  });

  it('draw none where no tracker takes any, warn where one cannot be drawn, and tell none of an evaluation that was cut short', { timeout: 60_000 }, async () => {
    const asked: number[] = [];
    const warnings: string[] = [];
    const pictures: [string, Picture][] = [];
    const silent: Tracker = { ...allOf([]), event: (level, text) => Promise.resolve(void warnings.push(`${level}: ${text}`)) };
    const taking: Tracker = { ...silent, picture: (key, picture) => void pictures.push([key, picture]) };
    const rows = rowsOf((index) => {
      asked.push(index);
      return index === 6 ? Promise.reject(new Error('the volume is gone')) : index === 7 ? Promise.resolve(undefined) : sceneNamed(index);
    });
    await withSession(device, { baseModel: qwen.baseModel, finetuning: { kind: 'full' } }, async (session) => {
      const evaluator = new RowEvaluator(rows, settings);
      expect(allOf([silent]).picture).toBeUndefined();
      const without = await evaluator.evaluate(session, { step: 0, tracker: allOf([silent]) });
      expect(asked).toEqual([]);

      const stop = new AbortController();
      const stopping = new RowEvaluator({ ...rows, ask: (index) => (index === 7 && stop.abort(), rows.ask!(index)) }, settings);
      expect(await stopping.evaluate(session, { step: 0, tracker: taking, stop: stop.signal })).toBeUndefined();
      expect(pictures).toEqual([]);
      warnings.length = 0;

      const figures = [await evaluator.evaluate(session, { step: 0, tracker: taking }), await evaluator.evaluate(session, { step: 1, tracker: taking })];
      const names = [1, 2, 3, 4].map((n) => `eval_predictions/Detection/${n}`);
      expect(pictures.map(([key]) => key)).toEqual([...names, ...names]);
      expect(warnings).toEqual(['warning: No picture of a prediction (eval_predictions/TL/1): the volume is gone']);
      for (const row of figures) expect(Object.keys(row!)).toEqual(Object.keys(without!));
      expect(figures[0]!['eval_TL_success_rate']).toBe(without!['eval_TL_success_rate']);
    });
  });
});
