/**
 * Property: whatever a config.json and its weights say, the loss is transformers' (test/golden/base_configs.py), or the folder is refused
 * in words. Bound: 1e-4. VERNIER_BASE_CONFIGS names another file of the script, for a longer sweep.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Example } from '../../src/data/example.ts';
import type { Device } from '../../src/gpu/device.ts';
import { openModelFolder } from '../../src/io/modelFolder.ts';
import { writeSafetensors } from '../../src/io/safetensors.ts';
import { modelFamily } from '../../src/models/families.ts';
import { withHeadOf } from '../../src/models/head.ts';
import { HEAD } from '../../src/models/model.ts';
import { mropePositions } from '../../src/models/qwen2_5_vl/positions.ts';
import { loadParameters, Weights } from '../../src/models/weights.ts';
import { UserError } from '../../src/platform.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { memoryPlatform, type MemoryPlatform } from '../io/memoryPlatform.ts';
import { cutPatches } from './gemma3/goldenExamples.ts';
import { runBatch } from './golden.ts';
import { noise } from './noise.ts';

interface Case {
  config: Record<string, unknown> & { model_type: string };
  head: 'none' | 'own' | 'copy' | 'only';
  image: boolean;
  loss: number;
  tied: boolean;
}

const path = process.env['VERNIER_BASE_CONFIGS'] ?? fileURLToPath(new URL('../golden/bases/configs.json', import.meta.url));
const cases = JSON.parse(readFileSync(path, 'utf8')) as Case[];
const TOKENS = 40;
const IMAGE = 60;
let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

/** A parameter's values, as the script draws them. */
function values(name: string, shape: readonly number[], isGemma: boolean): Float32Array {
  const drawn = noise(name, shape.reduce((a, b) => a * b, 1));
  const map = (of: (x: number) => number): Float32Array => Float32Array.from(drawn, of);
  if (name.includes('norm') || name.includes('.ln_q.')) {
    if (name.endsWith('bias')) return map((x) => x * 0.3);
    return isGemma && !name.includes('layer_norm') && !name.includes('post_layernorm') ? map((x) => 0.2 * x) : map((x) => 1 + 0.2 * x);
  }
  if (name.endsWith('bias')) return map((x) => x * 0.3);
  const width = name.endsWith('mm_input_projection_weight') ? shape[0]! : shape.slice(1).reduce((a, b) => a * b, 1);
  return name.includes('embed') ? map((x) => x) : map((x) => (x * 2) / Math.sqrt(width));
}

/** The folder /base that transformers read. */
async function folderOf({ config, head }: Case): Promise<MemoryPlatform> {
  const platform = memoryPlatform();
  platform.folders.add('/base');
  platform.files.set('/base/config.json', new TextEncoder().encode(JSON.stringify(config)));
  const { shapes, embedding } = modelFamily(config.model_type, 'config.json').describe(config, 'config.json');
  const isGemma = config.model_type.startsWith('gemma');
  const tensors = new Map([...shapes].map(([name, shape]) => [name, { shape, data: values(name, shape, isGemma) }] as const));
  const table = tensors.get(embedding)!;
  if (head === 'own') tensors.set(HEAD, { ...table, data: values(HEAD, table.shape, isGemma) });
  if (head === 'copy' || head === 'only') tensors.set(HEAD, table);
  if (head === 'only') tensors.delete(embedding);
  const entries = [...tensors].map(([name, { shape, data }]) => ({ name, dtype: 'F32' as const, shape, data: new Uint8Array(data.buffer) }));
  await writeSafetensors(platform, '/base/model.safetensors', entries);
  return platform;
}

function exampleOf({ config: { model_type: type }, image }: Case): Example {
  const inputIds = Int32Array.from(noise('ids', TOKENS), (x) => Math.floor((x + 1) * 29));
  const labels = inputIds.map((id, t) => (t < TOKENS / 2 ? -100 : id));
  let pictures: Pick<Example, 'pixelValues' | 'imageGrids'> = { pixelValues: new Float32Array(0), imageGrids: [] };
  if (image) {
    inputIds.fill(IMAGE, 6, 10);
    if (type === 'qwen2_5_vl') inputIds[5] = 62;
    pictures =
      type === 'qwen2_5_vl'
        ? { pixelValues: Float32Array.from(noise('pixels', 16 * 96)), imageGrids: [[1, 4, 4]] }
        : cutPatches(Float32Array.from(noise('pixels', 3 * 256)), { images: 1, channels: 3, side: 16, patch: 4 });
  }
  const positionIds =
    type === 'qwen2_5_vl' ? mropePositions(inputIds, IMAGE, pictures.imageGrids, 2).positionIds : Int32Array.from(inputIds.keys());
  return { inputIds, labels, positionIds, ...pictures };
}

/** The loss and whether the head is the table; or the words of a refusal. */
async function measure(one: Case): Promise<{ loss: number; tied: boolean } | string> {
  let platform: MemoryPlatform;
  try {
    platform = await folderOf(one);
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
  const folder = await openModelFolder(platform, '/base');
  const description = await withHeadOf(folder, modelFamily(folder.modelType, 'config.json').describe(folder.config, 'config.json'));
  const parameters = await loadParameters(device, folder, description.shapes, { trainable: new Map(), fill: () => undefined });
  if (description.tiedHead) parameters.set(HEAD, parameters.get(description.embedding)!);
  const weights = new Weights(parameters);
  const { loss } = await runBatch({ device, model: description.build(weights) }, [exampleOf(one)]);
  weights.release(device);
  return { loss, tied: description.tiedHead };
}

describe('random configurations have the loss that transformers gives', () => {
  const refusals: string[] = [];
  let worst = 0;
  afterAll(() => {
    if (process.env['VERNIER_BASE_CONFIGS']) console.log(`${cases.length} configurations, worst error ${worst}, refused ${refusals.length}`, new Set(refusals));
  });

  it.each(cases.map((one, i) => ({ ...one, title: `${i} ${one.config.model_type}, head ${one.head}${one.image ? ', image' : ''}` })))('$title', async (one) => {
    const found = await measure(one);
    if (typeof found === 'string') {
      // The committed cases are such that all can be computed.
      expect(process.env['VERNIER_BASE_CONFIGS'], found).toBeDefined();
      refusals.push(found.replace(/ is .*; expected/, '; expected'));
      return;
    }
    worst = Math.max(worst, Math.abs(found.loss - one.loss));
    expect(Math.abs(found.loss - one.loss), `${found.loss} for ${one.loss}: ${JSON.stringify(one.config)}`).toBeLessThan(1e-4);
    expect(found.tied).toBe(one.tied);
  }, 60_000);
});
