/** What is held in 4 bits or bytes and what is not, by what trains and what is skipped; and what makes no sense, in words. */
import { beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { Device } from '../../src/gpu/device.ts';
import type { Tensor } from '../../src/gpu/tensor.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { openModelFolder } from '../../src/io/modelFolder.ts';
import { toFloat32 } from '../../src/io/safetensors.ts';
import { modelFamily, namingOf } from '../../src/models/families.ts';
import { withHeadOf } from '../../src/models/head.ts';
import { planTraining } from '../../src/models/lora.ts';
import type { Finetuning } from '../../src/models/lora.ts';
import { heldQuantized, readStored } from '../../src/models/quantization.ts';
import type { Quantization } from '../../src/models/quantization.ts';
import { storedNote } from '../../src/options/quantization.ts';
import { openSession } from '../../src/train/session.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { goldenPath } from '../io/goldenFolder.ts';
import { runBatch, withSession } from './golden.ts';
import { qwen } from './qwen2_5_vl/goldenExamples.ts';

const nf4: Quantization = { weights: 'nf4', skipModules: ['lm_head'], embedding: 'none' };
const lora = (more: object = {}): Finetuning => ({ kind: 'lora', config: loraConfig({ target_modules: ['q_proj'], ...more }) });

async function held(name: string, finetuning: Finetuning, quantization: Quantization): Promise<{ nf4: string[]; int8: string[] }> {
  const folder = await openModelFolder(nodePlatform, goldenPath('models', name), namingOf);
  try {
    const { stored, floats } = await readStored(folder);
    const description = await withHeadOf(floats, modelFamily(folder.naming.modelType, '').describe(folder.config, ''));
    const trained = new Set(planTraining(description, finetuning).trained.keys());
    const found = heldQuantized(floats, stored, description, trained, quantization);
    return { nf4: [...found.nf4.keys()], int8: [...found.int8] };
  } finally {
    await folder.close();
  }
}

describe('what is held quantised', () => {
  it('every linear module but the skipped ones; no embedding, convolution, norm or tied head', async () => {
    const all = (await held(qwen.name, lora(), nf4)).nf4;
    expect(all).toHaveLength(3 * 7 + 4 * 5 + 2);
    expect(all).toContain('model.visual.merger.mlp.0.weight');
    expect(all.filter((name) => /embed|norm|bias|lm_head/.test(name))).toEqual([]);
    const gemma = (await held('gemma3-tiny', lora(), nf4)).nf4;
    expect(gemma.filter((name) => /embed|mm_input_projection/.test(name))).toEqual([]);
    const skipping = (await held(qwen.name, lora(), { ...nf4, skipModules: ['visual', 'down_proj'] })).nf4;
    expect(skipping).toHaveLength(3 * 6);
    expect((await held(qwen.name, lora(), { ...nf4, weights: 'none' })).nf4).toEqual([]);
  });

  it('what trains as a whole keeps its precision, in a quantised folder too', async () => {
    const whole = 'model.language_model.layers.1.mlp.up_proj.weight';
    for (const name of [qwen.name, `${qwen.name}-bnb-4bit`]) {
      expect((await held(name, lora(), nf4)).nf4).toContain(whole);
      expect((await held(name, lora({ modules_to_save: ['layers.1.mlp.up_proj'] }), nf4)).nf4).not.toContain(whole);
    }
  });

  it('of a quantised folder what it holds so, whatever is asked', async () => {
    const stored = (await held(`${qwen.name}-bnb-4bit`, lora(), { ...nf4, weights: 'none' })).nf4;
    expect(stored).toHaveLength(21);
    expect((await held(`${qwen.name}-bnb-4bit`, lora(), nf4)).nf4).toEqual(stored);
  });

  it('of a quantised folder, and modules named for it have no effect', () => {
    const named = { quantization: 'nf4', quantization_skip_modules: ['visual'], quantize_embedding: 'none' } as const;
    expect(storedNote(named, true)).toMatch(/--quantization_skip_modules: no effect on a base model that bitsandbytes has quantised/);
    expect(storedNote(named, false)).toBeUndefined();
    expect(storedNote({ ...named, quantization_skip_modules: ['lm_head'] }, true)).toBeUndefined();
  });

  it('refuses what makes no sense', async () => {
    await expect(held(qwen.name, { kind: 'full' }, nf4)).rejects.toThrow(/--quantization nf4 holds frozen weights in 4 bits, and --finetune full freezes none/);
    await expect(held(`${qwen.name}-bnb-4bit`, { kind: 'full' }, { ...nf4, weights: 'none' })).rejects.toThrow(/weights in 4 bits, which --finetune full cannot train/);
    await expect(held(qwen.name, lora({ modules_to_save: ['embed_tokens'] }), { ...nf4, embedding: 'int8' })).rejects.toThrow(/embed_tokens\.weight trains\. Leave it at none, or take the table out of --modules_to_save\.$/);
    await expect(held(qwen.name, { kind: 'full' }, { ...nf4, weights: 'none', embedding: 'int8' })).rejects.toThrow(
      /embed_tokens\.weight trains, as everything does with --finetune full\. Leave it at none, or train an adapter \(--finetune lora\)\.$/,
    );
    await expect(held(qwen.name, lora(), { ...nf4, skipModules: ['vision'] })).rejects.toThrow(/"vision" is no module/);
  });
});

describe('sessions over quantised weights', () => {
  let device: Device;
  beforeAll(async () => {
    device = await testDevice();
  });

  it('a module that trains as a whole starts at the values of the folder; of a quantised one, at those that its codes stand for', async () => {
    const module = 'model.language_model.layers.1.mlp.up_proj';
    for (const name of [`${qwen.name}-bf16`, `${qwen.name}-bnb-4bit`]) {
      const baseModel = goldenPath('models', name);
      const folder = await openModelFolder(nodePlatform, baseModel, namingOf);
      const { floats } = await readStored(folder);
      const { dtype } = floats.info(`${module}.weight`);
      const wanted = toFloat32(await floats.readRaw(`${module}.weight`), dtype, module);
      await folder.close();
      await withSession(device, { baseModel, quantization: nf4, finetuning: lora({ modules_to_save: ['layers.1.mlp.up_proj'] }) }, async ({ arena }) => {
        const tensor: Tensor = arena.parameters.get(`${module}.weight`)!.tensor;
        expect(await device.readF32(tensor)).toEqual(wanted);
      });
    }
  });

  it('a table in bytes changes the loss a little, and takes a quarter of the memory of f32', async () => {
    const examples = (await qwen.cases(['s00_single'])).map(({ example }) => example);
    const [exact, bytes] = [NaN, NaN];
    const losses = [exact, bytes];
    for (const [i, embedding] of (['none', 'int8'] as const).entries()) {
      await withSession(device, { baseModel: qwen.baseModel, finetuning: { kind: 'none' }, quantization: { weights: 'none', skipModules: [], embedding } }, async (session) => {
        losses[i] = (await runBatch(session, examples)).loss;
        expect(session.model.head.tensor.dtype).toBe(i === 0 ? 'f32' : 'int8');
        expect(session.model.head.tensor.bytes).toBeLessThan(640 * 64 * (i === 0 ? 4.01 : 1.2));
      });
    }
    expect(losses[1]).not.toBe(losses[0]);
    expect(Math.abs(losses[1]! / losses[0]! - 1)).toBeLessThan(0.01);
  });

  it('an adapter trains the same from a dry plan: no file is read', async () => {
    const dry = await openSession(nodePlatform, Device.dry(device.capabilities), { baseModel: qwen.baseModel, finetuning: lora(), quantization: { ...nf4, embedding: 'int8' } });
    expect(dry.quantizedCount).toBe(43);
    expect(dry.device.pool.report().inUseBytes).toBeGreaterThan(0);
  });
});
