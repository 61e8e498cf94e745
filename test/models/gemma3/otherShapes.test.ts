/**
 * Gemma 3 in shapes that gemma3-tiny has not, against transformers (test/golden/gemma3_cases.py): a window smaller than an image, layer types in no
 * pattern, both RoPEs scaled, biases, an untied head, pooling with a rest; text alone with capped logits; and image tokens that are causal.
 * Bound: 2e-5 of the largest value, ten times what float32 differs by in torch itself between its two ways of computing attention.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { cutPatches } from '../../../src/run/bench/cutPatches.ts';
import { nodePlatform } from '../../../node/platform.ts';
import type { Example } from '../../../src/data/example.ts';
import type { Device } from '../../../src/gpu/device.ts';
import { canonicalName } from '../../../src/io/names.ts';
import { loraConfig } from '../../../src/io/peftConfig.ts';
import { openSafetensors, toFloat32 } from '../../../src/io/safetensors.ts';
import { generate } from '../../../src/models/generate.ts';
import { countLabels } from '../../../src/train/microBatch.ts';
import { testDevice } from '../../gpu/testDevice.ts';
import { norm, readGradients, runBatch, withSession } from '../golden.ts';
import { gemma } from './goldenExamples.ts';
import { namingOf } from '../../../src/models/families.ts';

const folder = fileURLToPath(new URL('../../golden/gemma3', import.meta.url));
let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

async function tensorsOf(path: string): Promise<(name: string) => Float32Array> {
  const file = await openSafetensors(nodePlatform, `${folder}/${path}`);
  const values = new Map<string, Float32Array>();
  for (const [name, { dtype }] of file.tensors) {
    const raw = await file.readRaw(name);
    values.set(name, dtype === 'I64' ? Float32Array.from(new BigInt64Array(raw.slice().buffer), Number) : toFloat32(raw, dtype, name));
  }
  await file.close();
  return (name) => {
    const found = values.get(name);
    if (!found) throw new Error(`${path} has no ${name}`);
    return found;
  };
}

function row(ids: Float32Array, labels: Float32Array): Example {
  const inputIds = Int32Array.from(ids);
  return { inputIds, labels: Int32Array.from(labels), positionIds: Int32Array.from(inputIds.keys()), pixelValues: new Float32Array(0), imageGrids: [] };
}

function expectNear(label: string, found: ArrayLike<number>, wanted: ArrayLike<number>, bound = 2e-5): void {
  expect(found.length, label).toBe(wanted.length);
  const largest = Math.max(...Array.from(wanted, Math.abs));
  const worst = Math.max(...Array.from(wanted, (value, i) => Math.abs(value - found[i]!)));
  expect(worst / largest, label).toBeLessThanOrEqual(bound);
}

interface Facts {
  loss: number;
  prompt?: number;
  grad_norms: Record<string, number>;
}

const factsOf = (name: string): Facts => JSON.parse(readFileSync(`${folder}/${name}/case.json`, 'utf8')) as Facts;

describe.each([
  { name: 'other', modelType: 'gemma3' },
  { name: 'text', modelType: 'gemma3_text' },
])('$modelType, $name', ({ name, modelType }) => {
  const baseModel = `${folder}/${name}`;
  const facts = factsOf(name);
  let examples: Example[];
  let golden: (name: string) => Float32Array;

  beforeAll(async () => {
    golden = await tensorsOf(`${name}/case.safetensors`);
    examples =
      name === 'text'
        ? [row(golden('ids'), golden('labels'))]
        : [
            { ...row(golden('long'), golden('labels_long')), ...cutPatches(golden('pixel_values'), { images: 2, channels: 3, side: 56, patch: 8 }) },
            row(golden('short'), golden('labels_short')),
          ];
  });

  it('logits, loss, and the norm of every gradient', async () => {
    await withSession(device, { baseModel, finetuning: { kind: 'full' } }, async (session) => {
      session.arena.zeroGradients();
      const labels = examples.reduce((sum, example) => sum + countLabels(example), 0);
      const run = await runBatch(session, examples, { grad: true, lossScale: 1 / labels, taps: true });
      if (name === 'other') expectNear('image features', run.taps.get('model.multi_modal_projector')!, golden('image_features'));
      expectNear('logits', run.logits, golden('logits'));
      expectNear('loss', [run.loss], [facts.loss]);
      const gradients = await readGradients(session);
      const wanted = new Map(Object.entries(facts.grad_norms).map(([key, value]) => [canonicalName(namingOf(modelType), key), value]));
      const total = Math.hypot(...wanted.values());
      for (const [parameter, gradient] of gradients) {
        const expected = wanted.get(parameter);
        // SigLIP's pooling head takes no part, and a bias of all keys changes nothing.
        if (expected === undefined) expect(parameter).toContain('vision_model.head.');
        const found = norm([gradient]);
        if (expected === undefined || expected < 1e-6 * total) expect(found, parameter).toBeLessThan(1e-6 * total);
        else expectNear(parameter, [found], [expected], 1e-4);
      }
      for (const parameter of wanted.keys()) expect(gradients.has(parameter), parameter).toBe(true);
      expectNear('norm of all', [norm(gradients.values())], [total]);
    });
  });

  it('greedy answers, through the cache', async () => {
    const [first] = examples as [Example];
    const example = facts.prompt === undefined ? first : gemma.cut(first, facts.prompt);
    await withSession(device, { baseModel, finetuning: { kind: 'lora', config: loraConfig({ target_modules: ['q_proj'] }) } }, async ({ model }) => {
      const wanted = [...golden('generated')];
      expect(await generate(device, model, example, { maxNewTokens: wanted.length, endIds: [] })).toEqual(wanted);
    });
  });
});

describe('--image_attention causal is FlashAttention-2’s mask', () => {
  const finetuning = { kind: 'lora', config: loraConfig({ target_modules: ['q_proj'] }) } as const;

  it.each(['s00_single', 's10_twoimages'])('%s: logits, loss and answers', async (id) => {
    const golden = await tensorsOf('causal.safetensors');
    const { example } = await gemma.case(id);
    const { tensors } = await gemma.case(id);
    await withSession(device, { baseModel: gemma.baseModel, finetuning, imageAttention: 'causal' }, async (session) => {
      const run = await runBatch(session, [example]);
      expectNear('logits', run.logits, golden(`${id}.logits_completion`));
      expectNear('loss', [run.loss], golden(`${id}.loss`));
      const prompt = gemma.promptOf({ id, facts: gemma.facts()[id]!, tensors, example });
      const wanted = [...golden(`${id}.generated`)];
      expect(await generate(device, session.model, prompt, { maxNewTokens: wanted.length, endIds: [] })).toEqual(wanted);
    });
  });
});
