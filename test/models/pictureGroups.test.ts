/**
 * A tower that trains, its pictures in groups: the losses and gradients of all pictures at once but for the order of sums, whatever the batch holds; test/models/goldenGradients.ts
 * holds them against PyTorch's, test/train/memoryPlan.test.ts their memory against the plan.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Example } from '../../src/data/example.ts';
import type { Device } from '../../src/gpu/device.ts';
import { Tensor } from '../../src/gpu/tensor.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { generate } from '../../src/models/generate.ts';
import type { Model } from '../../src/models/model.ts';
import type { Grid, Vision } from '../../src/models/vision.ts';
import { GROUP_BYTES } from '../../src/models/pictureGroups.ts';
import { runMicroBatch } from '../../src/train/microBatch.ts';
import type { MicroBatchOptions } from '../../src/train/microBatch.ts';
import type { Session, SessionOptions } from '../../src/train/session.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { gemma } from './gemma3/goldenExamples.ts';
import { inGroups, readGradients, withSession, withVisionInChain } from './golden.ts';
import type { GoldenModel } from './goldenModel.ts';
import { qwen } from './qwen2_5_vl/goldenExamples.ts';
import { qwen3 } from './qwen3_vl/goldenExamples.ts';
import { smolvlm } from './smolvlm/goldenExamples.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

const all = (more: object = {}): SessionOptions['finetuning'] => ({
  kind: 'lora',
  config: loraConfig({ r: 4, target_modules: 'all-linear', init_lora_weights: true, ...more }),
});

interface Figures {
  loss: number;
  gradients: Map<string, Float32Array>;
  passed: string[];
}

async function step(session: Session, model: Model, examples: readonly Example[], more: Partial<MicroBatchOptions> = {}): Promise<Figures> {
  session.arena.zeroGradients();
  const lossSum = new Tensor([2], 'f32', device.pool.acquire(8, 'test'));
  device.clear(lossSum.view);
  const passed: string[] = [];
  await runMicroBatch(device, model, examples, {
    grad: true,
    training: true,
    checkpointing: true,
    random: { seed: 1, step: 2 },
    lossScale: 0.1,
    lossSum,
    onPassed: (name) => passed.push(name),
    ...more,
  });
  const [loss] = await device.readF32(lossSum);
  device.pool.release(lossSum.view);
  return { loss: loss!, gradients: await readGradients(session), passed };
}

/** How many pictures went through the tower at once. */
function watched({ vision, ...model }: Model): { model: Model; groups: number[] } {
  const groups: number[] = [];
  const stages: Vision['stages'] = (tables, grids: readonly Grid[], options) => {
    groups.push(grids.length);
    return vision!.stages(tables, grids, options);
  };
  return { model: { ...model, vision: { ...vision!, stages } }, groups };
}

function expectNear(one: Figures, other: Figures): void {
  expect(Math.abs(one.loss - other.loss)).toBeLessThan(1e-5 * Math.abs(other.loss));
  // A gradient that is zero but for rounding is compared with the largest there is.
  const largest = (values: Float32Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const most = Math.max(...[...other.gradients.values()].map(largest));
  expect(most).toBeGreaterThan(0);
  for (const [name, gradient] of one.gradients) {
    const expected = other.gradients.get(name)!;
    const bound = 1e-4 * Math.max(largest(expected), 1e-3 * most);
    expect(
      gradient.every((value, i) => Math.abs(value - expected[i]!) <= bound),
      name,
    ).toBe(true);
  }
}

function expectSame(one: Figures, other: Figures): void {
  expect(one.loss).toBe(other.loss);
  for (const [name, gradient] of one.gradients) expect(gradient, name).toEqual(other.gradients.get(name));
}

describe.each([qwen, gemma, qwen3, smolvlm])('pictures in groups: $name', (model: GoldenModel) => {
  let examples: Example[];
  beforeAll(async () => {
    examples = (await model.cases(['s10_twoimages', 's09_textonly', 's01_single'])).map((golden) => golden!.example);
  });
  const session = (finetuning: SessionOptions['finetuning'], use: (session: Session) => Promise<void>, more: Partial<SessionOptions> = {}): Promise<void> =>
    withSession(device, { baseModel: model.baseModel, seed: 3, ...(finetuning && { finetuning }), ...more }, async (opened) => {
      // lora_B starts at zero, where no gradient reaches lora_A.
      for (const [name, { tensor }] of opened.arena.parameters) {
        if (name.includes('lora_B'))
          opened.arena.writeValues(
            name,
            Float32Array.from({ length: tensor.size }, (_, i) => Math.sin(i * 1.7 + name.length) / 50),
          );
      }
      await use(opened);
    });

  it('give the gradients of one piece, of unlike pictures beside rows without any, every stage passed once', async () => {
    await session(all(), async (opened) => {
      const whole = await step(opened, opened.model, examples);
      const pictures = examples.flatMap(({ imageGrids }) => imageGrids);
      const single = watched(inGroups(opened.model));
      const grouped = await step(opened, single.model, examples);
      expect(single.groups).toEqual([...pictures, ...pictures].map(() => 1));
      expectNear(grouped, whole);
      expect(new Set(grouped.passed)).toEqual(new Set(whole.passed));
      expect(grouped.passed).toHaveLength(new Set(grouped.passed).size);
      // Nothing of it is left to chance, or to what is kept.
      for (const more of [{ checkpointing: false }, { keptStages: 2 }]) expectSame(await step(opened, single.model, examples, more), grouped);
      const [first, second] = pictures.map((grid) => opened.model.vision!.patches(grid));
      const pairs = watched(inGroups(opened.model, Math.min(GROUP_BYTES, device.maxBindingBytes) / 4 / (first! + second!)));
      expectNear(await step(opened, pairs.model, examples), whole);
      expect(pairs.groups[0]).toBe(2);
      const whole2 = await step(opened, opened.model, [examples[1]!]);
      expectSame(await step(opened, single.model, [examples[1]!]), whole2); // of text alone there is nothing to group
    });
  });

  it('drop out in the second run what they dropped in the first, and not the same in every group', async () => {
    const [, , one] = examples;
    const twice: Example[] = [one!, one!];
    await session(all({ lora_dropout: 0.5 }), async (opened) => {
      const grouped = inGroups(opened.model);
      const first = await step(opened, grouped, twice);
      expectSame(await step(opened, grouped, twice, { checkpointing: false }), first);
      // Against differences: the loss along the gradient, at the same masks.
      const along = [...first.gradients].find(([name]) => /(visual|vision).*lora_B/.test(name))!;
      const values = await device.readF32(opened.arena.parameters.get(along[0])!.tensor);
      const size = along[1].reduce((sum, value) => sum + value ** 2, 0);
      const reach = 1e-2 / Math.sqrt(size);
      const at = async (by: number): Promise<number> => {
        opened.arena.writeValues(
          along[0],
          values.map((value, i) => value + by * reach * along[1][i]!),
        );
        return (await step(opened, grouped, twice)).loss;
      };
      const slope = (await at(1)) - (await at(-1));
      expect(Math.abs(slope / 2 / (0.1 ** -1 * size * reach) - 1)).toBeLessThan(0.05);
    });
  });

  it('of a tower that does not train are the features alone, and an answer is the same', async () => {
    const onText = loraConfig({ target_modules: ['q_proj', 'k_proj'] });
    const [golden] = await model.cases(['s10_twoimages']);
    await session({ kind: 'lora', config: { ...onText, target_modules: '.*(language_model|text_model).*q_proj' } }, async (opened) => {
      const whole = withVisionInChain(opened.model);
      expectNear(await step(opened, inGroups(whole), examples), await step(opened, whole, examples));
      const answer = (one: Model): Promise<number[]> => generate(device, one, model.promptOf(golden!), { maxNewTokens: 4, endIds: [] });
      expect(await answer(inGroups(whole))).toEqual(await answer(whole));
    });
  });
});

it('of which only what makes deep features trains', async () => {
  const [golden] = await qwen3.cases(['s10_twoimages']);
  const finetuning = { kind: 'lora' as const, config: loraConfig({ target_modules: String.raw`.*deepstack_merger_list\.0.*linear_fc2` }) };
  await withSession(device, { baseModel: qwen3.baseModel, finetuning }, async (session) => {
    expectNear(await step(session, inGroups(session.model), [golden!.example]), await step(session, session.model, [golden!.example]));
  });
});
