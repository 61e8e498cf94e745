/**
 * The projector trains on request: all-linear does not reach `mm_input_projection_weight`, which is no linear layer; `modules_to_save` does. Names and
 * shapes are those that PEFT 0.21 saves for modules_to_save=["multi_modal_projector"]; gradients are full fine-tuning's, as lora_B starts at zero.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { beforeAll, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import type { Device } from '../../../src/gpu/device.ts';
import { loraConfig } from '../../../src/io/peftConfig.ts';
import { openSafetensors } from '../../../src/io/safetensors.ts';
import { countLabels } from '../../../src/train/microBatch.ts';
import { testDevice } from '../../gpu/testDevice.ts';
import { Bounds, goldenTensors, readGradients, runBatch, withSession } from '../golden.ts';
import { floats } from '../goldenModel.ts';
import { gemma } from './goldenExamples.ts';

const PROJECTOR = 'model.multi_modal_projector';
const SAVED = [`${PROJECTOR}.mm_input_projection_weight`, `${PROJECTOR}.mm_soft_emb_norm.weight`];
const bounds = new Bounds(gemma.name);
const { baseModel } = gemma;
let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

it('modules_to_save: gradients, names in the adapter, and the way back', async () => {
  const config = loraConfig({ r: 4, target_modules: 'all-linear', modules_to_save: ['multi_modal_projector'] });
  const examples = (await gemma.cases(['s00_single', 's01_single'])).map(({ example }) => example);
  const labels = examples.reduce((sum, example) => sum + countLabels(example), 0);
  const golden = await goldenTensors('golden', gemma.name, 'full_grads.safetensors');
  const dir = mkdtempSync(`${tmpdir()}/projector-`);
  try {
    const kept = await withSession(device, { baseModel, finetuning: { kind: 'lora', config } }, async (session) => {
      expect([...session.plan.trained.keys()].filter((name) => !name.includes('.lora_')).sort()).toEqual(SAVED);
      session.arena.zeroGradients();
      await runBatch(session, examples, { grad: true, lossScale: 1 / labels });
      const gradients = await readGradients(session);
      for (const name of SAVED) {
        const stored = [...golden.keys()].find((key) => name.endsWith(key) || key.endsWith(name.replace('model.', '')))!;
        bounds.expectNear('full.grad', name, gradients.get(name)!, floats(golden, stored));
      }
      await session.save(dir);
      return session.arena.readValues(SAVED[0]!);
    });
    const file = await openSafetensors(nodePlatform, `${dir}/adapter_model.safetensors`);
    const shapes = [...file.tensors].filter(([name]) => !name.includes('.lora_')).map(([name, { shape }]) => [name, shape]);
    await file.close();
    expect(shapes).toEqual([[`base_model.model.${SAVED[0]}`, [64, 64]], [`base_model.model.${SAVED[1]}`, [64]]]);
    await withSession(device, { baseModel, initAdapter: dir }, async ({ arena }) => {
      expect(await arena.readValues(SAVED[0]!)).toEqual(kept);
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
});

it('all-linear leaves the projector out; to name its bare matrix alone says what to name', async () => {
  const open = (config: ReturnType<typeof loraConfig>, use: (names: string[]) => void): Promise<void> =>
    withSession(device, { baseModel, finetuning: { kind: 'lora', config } }, async ({ plan }) => {
      use([...plan.trained.keys()]);
    });
  await open(loraConfig({ target_modules: 'all-linear' }), (names) => {
    expect(names.filter((name) => name.includes('multi_modal_projector'))).toEqual([]);
    expect(names.filter((name) => name.includes('vision_tower'))).toHaveLength(2 * 6 * 3);
  });
  const bare = loraConfig({ target_modules: ['q_proj'], modules_to_save: ['mm_input_projection_weight'] });
  await expect(open(bare, () => undefined)).rejects.toThrow('modules_to_save: no module of the base model ends in mm_input_projection_weight');
});
