/**
 * Property: whatever a config.json and its weights say, the loss is transformers' (test/golden/base_configs.py), or the folder is refused
 * in words. Bound: 1e-4. VERNIER_BASE_CONFIGS names another file of the script, for a longer sweep.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { goldenExample, goldenValues } from '../../src/run/bench/goldenLosses.ts';
import type { GoldenLoss } from '../../src/run/bench/goldenLosses.ts';
import type { Device } from '../../src/gpu/device.ts';
import { openModelFolder } from '../../src/io/modelFolder.ts';
import { writeSafetensors } from '../../src/io/safetensors.ts';
import { modelFamily, namingOf } from '../../src/models/families.ts';
import { withHeadOf } from '../../src/models/head.ts';
import { HEAD } from '../../src/models/model.ts';
import { loadParameters } from '../../src/models/loadWeights.ts';
import { Weights } from '../../src/models/weights.ts';
import { UserError } from '../../src/platform.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { memoryPlatform, type MemoryPlatform } from '../io/memoryPlatform.ts';
import { runBatch } from './golden.ts';

interface Case extends GoldenLoss {
  head: 'none' | 'own' | 'copy' | 'only';
}

const own = process.env['VERNIER_BASE_CONFIGS'];
const paths = own === undefined ? ['configs', 'qwen3', 'llama'].map((name) => fileURLToPath(new URL(`../golden/bases/${name}.json`, import.meta.url))) : [own];
const cases = paths.flatMap((path) => JSON.parse(readFileSync(path, 'utf8')) as Case[]);
let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

/** The folder /base that transformers read. */
async function folderOf({ config, head }: Case): Promise<MemoryPlatform> {
  const platform = memoryPlatform();
  platform.folders.add('/base');
  platform.files.set('/base/config.json', new TextEncoder().encode(JSON.stringify(config)));
  const { shapes, embedding } = modelFamily(config.model_type, 'config.json').describe(config, 'config.json');
  const isGemma = config.model_type.startsWith('gemma');
  const tensors = new Map([...shapes].map(([name, shape]) => [name, { shape, data: goldenValues(name, shape, isGemma) }] as const));
  const table = tensors.get(embedding)!;
  if (head === 'own') tensors.set(HEAD, { ...table, data: goldenValues(HEAD, table.shape, isGemma) });
  if (head === 'copy' || head === 'only') tensors.set(HEAD, table);
  if (head === 'only') tensors.delete(embedding);
  const entries = [...tensors].map(([name, { shape, data }]) => ({ name, dtype: 'F32' as const, shape, data: new Uint8Array(data.buffer) }));
  await writeSafetensors(platform, '/base/model.safetensors', entries);
  return platform;
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
  const folder = await openModelFolder(platform, '/base', namingOf);
  const description = await withHeadOf(folder, modelFamily(folder.naming.modelType, 'config.json').describe(folder.config, 'config.json'));
  const parameters = await loadParameters(device, folder, description.shapes, { trainable: new Map(), fill: () => undefined });
  if (description.tiedHead) parameters.set(HEAD, parameters.get(description.embedding)!);
  const weights = new Weights(parameters);
  const { loss } = await runBatch({ device, model: description.build(weights) }, [goldenExample(one)]);
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
