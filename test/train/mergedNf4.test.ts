/** Merging beside NF4: into the original weights, into what the 4 bits stand for, and into a folder that has nothing else. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Example } from '../../src/data/example.ts';
import type { Device } from '../../src/gpu/device.ts';
import { withoutJsonMember } from '../../src/io/jsonText.ts';
import { openModelFolder } from '../../src/io/modelFolder.ts';
import { mergeAdapter } from '../../src/train/merge.ts';
import type { MergeOptions, MergeResult } from '../../src/train/merge.ts';
import type { SessionOptions } from '../../src/train/session.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { goldenPath } from '../io/goldenFolder.ts';
import { Bounds, runBatch, tensorsOf, withSession } from '../models/golden.ts';
import { floats } from '../models/goldenModel.ts';
import { qwen } from '../models/qwen2_5_vl/goldenExamples.ts';

const work = mkdtempSync(join(tmpdir(), 'vernier-merge-nf4-'));
afterAll(() => {
  rmSync(work, { recursive: true });
});

const adapter = goldenPath('golden', qwen.name, 'lora', 'all_linear');
const quantization = { weights: 'nf4', skipModules: ['lm_head', 'visual'], embedding: 'none' } as const;
const folder = (name: string): string => goldenPath('models', name);

describe('merging beside NF4', () => {
  let device: Device;
  let examples: Example[];
  const bounds = new Bounds(qwen.name);
  beforeAll(async () => {
    device = await testDevice();
    examples = (await qwen.cases(['s00_single', 's01_single'])).map(({ example }) => example);
  });

  const merge = (baseModel: string, out: string, more: Partial<MergeOptions> = {}): Promise<MergeResult> =>
    mergeAdapter(nodePlatform, { baseModel, adapter, out: join(work, out), trainedOnNf4: true, ...more });

  async function logitsOf(options: SessionOptions): Promise<Float32Array> {
    let logits = new Float32Array(0);
    await withSession(device, options, async (session) => {
      logits = (await runBatch(session, examples)).logits as Float32Array<ArrayBuffer>;
    });
    return logits;
  }
  const golden = async (kind: string): Promise<Float32Array> =>
    floats(await tensorsOf(goldenPath('golden', qwen.name, 'nf4', kind, 'logits.safetensors')), 'adapter_logits_completion');

  it('dequantised: exactly the model that was trained; original: another, and told so', async () => {
    const base = folder(qwen.name);
    const { warnings } = await merge(base, 'dequantised', { dequantised: { skipModules: quantization.skipModules } });
    expect(warnings.filter((text) => text.includes('4-bit'))).toEqual([]);
    const merged = await logitsOf({ baseModel: join(work, 'dequantised'), finetuning: { kind: 'none' } });
    bounds.expectNear('lora.logits', 'merged', merged, await golden('fp32'));
    bounds.expectNear('lora.logits', 'merged and beside', merged, await logitsOf({ baseModel: base, initAdapter: adapter, quantization }));

    const usual = await merge(base, 'original');
    expect(usual.warnings).toContainEqual(expect.stringMatching(/--merge_base dequantised gives exactly the model that was trained/));
    bounds.expectFar('lora.logits', 'original', await logitsOf({ baseModel: join(work, 'original'), finetuning: { kind: 'none' } }), await golden('fp32'));
  });

  it('a folder in 4 bits becomes one of floats, with no word of quantisation', async () => {
    const { warnings } = await merge(folder(`${qwen.name}-bnb-4bit`), 'stored');
    expect(warnings).toContainEqual(expect.stringMatching(/holds its weights in 4 bits, and the adapter is merged into their values/));
    const config = JSON.parse(readFileSync(join(work, 'stored', 'config.json'), 'utf8')) as Record<string, unknown>;
    expect(config).toMatchObject({ model_type: 'qwen2_5_vl', torch_dtype: 'float32' });
    expect(config).not.toHaveProperty('quantization_config');
    const merged = await openModelFolder(nodePlatform, join(work, 'stored'));
    expect(merged.names().filter((name) => /absmax|quant/.test(name))).toEqual([]);
    await merged.close();
    bounds.expectNear('lora.logits', 'merged', await logitsOf({ baseModel: join(work, 'stored'), finetuning: { kind: 'none' } }), await golden('bf16'));
  });

  it('an adapter of which nothing says NF4, merged into 4 bits: told', async () => {
    const { warnings } = await merge(folder(qwen.name), 'unsaid', { trainedOnNf4: false, dequantised: { skipModules: ['lm_head'] } });
    expect(warnings).toContainEqual(expect.stringMatching(/Nothing says that the adapter was trained on NF4/));
  });

  it.each([
    ['{\n  "a": 1.0,\n  "q": {"x": [1, 2]},\n  "b": 1e6\n}', '{\n  "a": 1.0,\n  "b": 1e6\n}'],
    ['{"a": 1.0, "q": null}', '{"a": 1.0}'],
    ['{"q": 3}', '{}'],
    ['{"a": {"q": 1}}', '{"a": {"q": 1}}'],
  ])('%j without its member q', (text, expected) => {
    expect(withoutJsonMember(text, 'q')).toBe(expected);
  });
});
