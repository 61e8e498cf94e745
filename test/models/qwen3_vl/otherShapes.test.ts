/**
 * Qwen3-VL in shapes that qwen3_vl-tiny has not, against transformers (test/golden/qwen3_vl_shapes.py): biases, an untied head, scaled RoPE, sections that
 * run out, merge blocks of nine patches, deep features that are named out of order, a single key head. Bounds are ten times float32's own noise.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import type { Example } from '../../../src/data/example.ts';
import type { Device } from '../../../src/gpu/device.ts';
import { openModelFolder } from '../../../src/io/modelFolder.ts';
import { loraConfig } from '../../../src/io/peftConfig.ts';
import { namingOf } from '../../../src/models/families.ts';
import { generate } from '../../../src/models/generate.ts';
import { parseQwen3VLConfig } from '../../../src/models/qwen3_vl/config.ts';
import { deepNames } from '../../../src/models/qwen3_vl/vision.ts';
import { countLabels } from '../../../src/train/microBatch.ts';
import { testDevice } from '../../gpu/testDevice.ts';
import { norm, readGradients, runBatch, tensorsOf, withSession } from '../golden.ts';
import type { GoldenTensor } from '../golden.ts';
import { floats, integers } from '../goldenModel.ts';

interface Facts {
  prompt: number;
  noise: Record<string, number>;
  grad_norms: Record<string, number>;
}

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

function exampleOf(tensors: ReadonlyMap<string, GoldenTensor>, row: number): Example {
  const inputIds = integers(tensors, `${row}.input_ids`);
  const labels = integers(tensors, `${row}.labels`);
  if (!tensors.has(`${row}.pixel_values`)) {
    return { inputIds, labels, positionIds: Int32Array.from({ length: 3 * inputIds.length }, (_, i) => i % inputIds.length), pixelValues: new Float32Array(0), imageGrids: [] };
  }
  const grids = integers(tensors, `${row}.image_grid_thw`);
  return {
    inputIds,
    labels,
    positionIds: integers(tensors, `${row}.position_ids`),
    pixelValues: floats(tensors, `${row}.pixel_values`),
    imageGrids: Array.from({ length: grids.length / 3 }, (_, i) => [grids[3 * i]!, grids[3 * i + 1]!, grids[3 * i + 2]!]),
  };
}

describe.each(['untied', 'small'])('%s', (name) => {
  const baseModel = fileURLToPath(new URL(`../../golden/qwen3_vl/${name}`, import.meta.url));
  const facts = JSON.parse(readFileSync(`${baseModel}/case.json`, 'utf8')) as Facts;
  const config = parseQwen3VLConfig(JSON.parse(readFileSync(`${baseModel}/config.json`, 'utf8')) as Record<string, unknown>);
  let golden: Map<string, GoldenTensor>;
  let examples: Example[];
  beforeAll(async () => {
    golden = await tensorsOf(`${baseModel}/case.safetensors`);
    examples = [0, 1, 2].map((row) => exampleOf(golden, row));
  });

  function expectNear(quantity: string, found: ArrayLike<number>): void {
    const wanted = floats(golden, quantity);
    expect(found.length, quantity).toBe(wanted.length);
    const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const worst = wanted.reduce((most, value, i) => (Math.abs(value - found[i]!) <= most ? most : Math.abs(value - found[i]!)), 0);
    expect(worst / largest, quantity).toBeLessThanOrEqual(10 * facts.noise[quantity]!);
  }

  it('features, logits, loss; the norm of every gradient', async () => {
    await withSession(device, { baseModel, finetuning: { kind: 'full' } }, async (session) => {
      session.arena.zeroGradients();
      const labels = examples.reduce((sum, example) => sum + countLabels(example), 0);
      const run = await runBatch(session, examples, { grad: true, lossScale: 1 / labels, taps: true });
      const order = [...config.vision.deepBlocks.keys()].toSorted((a, b) => config.vision.deepBlocks[a]! - config.vision.deepBlocks[b]!);
      deepNames(config.vision).forEach((deep, i) => { expectNear(`deep.${i}`, run.taps.get(`model.visual.deepstack_merger_list.${order[i]!}/${deep}`)!); });
      expectNear('image_features', run.taps.get('model.visual.merger')!);
      expectNear('logits', run.logits);
      expectNear('loss', [run.loss]);
      const gradients = await readGradients(session);
      expect([...gradients.keys()].sort()).toEqual(Object.keys(facts.grad_norms).sort());
      for (const [parameter, wanted] of Object.entries(facts.grad_norms)) {
        expect(Math.abs(norm([gradients.get(parameter)!]) - wanted) / wanted, parameter).toBeLessThanOrEqual(1e-4);
      }
    });
  });

  it('a greedy answer', async () => {
    const finetuning = { kind: 'lora', config: loraConfig({ target_modules: ['q_proj'] }) } as const;
    await withSession(device, { baseModel, finetuning }, async (session) => {
      const { inputIds, labels, positionIds, ...image } = examples[0]!;
      const axes = [0, 1, 2].flatMap((axis) => [...positionIds.subarray(axis * inputIds.length, axis * inputIds.length + facts.prompt)]);
      const prompt = { inputIds: inputIds.slice(0, facts.prompt), labels: labels.slice(0, facts.prompt), positionIds: Int32Array.from(axes), ...image };
      expect(await generate(device, session.model, prompt, { maxNewTokens: 12, endIds: [] })).toEqual([...integers(golden, 'generated')]);
    });
  });

  it('every tensor of the checkpoint is read', async () => {
    const folder = await openModelFolder(nodePlatform, baseModel, namingOf);
    await withSession(device, { baseModel, finetuning: { kind: 'full' } }, (session) => {
      expect([...session.arena.parameters.keys()].sort()).toEqual(folder.names().sort());
      return Promise.resolve();
    });
    await folder.close();
  });
});
