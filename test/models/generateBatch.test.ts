/** A batch of unequal prompts gives, token for token, what each prompt gives alone and what transformers gives; and its steps make nothing anew. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Example } from '../../src/data/example.ts';
import type { Device } from '../../src/gpu/device.ts';
import { generate, generateBatch } from '../../src/models/generate.ts';
import type { Model } from '../../src/models/model.ts';
import type { Session } from '../../src/train/session.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { goldenPath } from '../io/goldenFolder.ts';
import { goldenCases, hasGolden, withSession } from './golden.ts';
import { gemma } from './gemma3/goldenExamples.ts';
import type { GoldenCase } from './goldenModel.ts';
import { qwen } from './qwen2_5_vl/goldenExamples.ts';
import { qwen3 } from './qwen3_vl/goldenExamples.ts';
import { smolvlm } from './smolvlm/goldenExamples.ts';

let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

describe.each([qwen, gemma, qwen3, smolvlm].filter(({ name }) => hasGolden('models', name)))('$name', (golden) => {
  const { baseModel, name } = golden;
  let cases: GoldenCase[] = [];

  beforeAll(async () => {
    cases = await golden.cases(goldenCases(name));
  });

  const promptOf = (one: GoldenCase): Example => golden.promptOf(one);
  const withBase = (use: (session: Session) => Promise<void>): Promise<void> => withSession(device, { baseModel, finetuning: { kind: 'none' } }, use);
  /** Text alone: quick, and may be cut anywhere. */
  const short = (): Example[] => cases.map(promptOf).filter(({ pixelValues }) => pixelValues.length === 0);

  it('equals transformers on every case at once', async () => {
    await withBase(async ({ model }) => {
      const length = Math.max(...cases.map(({ facts }) => facts.generated.ids.length));
      const answers = await generateBatch(device, model, cases.map(promptOf), { maxNewTokens: length, endIds: [] });
      expect(new Set(cases.map(({ example }) => example.inputIds.length)).size).toBeGreaterThan(1);
      cases.forEach(({ id, facts: { generated } }, i) => expect(answers[i]!.ids.slice(0, generated.ids.length), id).toEqual(generated.ids));
    });
  });

  it.runIf(hasGolden('golden', name, 'runs', 'lora_token_mean', 'adapter_final'))('with an adapter equals each prompt alone', async () => {
    const initAdapter = goldenPath('golden', name, 'runs', 'lora_token_mean', 'adapter_final');
    await withSession(device, { baseModel, initAdapter, isFrozen: true }, async ({ model, processor, arena }) => {
      expect(() => arena.zeroGradients()).toThrow('not to be trained');
      device.pool.resetPeak();
      expect(device.pool.report().peakByLabel['optimizer'] ?? 0).toBe(0);
      const options = { maxNewTokens: 12, endIds: processor.endOfTurnIds };
      const prompts = cases.slice(0, 3).map(promptOf);
      const together = await generateBatch(device, model, prompts, options);
      for (const [i, prompt] of prompts.entries()) expect(together[i]!.ids).toEqual(await generate(device, model, prompt, options));
    });
  });

  it('tells each token as it comes, but not the one that ends the answer', async () => {
    await withBase(async ({ model }) => {
      const prompts = short().slice(0, 2);
      const whole = await generateBatch(device, model, prompts, { maxNewTokens: 6, endIds: [] });
      const endIds = [whole[0]!.ids[4]!];
      const told: number[][] = prompts.map(() => []);
      const answers = await generateBatch(device, model, prompts, { maxNewTokens: 6, endIds, onToken: (id, at) => told[at]!.push(id) });
      expect(told).toEqual(answers.map(({ ids }) => ids));
      expect(answers[0]!.finish).toBe('end');
    });
  });

  it('outgrows its cache, and goes on while others have ended', async () => {
    await withBase(async ({ model }) => {
      const [prompt] = short();
      const prompts = [3, 30, 17].map((length) => golden.cut(prompt!, length));
      const alone: number[][] = [];
      for (const example of prompts) alone.push(await generate(device, model, example, { maxNewTokens: 70, endIds: [] }));
      // An id that ends some answers early and not others.
      const firstAt = (ids: readonly number[], id: number): number => (ids.includes(id) ? ids.indexOf(id) : ids.length);
      const end = [...new Set(alone.flat())].find((id) => new Set(alone.map((ids) => firstAt(ids, id))).size > 1)!;
      const answers = await generateBatch(device, model, prompts, { maxNewTokens: 70, endIds: [end] });
      answers.forEach(({ ids, finish }, i) => {
        expect(ids).toEqual(alone[i]!.slice(0, firstAt(alone[i]!, end)));
        expect(finish).toBe(alone[i]!.includes(end) ? 'end' : 'length');
      });
    });
  });

  it('makes no buffer and no bind group after its second step', async () => {
    await withBase(async ({ model }) => {
      const prompts = short();
      const made: number[][] = [];
      const counting = watched(model, () => {
        made.push([device.counters.buffersCreated, device.counters.bindGroupsCreated]);
      });
      await generateBatch(device, counting, [prompts[0]!, prompts[0]!], { maxNewTokens: 12, endIds: [] });
      expect(made).toHaveLength(12);
      expect(made.slice(4).every((now) => String(now) === String(made[3]))).toBe(true);
    });
  });

  it('stops between two tokens', async () => {
    await withBase(async ({ model }) => {
      const stop = new AbortController();
      let steps = 0;
      const stopping = watched(model, () => {
        if (++steps === 3) stop.abort();
      });
      const held = device.pool.report().inUseBytes;
      const answers = await generateBatch(device, stopping, short().slice(0, 1), { maxNewTokens: 50, endIds: [], stop: stop.signal });
      expect(answers[0]).toMatchObject({ finish: 'stopped' });
      expect(answers[0]!.ids).toHaveLength(3);
      expect(device.pool.report().inUseBytes).toBe(held);
    });
  });

  it('of no prompt, or of no new token, is empty', async () => {
    await withBase(async ({ model }) => {
      expect(await generateBatch(device, model, [], { maxNewTokens: 5, endIds: [] })).toEqual([]);
      expect(await generateBatch(device, model, short().slice(0, 1), { maxNewTokens: 0, endIds: [] })).toEqual([{ ids: [], finish: 'length' }]);
    });
  });
});

/** The model, and `act` before every pass through it. */
function watched(model: Model, act: () => void): Model {
  return new Proxy(model, {
    get(target, name) {
      if (name !== 'prepare') return Reflect.get(target, name, target) as unknown;
      return (...args: Parameters<Model['prepare']>) => {
        act();
        return target.prepare(...args);
      };
    },
  });
}
