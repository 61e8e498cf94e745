/** Whether the goldens would notice: tiles in another order, patches of a token in another order, one position for all patches, another RoPE base. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import type { Example } from '../../../src/data/example.ts';
import type { Device } from '../../../src/gpu/device.ts';
import { loraConfig } from '../../../src/io/peftConfig.ts';
import { writeSafetensors } from '../../../src/io/safetensors.ts';
import { testDevice } from '../../gpu/testDevice.ts';
import { Bounds, runBatch, tensorsOf, withSession } from '../golden.ts';
import { floats } from '../goldenModel.ts';
import { smolvlm } from './goldenExamples.ts';

const bounds = new Bounds(smolvlm.name);
const finetuning = { kind: 'lora', config: loraConfig({ target_modules: ['q_proj'] }) } as const;
const folders: string[] = [];
let device: Device;

beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** smolvlm-tiny with other settings, or with one tensor of other values. */
async function changed(text: Record<string, unknown>, name = '', change: (values: Float32Array) => Float32Array = (values) => values): Promise<string> {
  const folder = mkdtempSync(`${tmpdir()}/smolvlm-`);
  folders.push(folder);
  cpSync(smolvlm.baseModel, folder, { recursive: true });
  const config = JSON.parse(readFileSync(`${folder}/config.json`, 'utf8')) as { text_config: Record<string, unknown> };
  Object.assign(config.text_config, text);
  writeFileSync(`${folder}/config.json`, JSON.stringify(config));
  const tensors = await tensorsOf(`${smolvlm.baseModel}/model.safetensors`);
  const entries = [...tensors].map(([key, { shape, data }]) => {
    const values = key === name ? change(data as Float32Array) : (data as Float32Array);
    return { name: key, dtype: 'F32' as const, shape: [...shape], data: (): Promise<Uint8Array> => Promise.resolve(new Uint8Array(values.slice().buffer)) };
  });
  await writeSafetensors(nodePlatform, `${folder}/model.safetensors`, entries);
  return folder;
}

/** The pieces of equal size in another order. */
function reordered(values: Float32Array, size: number, order: readonly number[]): Float32Array {
  const out = values.slice();
  const whole = size * order.length;
  for (let begin = 0; begin < values.length; begin += whole) {
    order.forEach((from, to) => {
      out.set(values.subarray(begin + from * size, begin + (from + 1) * size), begin + to * size);
    });
  }
  return out;
}

async function logits(baseModel: string, example: Example): Promise<Float32Array> {
  let found = new Float32Array(0);
  await withSession(device, { baseModel, finetuning }, async (session) => {
    found = Float32Array.from((await runBatch(session, [example])).logits);
  });
  return found;
}

const C = 32;
const TILE = 36 * 192;

describe('the goldens notice', () => {
  const weights: [string, () => Promise<string>][] = [
    ['patches of a token taken column by column', () => changed({}, 'model.connector.modality_projection.proj.weight', (values) => reordered(values, C, [0, 2, 1, 3]))],
    ['one position for all patches', () => changed({}, 'model.vision_model.embeddings.position_embedding.weight', (values) => values.map((_, i) => values[i % C]!))],
    ['another RoPE base', () => changed({ rope_theta: 10_000 })],
    ['another epsilon', () => changed({ rms_norm_eps: 1e-2 })],
  ];
  it.each(weights)('%s', async (_, folder) => {
    const { example, tensors } = await smolvlm.case('s00_single');
    bounds.expectFar('forward.logits', 'logits', await logits(await folder(), example), floats(tensors, 'logits_completion'));
  });

  const orders: [string, number[]][] = [
    // s00's picture is three rows of three tiles, and the global view.
    ['tiles column by column', [0, 3, 6, 1, 4, 7, 2, 5, 8, 9]],
    ['the global view first', [9, 0, 1, 2, 3, 4, 5, 6, 7, 8]],
  ];
  it.each(orders)('%s', async (_, order) => {
    const { example, tensors } = await smolvlm.case('s00_single');
    expect(example.pixelValues).toHaveLength(TILE * order.length);
    const moved = { ...example, pixelValues: reordered(example.pixelValues, TILE, order) };
    bounds.expectFar('forward.logits', 'logits', await logits(smolvlm.baseModel, moved), floats(tensors, 'logits_completion'));
  });

  it('nothing, where nothing is changed', async () => {
    const { example, tensors } = await smolvlm.case('s00_single');
    bounds.expectNear('forward.logits', 'logits', await logits(await changed({}), example), floats(tensors, 'logits_completion'));
  });
});
