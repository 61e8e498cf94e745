/**
 * Rows whose pictures a model has kept: they come without pixels, nothing is made of them again, and whatever a run does in between (evaluates, takes the best
 * values back, breaks off and goes on, finds no room for some of them) it trains to the same bytes as with features made each time.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { openRowFile } from '../../src/data/conversations/rowFile.ts';
import type { Example } from '../../src/data/example.ts';
import { ExampleMaker } from '../../src/data/exampleMaker.ts';
import type { Device } from '../../src/gpu/device.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import type { Model } from '../../src/models/model.ts';
import type { Vision } from '../../src/models/vision.ts';
import type { Row, Tracker } from '../../src/track/tracker.ts';
import { RowEvaluator } from '../../src/train/evaluation.ts';
import { newestCheckpoint } from '../../src/train/resume.ts';
import { seenRows } from '../../src/train/seenRows.ts';
import { openSession } from '../../src/train/session.ts';
import { shortRunSettings } from '../../src/train/shortRun.ts';
import { conversationRows, exampleSource } from '../../src/train/sources.ts';
import { train } from '../../src/train/trainer.ts';
import type { TrainSettings } from '../../src/train/trainSettings.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { runBatch } from '../models/golden.ts';
import { goldenRows, tinyModel } from '../node/trainProcess.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-seen-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

const onText = { kind: 'lora' as const, config: loraConfig({ r: 2, lora_dropout: 0.1, target_modules: ['q_proj', 'v_proj'] }) };
/** Rows 0 and 2 share a picture, row 1 has two, row 3 none. */
const ROWS = 4;
const PICTURES = 4;

let device: Device;
beforeAll(async () => {
  device = await testDevice();
  const [one, two, text] = goldenRows('s01_single', 's10_twoimages', 's09_textonly') as [string, string, string];
  const again = JSON.stringify({
    ...(JSON.parse(one) as object),
    messages: [
      { role: 'user', content: '<image>And how wide?' },
      { role: 'assistant', content: '7 mm' },
    ],
  });
  writeFileSync(at('rows.jsonl'), `${[one, two, again, text].join('\n')}\n`);
});

interface Counted {
  model: Model;
  /** Pictures that went through the tower. */
  seen: () => number;
}

function counting({ vision, ...model }: Model): Counted {
  let seen = 0;
  const stages: Vision['stages'] = (tables, grids, options) => {
    seen += grids.length;
    return vision!.stages(tables, grids, options);
  };
  return { model: { ...model, vision: { ...vision!, stages } }, seen: () => seen };
}

interface Run {
  featureBytes?: number;
  settings?: Partial<TrainSettings>;
  /** Held-out losses as an evaluation of the rows gives them. */
  evaluates?: boolean;
  stopAt?: number;
  resumes?: boolean;
}

interface Ran {
  weights: Buffer;
  losses: unknown[];
  /** Rows that came without pixels, of those with pictures. */
  light: number;
  pictures: number;
  /** Of the features that are kept at the end. */
  bytes: number;
}

async function run(dir: string, { featureBytes, settings = {}, evaluates = false, stopAt, resumes = false }: Run = {}): Promise<Ran> {
  const session = await openSession(nodePlatform, device, {
    baseModel: tinyModel,
    finetuning: onText,
    seed: 5,
    ...(featureBytes !== undefined && { featureBytes }),
  });
  const counted = counting(session.model);
  Object.assign(session, { model: counted.model });
  const maker = new ExampleMaker(nodePlatform, session.processor, { mask: 'completion', vocabSize: session.model.vocabSize });
  const file = await openRowFile(nodePlatform, at('rows.jsonl'));
  const rows = exampleSource(conversationRows(file), (request) => maker.make(request));
  let light = 0;
  const source = {
    ...rows,
    async get(index: number, model?: Model): Promise<Example> {
      const example = await rows.get(index, model);
      if (example.imageGrids.length > 0 && example.pixelValues.length === 0) light++;
      return example;
    },
  };
  const stop = new AbortController();
  const losses: Row[] = [];
  const tracker: Tracker = {
    start: () => Promise.resolve(),
    progress: ({ step }) => {
      if (step === stopAt) stop.abort();
    },
    log: (row) => Promise.resolve(void losses.push(row)),
    event: () => Promise.resolve(),
    finish: () => Promise.resolve(),
    state: () => ({}),
  };
  const checkpoint = resumes ? await newestCheckpoint(nodePlatform, dir, () => undefined) : undefined;
  try {
    const evaluation = { per_device_eval_batch_size: 2, eval_generate: 2, eval_max_new_tokens: 2, parser: 'robust' as const, seed: 1 };
    await train(
      session,
      source,
      {
        ...shortRunSettings({ run_name: 'seen', max_steps: 6, per_device_train_batch_size: 2, learning_rate: 2e-3, seed: 3 }),
        save_steps: 2,
        save_total_limit: -1,
        ...settings,
      },
      {
        tracker,
        outputDir: dir,
        stop: stop.signal,
        ...(evaluates && { evaluator: new RowEvaluator(source, evaluation) }),
        ...(checkpoint && { resume: { checkpoint } }),
      },
    );
    const weights = readFileSync(join(dir, 'adapter_model.safetensors'));
    return {
      weights,
      losses: losses.flatMap((row) => [row['loss'], row['eval_loss']].filter((loss) => loss !== undefined)),
      light,
      pictures: counted.seen(),
      bytes: session.model.pictures!.bytes,
    };
  } finally {
    session.close();
    await file.close();
  }
}

/** The run with features made each time. */
let each: Ran;
beforeAll(async () => {
  each = await run(at('each'), { featureBytes: 0 });
});

describe('a run whose features are kept', () => {
  it('makes each picture once, goes on without pixels, and trains to the bytes of one that makes them each time, or in part, for want of room', async () => {
    const kept = await run(at('kept'));
    expect(kept.losses).toHaveLength(6);
    expect(kept.losses).toEqual(each.losses);
    expect(kept.weights.equals(each.weights)).toBe(true);
    expect(kept.pictures).toBe(PICTURES - 1);
    expect(each.pictures).toBeGreaterThanOrEqual(3 * (PICTURES - 1));
    expect(each.light).toBe(0);
    // Rows of the next step are asked for before this one's are kept.
    expect(kept.light).toBeGreaterThanOrEqual(3);
    const some = await run(at('some'), { featureBytes: kept.bytes - 1 });
    expect(some.bytes).toBeGreaterThan(0);
    expect(some.weights.equals(each.weights)).toBe(true);
    expect(some.losses).toEqual(each.losses);
    expect(some.pictures).toBeGreaterThan(kept.pictures);
    expect(some.pictures).toBeLessThan(each.pictures);
    expect(some.light).toBeGreaterThan(0);
  });

  it('with evaluations and answers in between and the best values at the end, to the same bytes', async () => {
    const settings = { eval_strategy: 'steps', eval_steps: 2, load_best_model_at_end: true, metric_for_best_model: 'eval_loss' } as const;
    const kept = await run(at('best'), { settings, evaluates: true });
    const without = await run(at('best each'), { settings, evaluates: true, featureBytes: 0 });
    expect(kept.losses).toHaveLength(6 + 4);
    expect(kept.losses).toEqual(without.losses);
    expect(kept.weights.equals(without.weights)).toBe(true);
    expect(kept.pictures).toBe(PICTURES - 1);
  });

  it('broken off and gone on with, to the same bytes', async () => {
    await run(at('broken'), { stopAt: 3 });
    const resumed = await run(at('broken'), { resumes: true });
    expect(resumed.weights.equals(each.weights)).toBe(true);
    expect(resumed.losses).toEqual(each.losses.slice(-resumed.losses.length));
    expect(resumed.losses.length).toBeLessThan(each.losses.length);
  });
});

describe('a row that was seen', () => {
  it('is made once while its features are there, and again, with its pixels, where they are gone', async () => {
    const session = await openSession(nodePlatform, device, { baseModel: tinyModel, finetuning: onText });
    const file = await openRowFile(nodePlatform, at('rows.jsonl'));
    try {
      const maker = new ExampleMaker(nodePlatform, session.processor, { mask: 'completion', vocabSize: session.model.vocabSize });
      const list = conversationRows(file);
      const made: number[] = [];
      const forgotten: number[] = [];
      const get = seenRows(
        async (index) => {
          made.push(index);
          return maker.make(await list.request(index));
        },
        (index) => forgotten.push(index),
      );
      const { model } = session;
      const batch = (): Promise<Example[]> => Promise.all(Array.from({ length: ROWS }, (_, index) => get(index, model)));
      const nll = async (examples: readonly Example[]): Promise<Float32Array> => (await runBatch({ device, model }, examples)).nll;
      const first = await batch();
      const expected = await nll(first);
      made.length = 0;
      const light = await batch();
      expect(light.map(({ pixelValues }) => pixelValues.length)).toEqual([0, 0, 0, 0]);
      expect(light.map(({ imageGrids, inputIds }) => ({ imageGrids, inputIds }))).toEqual(first.map(({ imageGrids, inputIds }) => ({ imageGrids, inputIds })));
      expect([made, forgotten]).toEqual([[ROWS - 1], [0, 1, 2]]); // a row without pictures is made as before
      expect(await nll(light)).toEqual(expected);
      expect(made).toEqual([ROWS - 1]);
      // Rows that were fetched before their features went.
      model.pictures!.clear();
      expect(await nll(light)).toEqual(expected);
      expect(made).toEqual([ROWS - 1, 0, 1, 2]);
      // And for whoever keeps none.
      expect((await get(1)).pixelValues).toEqual(first[1]!.pixelValues);
    } finally {
      session.close();
      await file.close();
    }
  });
});
