/**
 * Features that are made once: the same bits whether they are kept, made again or made beside others; made again only where they are not kept; and
 * within their room.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Example } from '../../src/data/example.ts';
import { Device } from '../../src/gpu/device.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { generate } from '../../src/models/generate.ts';
import type { Model } from '../../src/models/model.ts';
import { pictureKey } from '../../src/models/pictureKey.ts';
import type { Vision } from '../../src/models/vision.ts';
import { openSession } from '../../src/train/session.ts';
import type { Session, SessionOptions } from '../../src/train/session.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { goldenPath } from '../io/goldenFolder.ts';
import { gemma } from './gemma3/goldenExamples.ts';
import { readGradients, runBatch, withSession, withVisionInChain } from './golden.ts';
import type { GoldenModel } from './goldenModel.ts';
import { qwen } from './qwen2_5_vl/goldenExamples.ts';
import { qwen3 } from './qwen3_vl/goldenExamples.ts';
import { smolvlm } from './smolvlm/goldenExamples.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

interface Figures {
  nll: Float32Array;
  gradients: Map<string, Float32Array>;
  /** Pictures that went through the tower. */
  seen: number;
}

/** The model, which counts how many pictures its tower is given. */
function counting({ vision, ...model }: Model): { model: Model; seen: () => number } {
  let seen = 0;
  const stages: Vision['stages'] = (tables, grids, options) => {
    seen += grids.length;
    return vision!.stages(tables, grids, options);
  };
  return { model: { ...model, vision: { ...vision!, stages } }, seen: () => seen };
}

async function step(session: Session, examples: readonly Example[]): Promise<Figures> {
  session.arena.zeroGradients();
  const { model, seen } = counting(session.model);
  const { nll } = await runBatch({ device: session.device, model }, examples, { grad: true, training: true });
  return { nll, gradients: await readGradients(session), seen: seen() };
}

function expectSame(one: Figures, other: Figures): void {
  expect(one.nll).toEqual(other.nll);
  for (const [name, gradient] of one.gradients) expect(gradient, name).toEqual(other.gradients.get(name));
}

describe.each([qwen, gemma, qwen3, smolvlm])('features of pictures: $name', (model: GoldenModel) => {
  const onText: SessionOptions = { baseModel: model.baseModel, initAdapter: goldenPath('golden', model.name, 'lora', 'language_only') };
  const batches = async (): Promise<Record<'two' | 'beside' | 'text', Example[]>> => {
    const [two, text] = (await model.cases(['s10_twoimages', 's09_textonly'])).map((golden) => golden!.example);
    return { two: [two!], beside: [text!, two!, two!], text: [text!] };
  };

  it('are the same to the bit kept, made again, and beside other rows, and kept ones cost no tower', async () => {
    const { two, beside } = await batches();
    const pictures = two[0]!.imageGrids.length;
    const kept = await withSession(device, onText, async (session) => {
      const first = [await step(session, two), await step(session, beside)];
      expect(session.model.pictures!.bytes).toBeGreaterThan(0);
      const held = session.model.pictures!.bytes;
      const again = [await step(session, two), await step(session, beside)];
      expect(session.model.pictures!.bytes).toBe(held);
      first.forEach((figures, at) => expectSame(again[at]!, figures));
      expect(first.map(({ seen }) => seen)).toEqual([pictures, 0]); // what `two` has left
      expect(again.map(({ seen }) => seen)).toEqual([0, 0]);
      return first;
    });
    await withSession(device, { ...onText, featureBytes: 0 }, async (session) => {
      for (let turn = 0; turn < 2; turn++) expectSame(await step(session, two), kept[0]!);
      const [once, twice] = [await step(session, two), await step(session, beside)];
      expectSame(twice, kept[1]!);
      expect([once.seen, twice.seen]).toEqual([pictures, pictures]);
      expect(session.model.pictures!.bytes).toBe(0);
    });
  });

  it('are those of the tower in the chain', async () => {
    const { beside } = await batches();
    await withSession(device, onText, async (session) => {
      const before = await step(session, beside);
      const { nll } = await runBatch({ device, model: withVisionInChain(session.model) }, beside);
      // Other numbers of rows may be summed in other orders.
      before.nll.forEach((value, i) => expect(Math.abs(value - nll[i]!)).toBeLessThan(1e-4 * Math.abs(value)));
    });
  });

  it('are not kept where something that makes them trains', async () => {
    const all = loraConfig({ target_modules: 'all-linear' });
    await withSession(device, { baseModel: model.baseModel, finetuning: { kind: 'lora', config: all } }, (session) => {
      expect(session.model.pictures).toBeUndefined();
      return Promise.resolve();
    });
    await withSession(device, { baseModel: model.baseModel, finetuning: { kind: 'full' } }, (session) => {
      expect(session.model.pictures).toBeUndefined();
      return Promise.resolve();
    });
  });

  it('serve a model that is only asked, whatever its adapter reaches, and are gone when other values are loaded', async () => {
    const adapter = goldenPath('golden', model.name, 'lora', 'all_linear');
    const [golden] = await model.cases(['s10_twoimages']);
    const prompt = model.promptOf(golden!);
    const options = { maxNewTokens: 6, endIds: [] };
    await withSession(device, { baseModel: model.baseModel, initAdapter: adapter, isFrozen: true }, async (session) => {
      const asked = async (): Promise<{ ids: number[]; seen: number }> => {
        const { model: counted, seen } = counting(session.model);
        return { ids: await generate(device, counted, prompt, options), seen: seen() };
      };
      const first = await asked();
      expect(first.seen).toBe(prompt.imageGrids.length);
      expect(await asked()).toEqual({ ids: first.ids, seen: 0 });
      await session.load(adapter);
      expect(session.model.pictures!.bytes).toBe(0);
      expect(await asked()).toEqual(first);
    });
  });

  it('of weights that are streamed are the same', async () => {
    const { beside } = await batches();
    const [streamed, resident] = [
      await withSession(device, { ...onText, offload: 'weights' }, (session) => step(session, beside)),
      await withSession(device, onText, (session) => step(session, beside)),
    ];
    expectSame(streamed, resident);
  });

  it('stay within their room: the first ones in training, the latest ones where it is asked', async () => {
    const [golden] = await model.cases(['s10_twoimages']);
    const example = golden!.example;
    const others = [1, 2, 3, 4].map((seed): Example => ({ ...example, pixelValues: example.pixelValues.map((value) => value / (1 + seed)) }));
    const measured = await withSession(device, onText, async (session) => {
      await step(session, [others[0]!]);
      return session.model.pictures!.bytes;
    });
    const hits = async (options: SessionOptions): Promise<boolean[]> =>
      withSession(device, { ...options, featureBytes: 2 * measured }, async (session) => {
        const { pictures } = session.model;
        const isKept = async (other: Example): Promise<boolean> => {
          const { model: counted, seen } = counting(session.model);
          const features = await pictures!.of(device, counted.vision!, [other]);
          for (const { view } of Object.values(features)) device.pool.release(view);
          expect(pictures!.bytes).toBeLessThanOrEqual(2 * measured);
          return seen() === 0;
        };
        const passes: boolean[] = [];
        for (const other of [...others, ...others, ...others.slice(2)]) passes.push(await isKept(other));
        return passes;
      });
    const [no, yes] = [false, true];
    expect(await hits(onText)).toEqual([no, no, no, no, yes, yes, no, no, no, no]);
    const asked: SessionOptions = { baseModel: model.baseModel, finetuning: { kind: 'none' } };
    expect(await hits(asked)).toEqual([no, no, no, no, no, no, no, no, yes, yes]);
  });

  it('on a device that makes nothing are counted and not held', async () => {
    const { two } = await batches();
    const session = await openSession(nodePlatform, Device.dry(device.capabilities), onText);
    await step(session, two);
    expect(session.model.pictures!.bytes).toBeGreaterThan(0);
    session.close();
  });
});

describe('what a picture is known by', () => {
  const pixels = Float32Array.from({ length: 997 }, (_, i) => Math.sin(i));

  it('changes with any value, with an exchange of two, and with the grid', () => {
    const key = pictureKey([1, 2, 3], pixels);
    expect(pictureKey([1, 2, 3], pixels.slice())).toBe(key);
    const keys = new Set([key, pictureKey([1, 3, 2], pixels), pictureKey([1, 2, 3], pixels.subarray(1)), pictureKey([1, 2, 3], new Float32Array(997))]);
    for (let i = 0; i < pixels.length; i++) {
      const changed = pixels.slice();
      changed[i] = changed[i]! + 1e-3;
      keys.add(pictureKey([1, 2, 3], changed));
      if (i < 2) continue;
      const swapped = pixels.slice();
      [swapped[i], swapped[i - 2]] = [swapped[i - 2]!, swapped[i]!];
      keys.add(pictureKey([1, 2, 3], swapped));
    }
    expect(keys.size).toBe(4 + 997 + 995);
  });
});
