import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { openModelFolder, type ModelFolder } from '../../src/io/modelFolder.ts';
import { canonicalName, respell } from '../../src/io/names.ts';
import { toFloat32, writeSafetensors } from '../../src/io/safetensors.ts';
import { goldenNames, goldenPath } from './goldenFolder.ts';
import { memoryPlatform, type MemoryPlatform } from './memoryPlatform.ts';
import { namingOf } from '../../src/models/families.ts';

const text = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));

async function folder(files: Record<string, unknown>, shards: Record<string, string[]>): Promise<MemoryPlatform> {
  const platform = memoryPlatform();
  platform.folders.add('/m');
  for (const [name, value] of Object.entries(files)) platform.files.set(`/m/${name}`, text(value));
  for (const [name, tensors] of Object.entries(shards)) {
    const entries = tensors.map((tensor, i) => ({ name: tensor, dtype: 'U8' as const, shape: [2], data: Uint8Array.of(i, 7) }));
    await writeSafetensors(platform, `/m/${name}`, entries);
  }
  return platform;
}

const config = { model_type: 'qwen2_5_vl' };
const index = (map: Record<string, string>): unknown => ({ metadata: {}, weight_map: map });

describe('a folder in memory', () => {
  it('joins shards under canonical names', async () => {
    const platform = await folder(
      { 'config.json': config, 'model.safetensors.index.json': index({ 'model.norm.weight': 'b.safetensors', 'visual.x.weight': 'a.safetensors' }) },
      { 'a.safetensors': ['visual.x.weight'], 'b.safetensors': ['model.norm.weight'] },
    );
    const opened = await openModelFolder(platform, '/m', namingOf);
    expect(opened.names().sort()).toEqual(['model.language_model.norm.weight', 'model.visual.x.weight']);
    expect(opened.storedName('model.visual.x.weight')).toBe('visual.x.weight');
    expect(await opened.readRange('model.visual.x.weight', 1, 1)).toEqual(Uint8Array.of(7));
    await expect(opened.readRaw('lm_head.weight')).rejects.toThrow(/no tensor lm_head\.weight.*do not fit its config\.json/);
  });

  it.each<[string, Record<string, unknown>, Record<string, string[]>, RegExp]>([
    ['no config', {}, {}, /config\.json is missing/],
    ['config that is no JSON', { 'config.json': '{' }, {}, /\/m\/config\.json is not valid JSON/],
    ['config that is a list', { 'config.json': '[]' }, {}, /\/m\/config\.json is not a JSON object/],
    ['config without a model_type', { 'config.json': {} }, {}, /no model_type/],
    ['no weights', { 'config.json': config }, {}, /neither model\.safetensors nor/],
    ['weights in a pickle', { 'config.json': config, 'pytorch_model.bin': '' }, {}, /pytorch_model\.bin is not read: convert/],
    ['an unknown model_type', { 'config.json': { model_type: 'mamba' } }, { 'model.safetensors': ['a'] }, /model_type "mamba" is not known; gemma3, gemma3_text, /],
    ['a missing shard', { 'config.json': config, 'model.safetensors.index.json': index({ a: 'x.safetensors' }) }, {}, /x\.safetensors is missing/],
    [
      'a tensor that its shard lacks',
      { 'config.json': config, 'model.safetensors.index.json': index({ a: 'x.safetensors', b: 'x.safetensors' }) },
      { 'x.safetensors': ['a'] },
      /says that b is in x\.safetensors, which does not have it/,
    ],
    [
      'a tensor in two shards',
      { 'config.json': config, 'model.safetensors.index.json': index({ a: 'x.safetensors', b: 'y.safetensors' }) },
      { 'x.safetensors': ['a'], 'y.safetensors': ['a', 'b'] },
      /holds a twice/,
    ],
    [
      'a tensor in two spellings',
      { 'config.json': config },
      { 'model.safetensors': ['visual.a', 'model.visual.a'] },
      /holds model\.visual\.a twice: as model\.visual\.a in .* and as visual\.a/,
    ],
    ['a shard outside the folder', { 'config.json': config, 'model.safetensors.index.json': index({ a: '../x' }) }, {}, /the shard of a is "\.\.\/x"/],
    ['an index without a map', { 'config.json': config, 'model.safetensors.index.json': {} }, {}, /no weight_map/],
  ])('refuses %s', async (_, files, shards, message) => {
    const platform = await folder(files, shards);
    await expect(openModelFolder(platform, '/m', namingOf)).rejects.toMatchObject({ name: 'UserError', message: expect.stringMatching(message) as string });
  });

  it('refuses a path that is no folder', async () => {
    await expect(openModelFolder(memoryPlatform(), '/nowhere', namingOf)).rejects.toThrow('/nowhere is not a folder');
  });
});

describe('names', () => {
  it.each([
    ['qwen2_5_vl', 'model.layers.0.mlp.up_proj.weight', 'model.language_model.layers.0.mlp.up_proj.weight'],
    ['qwen2_5_vl', 'model.language_model.layers.0.mlp.up_proj.weight', 'model.language_model.layers.0.mlp.up_proj.weight'],
    ['qwen2_5_vl', 'visual.blocks.3.attn.qkv.bias', 'model.visual.blocks.3.attn.qkv.bias'],
    ['qwen2_5_vl', 'model.visual.merger.ln_q.weight', 'model.visual.merger.ln_q.weight'],
    ['qwen2_5_vl', 'language_model.model.norm.weight', 'model.language_model.norm.weight'],
    ['qwen2_5_vl', 'lm_head.weight', 'lm_head.weight'],
    ['gemma3', 'language_model.model.embed_tokens.weight', 'model.language_model.embed_tokens.weight'],
    ['gemma3', 'language_model.lm_head.weight', 'lm_head.weight'],
    ['gemma3', 'vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias', 'model.vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias'],
    ['gemma3', 'vision_tower.encoder.layers.0.mlp.fc1.bias', 'model.vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias'],
    ['gemma3', 'model.vision_tower.post_layernorm.weight', 'model.vision_tower.vision_model.post_layernorm.weight'],
    ['gemma3', 'multi_modal_projector.mm_input_projection_weight', 'model.multi_modal_projector.mm_input_projection_weight'],
    ['gemma3', 'model.multi_modal_projector.mm_soft_emb_norm.weight', 'model.multi_modal_projector.mm_soft_emb_norm.weight'],
  ])('%s: %s', (modelType, stored, canonical) => {
    expect(canonicalName(namingOf(modelType), stored)).toBe(canonical);
    expect(canonicalName(namingOf(modelType), canonical)).toBe(canonical);
    for (const spelling of ['hub', 'current', 'v5'] as const) {
      expect(canonicalName(namingOf(modelType), respell(namingOf(modelType), canonical, spelling))).toBe(canonical);
    }
  });
});

describe('golden folders', () => {
  const models = goldenNames('models').filter((name) => !name.endsWith('-bnb-4bit'));
  const digest = async (opened: ModelFolder, name: string): Promise<string> =>
    createHash('sha256').update(await opened.readRaw(name)).digest('hex');

  it('there are some', () => {
    expect(models.length).toBeGreaterThan(0);
  });

  it.each(models)('%s: ranges join to the whole, hub names come back', async (model) => {
    const opened = await openModelFolder(nodePlatform, goldenPath('models', model), namingOf);
    for (const name of opened.names()) {
      const { bytes } = opened.info(name);
      const hash = createHash('sha256');
      const step = Math.ceil(bytes / 3);
      for (let at = 0; at < bytes; at += step) hash.update(await opened.readRange(name, at, Math.min(step, bytes - at)));
      expect(hash.digest('hex')).toBe(await digest(opened, name));
      if (model.startsWith('qwen') || model === 'gemma3-tiny') expect(respell(opened.naming, name, 'hub')).toBe(opened.storedName(name));
    }
    await opened.close();
  });

  it.each(models.filter((name) => models.includes(`${name}-bf16`)))('%s: the bf16 shards hold the same tensors, rounded', async (model) => {
    const full = await openModelFolder(nodePlatform, goldenPath('models', model), namingOf);
    const half = await openModelFolder(nodePlatform, goldenPath('models', `${model}-bf16`), namingOf);
    // A bf16 copy may be untied, with a head of its own.
    expect(half.names().filter((name) => name !== 'lm_head.weight').sort()).toEqual(full.names().filter((name) => name !== 'lm_head.weight').sort());
    for (const name of full.names()) expect(half.info(name)).toMatchObject({ dtype: 'BF16', shape: full.info(name).shape });
    const norm = 'model.language_model.norm.weight';
    const wide = toFloat32(await full.readRaw(norm), 'F32', norm);
    const rounded = toFloat32(await half.readRaw(norm), 'BF16', norm);
    rounded.forEach((value, i) => expect(Math.abs(value - wide[i]!)).toBeLessThanOrEqual(Math.abs(wide[i]!) / 256));
    await full.close();
    await half.close();
  });
});
