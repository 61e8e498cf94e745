/** What merging says of an adapter's origin, on golden folders whose configuration names a base. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { mergeAdapter } from '../../src/train/merge.ts';
import { goldenPath } from '../io/goldenFolder.ts';
import { makeAdapter } from '../io/mergeFixtures.ts';

const work = mkdtempSync(join(tmpdir(), 'vernier-origin-'));
afterAll(() => {
  rmSync(work, { recursive: true });
});
const model = 'qwen2_5_vl-tiny';
const NF4 = { weights: 'nf4', skipModules: ['lm_head'], embedding: 'none' } as const;

async function warnings(madeFor: string | null, base = goldenPath('models', model), trainedOnNf4 = false): Promise<string[]> {
  const adapter = join(work, 'adapter');
  await makeAdapter(nodePlatform, base, adapter, { target_modules: ['q_proj'], base_model_name_or_path: madeFor });
  return (await mergeAdapter(nodePlatform, { baseModel: base, adapter, out: join(work, 'out'), overwrite: true, ...(trainedOnNf4 && { trained: NF4 }) })).warnings;
}

describe('the base that an adapter names', () => {
  it.each([null, model, `somebody/${model}`, `/elsewhere/${model}/`, `/cache/models--somebody--${model}/snapshots/0123abc`])('%s is the base: nothing to say', async (madeFor) => {
    expect(await warnings(madeFor)).toEqual([]);
  });

  it('the base in the cache of the hub has the name of its id', async () => {
    const base = join(work, 'models--org--some-model/snapshots/0123abc');
    cpSync(goldenPath('models', model), base, { recursive: true });
    expect(await warnings('org/some-model', base)).toEqual([]);
    expect(await warnings('org/another-model', base)).toEqual([expect.stringMatching(/was trained on org\/another-model/)]);
  });

  it('another name is told', async () => {
    expect(await warnings('Qwen/Qwen2.5-VL-3B-Instruct')).toEqual([expect.stringMatching(/was trained on Qwen\/Qwen2\.5-VL-3B-Instruct and is merged into .*qwen2_5_vl-tiny/)]);
  });
});

describe('an adapter trained on NF4 weights', () => {
  const nf4 = expect.stringMatching(/trained on NF4 \(4-bit\) weights of .*full-precision weights of .*qwen2_5_vl-tiny/) as string;

  it('is told of when the caller knows', async () => {
    expect(await warnings(model, undefined, true)).toEqual([nf4]);
  });

  it('is told of when the name of its base says it', async () => {
    expect(await warnings(`unsloth/${model}-bnb-4bit`)).toContainEqual(nf4);
  });

  it('is told of when its base is a quantised folder', async () => {
    const base = join(work, model);
    await nodePlatform.makeDir(base);
    writeFileSync(join(base, 'config.json'), JSON.stringify({ quantization_config: { load_in_4bit: true, bnb_4bit_quant_type: 'nf4' } }));
    expect(await warnings(base)).toEqual([nf4]);
  });
});
