/** Merging beside NF4: into the original weights, into what the 4 bits stand for, and into a folder that has nothing else. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Example } from '../../src/data/example.ts';
import type { Device } from '../../src/gpu/device.ts';
import { withoutJsonMember } from '../../src/io/jsonText.ts';
import { openModelFolder } from '../../src/io/modelFolder.ts';
import { NO_QUANTIZATION } from '../../src/models/quantization.ts';
import { mergeAdapter } from '../../src/train/merge.ts';
import type { MergeOptions, MergeResult } from '../../src/train/merge.ts';
import { RUN_STATE } from '../../src/train/runState.ts';
import type { SessionOptions } from '../../src/train/session.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { goldenPath } from '../io/goldenFolder.ts';
import { Bounds, runBatch, tensorsOf, withSession } from '../models/golden.ts';
import { floats } from '../models/goldenModel.ts';
import { qwen } from '../models/qwen2_5_vl/goldenExamples.ts';
import { namingOf } from '../../src/models/families.ts';

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
    mergeAdapter(nodePlatform, { baseModel, adapter, out: join(work, out), trained: quantization, ...more });

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
    const { warnings } = await merge(base, 'dequantised', { dequantised: true });
    expect(warnings.filter((text) => text.includes('4-bit'))).toEqual([]);
    const merged = await logitsOf({ baseModel: join(work, 'dequantised'), finetuning: { kind: 'none' } });
    bounds.expectNear('lora.logits', 'merged', merged, await golden('fp32'));
    bounds.expectNear('lora.logits', 'merged and beside', merged, await logitsOf({ baseModel: base, initAdapter: adapter, quantization }));

    const usual = await merge(base, 'original');
    expect(usual.warnings).toContainEqual(expect.stringMatching(/--merge_base dequantised gives exactly the model that was trained/));
    bounds.expectFar('lora.logits', 'original', await logitsOf({ baseModel: join(work, 'original'), finetuning: { kind: 'none' } }), await golden('fp32'));
  });

  it('what the run has left says how its weights were held, whatever the command says: skipped modules and a table in bytes', async () => {
    const base = folder(qwen.name);
    const run = join(work, 'run');
    cpSync(adapter, run, { recursive: true });
    const facts = { quantization: 'nf4', quantization_skip_modules: 'lm_head,visual', quantize_embedding: 'int8' };
    writeFileSync(join(run, RUN_STATE), JSON.stringify({ identity: { facts } }));
    const { warnings } = await merge(base, 'recorded', { adapter: run, trained: { ...quantization, skipModules: ['lm_head'] }, dequantised: true });
    expect(warnings.filter((text) => /4-bit|8-bit/.test(text))).toEqual([]);
    const merged = await logitsOf({ baseModel: join(work, 'recorded'), finetuning: { kind: 'none' } });
    const beside = (embedding: 'int8' | 'none'): Promise<Float32Array> => logitsOf({ baseModel: base, initAdapter: run, quantization: { ...quantization, embedding } });
    bounds.expectNear('lora.logits', 'merged and beside', merged, await beside('int8'));
    bounds.expectFar('lora.logits', 'a table as it is', merged, await beside('none'));

    writeFileSync(join(run, RUN_STATE), JSON.stringify({ identity: { facts: { ...facts, quantization: 'none' } } }));
    const usual = await merge(base, 'table', { adapter: run });
    expect(usual.warnings).toContainEqual(expect.stringMatching(/trained on an 8-bit embedding table/));
    writeFileSync(join(run, RUN_STATE), JSON.stringify({ identity: { facts: { ...facts, quantization: 'none', quantize_embedding: 'none' } } }));
    const plain = await merge(base, 'plain', { adapter: run, dequantised: true });
    expect(plain.warnings).toContainEqual(expect.stringMatching(/Nothing says that the adapter was trained on NF4/));
  });

  it('an adapter of a base that holds its own 4 bits: refused for another base, which would be rounded otherwise', async () => {
    const stored = folder(`${qwen.name}-bnb-4bit`);
    const named = join(work, 'named');
    cpSync(adapter, named, { recursive: true });
    const config = JSON.parse(readFileSync(join(named, 'adapter_config.json'), 'utf8')) as object;
    writeFileSync(join(named, 'adapter_config.json'), JSON.stringify({ ...config, base_model_name_or_path: stored }));
    await expect(merge(folder(qwen.name), 'refused', { adapter: named, dequantised: true })).rejects.toThrow(`merge into it: --base_model_hf ${stored}`);
    expect((await merge(folder(qwen.name), 'into-original', { adapter: named })).warnings).toContainEqual(expect.stringContaining(`--base_model_hf ${stored} gives exactly`));
  });

  it('a folder in 4 bits becomes one of floats, with no word of quantisation', async () => {
    const { warnings } = await merge(folder(`${qwen.name}-bnb-4bit`), 'stored');
    expect(warnings).toContainEqual(expect.stringMatching(/holds its weights in 4 bits, and the adapter is merged into their values/));
    const config = JSON.parse(readFileSync(join(work, 'stored', 'config.json'), 'utf8')) as Record<string, unknown>;
    expect(config).toMatchObject({ model_type: 'qwen2_5_vl', torch_dtype: 'float32' });
    expect(config).not.toHaveProperty('quantization_config');
    const merged = await openModelFolder(nodePlatform, join(work, 'stored'), namingOf);
    expect(merged.names().filter((name) => /absmax|quant/.test(name))).toEqual([]);
    await merged.close();
    bounds.expectNear('lora.logits', 'merged', await logitsOf({ baseModel: join(work, 'stored'), finetuning: { kind: 'none' } }), await golden('bf16'));
  });

  it('an adapter of which nothing says NF4, merged into 4 bits: told', async () => {
    const { warnings } = await merge(folder(qwen.name), 'unsaid', { trained: NO_QUANTIZATION, dequantised: true });
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
