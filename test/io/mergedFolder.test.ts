import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { bf16ToF32, f32ToBf16 } from '../../src/io/halfFloat.ts';
import { writeMerged, type MergeSettings, type MergedFolder } from '../../src/io/mergedFolder.ts';
import { openModelFolder } from '../../src/io/modelFolder.ts';
import { canonicalName } from '../../src/io/names.ts';
import { openAdapter, readAdapter, writeAdapter } from '../../src/io/peft.ts';
import { openSafetensors, toFloat32, writeSafetensors, type TensorEntry } from '../../src/io/safetensors.ts';
import type { Platform } from '../../src/platform.ts';
import { goldenAdapters, goldenNames, goldenPath, goldenType } from './goldenFolder.ts';
import { EMBEDDING, goldenBases, HEAD, inMemory, layoutOf, makeAdapter, readFolder, ulps } from './mergeFixtures.ts';
import { namingOf } from '../../src/models/families.ts';

const work = mkdtempSync(`${tmpdir()}/vernier-merge-`);
afterAll(() => {
  rmSync(work, { recursive: true });
});

const token = (model: string, ...rest: string[]): string => goldenPath('golden', model, 'runs', 'lora_token_mean', ...rest);

async function merge(platform: Platform, base: string, adapterDir: string, out: string, settings?: MergeSettings): Promise<MergedFolder> {
  const folder = await openModelFolder(platform, base, namingOf);
  try {
    const adapter = await openAdapter(platform, adapterDir, folder.naming);
    try {
      return await writeMerged(platform, folder, adapter, layoutOf(folder), out, settings);
    } finally {
      await adapter.close();
    }
  } finally {
    await folder.close();
  }
}

function json(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
}

it('there are golden bases with a trained adapter', () => {
  expect(goldenBases.length).toBeGreaterThan(0);
});

describe.each(goldenBases)('%s with the adapter of a run', (model) => {
  const base = goldenPath('models', model);
  const out = `${work}/${model}`;

  it('equals merge_and_unload within 2 ulp, under the names of the base', async () => {
    await merge(nodePlatform, base, token(model, 'adapter_final'), out);
    const merged = await openSafetensors(nodePlatform, `${out}/model.safetensors`);
    const original = await openSafetensors(nodePlatform, `${base}/model.safetensors`);
    expect([...merged.tensors.keys()].sort()).toEqual([...original.tensors.keys()].sort());

    const digest = json(token(model, 'merged_digest.json')) as Record<string, { shape: number[]; sum: number; l2: number; first: number[] }>;
    for (const [name, { shape, sum, l2, first }] of Object.entries(digest)) {
      const ours = merged.tensors.get(name);
      if (ours === undefined && name.endsWith(HEAD)) continue; // tied: the base does not store it
      expect(ours?.shape, name).toEqual(shape);
      const values = toFloat32(await merged.readRaw(name), 'F32', name);
      expect(ulps(values.slice(0, first.length), Float32Array.from(first)), name).toBeLessThanOrEqual(2);
      const norm = Math.sqrt(values.reduce((total, value) => total + value * value, 0));
      expect(Math.abs(norm - l2), name).toBeLessThanOrEqual(1e-6 * l2);
      expect(Math.abs(values.reduce((total, value) => total + value, 0) - sum), name).toBeLessThanOrEqual(1e-6 * l2);
    }
    if (existsSync(token(model, 'merged.safetensors'))) {
      const golden = await openSafetensors(nodePlatform, token(model, 'merged.safetensors'));
      for (const [name, { dtype }] of golden.tensors) {
        if (!merged.tensors.has(name) && name.endsWith(HEAD)) continue;
        const expected = toFloat32(await golden.readRaw(name), dtype, name);
        expect(ulps(toFloat32(await merged.readRaw(name), 'F32', name), expected), name).toBeLessThanOrEqual(2);
      }
      await golden.close();
    }
    await merged.close();
    await original.close();
  });

  it('has the files of the base, to the byte where merging does not touch them', () => {
    expect(readdirSync(out).sort()).toEqual([...readdirSync(base), 'README.md'].sort());
    for (const name of readdirSync(base)) {
      if (/\.safetensors$|^config\.json$/.test(name)) continue;
      expect(readFileSync(`${out}/${name}`).equals(readFileSync(`${base}/${name}`)), name).toBe(true);
    }
    expect(readFileSync(`${out}/config.json`, 'utf8')).toBe(readFileSync(`${base}/config.json`, 'utf8'));
    expect(readdirSync(work).filter((name) => name.includes('unfinished'))).toEqual([]);
  });
});

const bf16Bases = goldenBases.map((model) => `${model}-bf16`).filter((model) => goldenNames('models', model).length > 0);

describe.each(bf16Bases)('the bf16 base %s in shards', (model) => {
  const base = goldenPath('models', model);
  const adapter = token(model.replace('-bf16', ''), 'adapter_final');

  it('is summed and written in f32, in the same shards', async () => {
    const out = `${work}/${model}-f32`;
    const summary = await merge(nodePlatform, base, adapter, out);
    const index = json(`${base}/model.safetensors.index.json`);
    const ours = json(`${out}/model.safetensors.index.json`);
    expect(ours['weight_map']).toEqual(index['weight_map']);
    expect((ours['metadata'] as { total_size: number }).total_size).toBe(summary.bytes);
    expect((ours['metadata'] as { total_parameters: number }).total_parameters * 4).toBe(summary.bytes);
    expect(readFileSync(`${out}/config.json`, 'utf8')).not.toContain('bfloat16');
    expect((json(`${out}/config.json`)['dtype'] ?? json(`${out}/config.json`)['torch_dtype'])).toBe('float32');
    await expectFormula(base, adapter, goldenType(model), out, 0);
  });

  it('is rounded once to bf16 where the precision of the base is asked for', async () => {
    const out = `${work}/${model}-base`;
    const summary = await merge(nodePlatform, base, adapter, out, { dtype: 'base' });
    expect(readFileSync(`${out}/config.json`, 'utf8')).toBe(readFileSync(`${base}/config.json`, 'utf8'));
    expect((json(`${out}/model.safetensors.index.json`)['metadata'] as { total_size: number }).total_size).toBe(summary.bytes);
    const [rounded, exact] = [await readFolder(nodePlatform, out), await readFolder(nodePlatform, `${work}/${model}-f32`)];
    for (const [name, values] of exact) expect(ulps(rounded.get(name)!, bf16ToF32(f32ToBf16(values))), name).toBe(0);
  });
});

/** W + s·BA (DoRA: m · that / its row norm) in float64, for every tensor; everything else must be the base's or the adapter's own. */
async function expectFormula(base: string, adapterDir: string, modelType: string, out: string, fewest: number): Promise<void> {
  const before = await readFolder(nodePlatform, base);
  const after = await readFolder(nodePlatform, out);
  const { config, tensors } = await readAdapter(nodePlatform, adapterDir, namingOf(modelType));
  let merged = 0;
  for (const [name, found] of after) {
    const module = name.replace(/\.weight$/, '');
    const [a, b] = [tensors.get(`${module}.lora_A.weight`), tensors.get(`${module}.lora_B.weight`)];
    const original = before.get(name) ?? before.get(EMBEDDING)!;
    if (!a || !b) {
      expect(ulps(found, tensors.get(name)?.data ?? original), name).toBe(0);
      continue;
    }
    merged++;
    const [rank, width] = a.shape as [number, number];
    const scaling = config.use_rslora ? config.lora_alpha / Math.sqrt(rank) : config.lora_alpha / rank;
    const magnitude = tensors.get(`${module}.lora_magnitude_vector`)?.data;
    let worst = 0;
    for (let row = 0; row < b.shape[0]!; row++) {
      const sums = new Float64Array(width);
      const sizes = new Float64Array(width);
      for (let j = 0; j < width; j++) {
        let delta = 0;
        let size = 0;
        for (let k = 0; k < rank; k++) {
          delta += b.data[row * rank + k]! * a.data[k * width + j]!;
          size += Math.abs(b.data[row * rank + k]! * a.data[k * width + j]!);
        }
        sums[j] = original[row * width + j]! + scaling * delta;
        sizes[j] = Math.abs(original[row * width + j]!) + scaling * size;
      }
      const factor = magnitude ? magnitude[row]! / Math.hypot(...sums) : 1;
      for (let j = 0; j < width; j++) worst = Math.max(worst, Math.abs(found[row * width + j]! - factor * sums[j]!) / (factor * sizes[j]!));
    }
    // Roundings of float32: one a rank, and a few for scale, sum, norm.
    expect(worst, name).toBeLessThan((rank + 12) * 2 ** -24);
  }
  expect(merged).toBeGreaterThan(fewest);
}

describe.each(goldenAdapters(goldenBases))('$model with the adapter $variant', ({ model, variant, dir }) => {
  const base = goldenPath('models', model);
  const out = `${work}/${model}-${variant}`;

  it('is the formula, tensor by tensor', async () => {
    const { untied } = await merge(nodePlatform, base, dir, out);
    await expectFormula(base, dir, goldenType(model), out, 10);
    const { tensors } = await readAdapter(nodePlatform, dir, namingOf(goldenType(model)));
    expect(untied).toBe(tensors.has(HEAD) || tensors.has(EMBEDDING));
  });

  it('leaves tied what was not trained apart, and says so where it was', async () => {
    const folder = await openModelFolder(nodePlatform, out, namingOf);
    const { tensors } = await readAdapter(nodePlatform, dir, namingOf(goldenType(model)));
    const apart = tensors.has(HEAD) || tensors.has(EMBEDDING);
    expect(folder.has(HEAD)).toBe(apart);
    if (apart) {
      expect(folder.config['tie_word_embeddings']).toBe(false);
      const text = folder.config['text_config'] as Record<string, unknown> | undefined;
      expect(text?.['tie_word_embeddings'] ?? false).toBe(false);
    }
    await folder.close();
  });
});

describe('what an adapter may be made of', () => {
  const model = goldenBases[0]!;
  const base = goldenPath('models', model);
  const type = goldenType(model);

  it.each([
    ['ranks and alphas by pattern', { target_modules: ['q_proj', 'down_proj'], r: 4, lora_alpha: 3, rank_pattern: { 'layers\\.1\\..*q_proj': 3 }, alpha_pattern: { 'layers\\.0\\..*': 5 } }],
    ['a regular expression with layers', { target_modules: '.*language_model.*\\.(k|v)_proj', r: 5 }],
    ['rank-stabilised DoRA', { target_modules: ['o_proj'], r: 3, use_rslora: true, use_dora: true }],
  ])('%s', async (name, given) => {
    const dir = `${work}/adapter`;
    const config = await makeAdapter(nodePlatform, base, dir, given);
    const out = `${work}/made ${name}`;
    await merge(nodePlatform, base, dir, out);
    if (Object.keys(config.rank_pattern).length === 0) return expectFormula(base, dir, type, out, 0);
    // The patterns' own scale: what the formula above takes from the configuration as a whole.
    const { tensors } = await readAdapter(nodePlatform, dir, namingOf(type));
    const [before, after] = [await readFolder(nodePlatform, base), await readFolder(nodePlatform, out)];
    for (const [module, rank, alpha] of [['layers.0.self_attn.q_proj', 4, 5], ['layers.1.self_attn.q_proj', 3, 3], ['layers.1.mlp.down_proj', 4, 3]] as const) {
      const at = `model.language_model.${module}`;
      const [a, b] = [tensors.get(`${at}.lora_A.weight`)!, tensors.get(`${at}.lora_B.weight`)!];
      expect(a.shape[0]).toBe(rank);
      let delta = 0;
      for (let k = 0; k < rank; k++) delta += b.data[k]! * a.data[k * a.shape[1]!]!;
      expect(after.get(`${at}.weight`)![0]).toBeCloseTo(before.get(`${at}.weight`)![0]! + (alpha / rank) * delta, 6);
    }
    return undefined;
  });

  it.each(goldenBases)('%s: whole modules whose parameters are no matrices, or have names of their own', async (name) => {
    const module = goldenType(name) === 'gemma3' ? 'multi_modal_projector' : 'patch_embed';
    const dir = `${work}/adapter`;
    await makeAdapter(nodePlatform, goldenPath('models', name), dir, { target_modules: ['q_proj'], modules_to_save: [module] });
    const out = `${work}/${name} with ${module}`;
    expect((await merge(nodePlatform, goldenPath('models', name), dir, out)).untied).toBe(false);
    await expectFormula(goldenPath('models', name), dir, goldenType(name), out, 0);
    const { tensors } = await readAdapter(nodePlatform, dir, namingOf(goldenType(name)));
    const saved = [...tensors].filter(([tensor]) => tensor.includes(module));
    expect(saved.length).toBeGreaterThan(0);
    const after = await readFolder(nodePlatform, out);
    for (const [tensor, { data }] of saved) expect(ulps(after.get(tensor)!, data), tensor).toBe(0);
  });

  const tied = goldenBases.filter((name) => !/untied/.test(name));
  it.each(tied.flatMap((name) => [[name, 'lm_head'], [name, 'embed_tokens'], [name, 'LoRA on lm_head']] as const))('%s: a tied base with %s trained', async (name, what) => {
    const dir = `${work}/adapter`;
    const isLora = what === 'LoRA on lm_head';
    const saved = isLora ? null : [what];
    await makeAdapter(nodePlatform, goldenPath('models', name), dir, { target_modules: isLora ? ['q_proj', 'lm_head'] : ['q_proj'], modules_to_save: saved });
    const out = `${work}/${name} with ${what}`;
    expect((await merge(nodePlatform, goldenPath('models', name), dir, out)).untied).toBe(true);
    await expectFormula(goldenPath('models', name), dir, goldenType(name), out, 0);
    const after = await readFolder(nodePlatform, out);
    expect(ulps(after.get(HEAD)!, after.get(EMBEDDING)!)).toBeGreaterThan(0);
    // The spelling of the base, so that transformers finds it.
    const file = await openSafetensors(nodePlatform, `${out}/model.safetensors`);
    const keys = [...file.tensors.keys()];
    await file.close();
    const head = keys.find((key) => canonicalName(namingOf(goldenType(name)), key) === HEAD);
    const isHub = keys.some((key) => key.startsWith('language_model.model.'));
    expect(head).toBe(isHub ? `language_model.${HEAD}` : HEAD);
  });

  it('a copy of the tied head in the base is replaced when the head is trained apart, and kept when not', async () => {
    const { platform, base: at } = inMemory(model);
    const file = await openSafetensors(platform, `${at}/model.safetensors`);
    const table = [...file.tensors.keys()].find((key) => canonicalName(namingOf(type), key) === EMBEDDING)!;
    const head = type === 'gemma3' ? `language_model.${HEAD}` : HEAD;
    const entries: TensorEntry[] = [];
    for (const [name, { dtype, shape }] of file.tensors) entries.push({ name, dtype, shape, data: await file.readRaw(name) });
    entries.push({ name: head, dtype: 'F32', shape: file.tensors.get(table)!.shape, data: await file.readRaw(table) });
    await writeSafetensors(platform, `${at}/model.safetensors`, entries);
    for (const saved of [null, ['lm_head']]) {
      await makeAdapter(platform, at, '/adapter', { target_modules: ['q_proj'], modules_to_save: saved });
      const folder = await openModelFolder(platform, at, namingOf);
      const layout = { ...layoutOf(folder), tiedHead: true };
      (layout.shapes as Map<string, unknown>).delete(HEAD);
      const adapter = await openAdapter(platform, '/adapter', namingOf(type));
      await writeMerged(platform, folder, adapter, layout, '/out');
      const after = await readFolder(platform, '/out');
      expect(ulps(after.get(HEAD)!, saved === null ? after.get(EMBEDDING)! : await adapter.read(HEAD))).toBe(0);
      await folder.close();
    }
  });
});

describe('refused, with nothing left behind', () => {
  const model = goldenBases[0]!;
  const type = goldenType(model);

  async function prepared(): Promise<ReturnType<typeof inMemory> & { kept: string[] }> {
    const memory = inMemory(model);
    await makeAdapter(memory.platform, memory.base, '/adapter', { target_modules: ['q_proj'], r: 4, modules_to_save: ['lm_head'] });
    return { ...memory, kept: [...memory.platform.files.keys(), ...memory.platform.folders] };
  }

  async function expectRefusal({ platform, base, kept }: Awaited<ReturnType<typeof prepared>>, message: RegExp, settings?: MergeSettings): Promise<void> {
    await expect(merge(platform, base, '/adapter', '/new/merged', settings)).rejects.toThrow(expect.objectContaining({ name: 'UserError' }));
    await expect(merge(platform, base, '/adapter', '/new/merged', settings)).rejects.toThrow(message);
    expect([...platform.files.keys(), ...platform.folders].filter((path) => !kept.includes(path))).toEqual([]);
  }

  it('a base that was cut off', async () => {
    const setting = await prepared();
    const weights = setting.platform.files.get('/base/model.safetensors')!;
    setting.platform.files.set('/base/model.safetensors', weights.slice(0, weights.length - 5));
    await expectRefusal(setting, /\/base\/model\.safetensors is not a valid safetensors file/);
  });

  it('an adapter that was cut off', async () => {
    const setting = await prepared();
    const weights = setting.platform.files.get('/adapter/adapter_model.safetensors')!;
    setting.platform.files.set('/adapter/adapter_model.safetensors', weights.slice(0, weights.length - 5));
    await expectRefusal(setting, /\/adapter\/adapter_model\.safetensors is not a valid safetensors file/);
  });

  it('an adapter of another size', async () => {
    const setting = await prepared();
    const { config, tensors } = await readAdapter(setting.platform, '/adapter', namingOf(type));
    const [name, { shape }] = [...tensors][0]!;
    tensors.set(name, { shape: [shape[0]!, shape[1]! + 1], data: new Float32Array(shape[0]! * (shape[1]! + 1)) });
    await writeAdapter(setting.platform, '/adapter', config, tensors);
    await expectRefusal(setting, /does not fit the base model/);
  });

  it('an adapter with values that are not finite', async () => {
    const setting = await prepared();
    const { config, tensors } = await readAdapter(setting.platform, '/adapter', namingOf(type));
    [...tensors].find(([name]) => name.includes('lora_B'))![1].data[0] = NaN;
    await writeAdapter(setting.platform, '/adapter', config, tensors);
    await expectRefusal(setting, /q_proj\.weight: a merged value is not a finite number; the adapter \/adapter is broken/);
  });

  it('a full disk', async () => {
    const setting = await prepared();
    setting.platform.space = 100_000;
    await expectRefusal(setting, /no space is left/);
  });

  it('a whole model in place of an adapter, an adapter in place of a base', async () => {
    const { platform, base } = await prepared();
    await expect(merge(platform, base, base, '/new')).rejects.toThrow(/is a whole model, as full fine-tuning leaves it, not an adapter/);
    await expect(merge(platform, '/adapter', base, '/new')).rejects.toThrow(/config\.json is missing; the folder holds an adapter/);
  });

  it('options of PEFT that change the sum', async () => {
    const setting = await prepared();
    const config = JSON.parse(new TextDecoder().decode(setting.platform.files.get('/adapter/adapter_config.json'))) as Record<string, unknown>;
    await setting.platform.writeFile('/adapter/adapter_config.json', JSON.stringify({ ...config, fan_in_fan_out: true }));
    await expectRefusal(setting, /fan_in_fan_out is true; transposed weights are not supported/);
  });

  it('a merge that is stopped leaves what was there before', async () => {
    const { platform, base } = await prepared();
    await platform.makeDir('/merged');
    await platform.writeFile('/merged/old', 'old');
    const before = [...platform.files.keys()].sort();
    const stop = new AbortController();
    const settings = { stop: stop.signal, onProgress: (done: number, total: number): void => void (done > total / 2 && stop.abort()) };
    await expect(merge(platform, base, '/adapter', '/merged', settings)).rejects.toThrow(/abort/i);
    expect([...platform.files.keys()].sort()).toEqual(before);
    await merge(platform, base, '/adapter', '/merged');
    expect(platform.files.has('/merged/old')).toBe(false);
    expect(platform.files.has('/merged/model.safetensors')).toBe(true);
  });
});

describe('memory', () => {
  it('no read and no write is larger than a block, whatever the size of a tensor', async () => {
    const BLOCK_BYTES = 8 * 2 ** 20;
    const [vocab, width] = [9000, 1536];
    const dir = `${work}/wide`;
    const zeros = (count: number) => async function* (): AsyncIterable<Uint8Array> {
      for (let at = 0; at < count * 4; at += 2 ** 20) yield new Uint8Array(Math.min(2 ** 20, count * 4 - at));
    };
    const tensor = (name: string, rows: number): TensorEntry => ({ name, dtype: 'F32', shape: [rows, width], data: zeros(rows * width) });
    await nodePlatform.makeDir(dir);
    await nodePlatform.writeFile(`${dir}/config.json`, '{"model_type": "qwen2_5_vl", "vision_config": {"out_hidden_size": 8192}}');
    await writeSafetensors(nodePlatform, `${dir}/model.safetensors`, [tensor('model.embed_tokens.weight', vocab), tensor('model.layers.0.mlp.up_proj.weight', 4000)]);
    await makeAdapter(nodePlatform, dir, `${work}/wide-adapter`, { target_modules: ['up_proj'], r: 2, modules_to_save: ['embed_tokens'] });
    let largest = 0;
    const watched: Platform = {
      ...nodePlatform,
      async openFile(path) {
        const file = await nodePlatform.openFile(path);
        return { ...file, read: (offset, length) => ((largest = Math.max(largest, length)), file.read(offset, length)) };
      },
      async createFile(path) {
        const file = await nodePlatform.createFile(path);
        return { ...file, write: (bytes) => ((largest = Math.max(largest, bytes.length)), file.write(bytes)) };
      },
    };
    const { bytes } = await merge(watched, dir, `${work}/wide-adapter`, `${work}/wide-merged`);
    expect(bytes).toBe((2 * vocab + 4000) * width * 4);
    expect(largest).toBeGreaterThan(BLOCK_BYTES / 2);
    expect(largest).toBeLessThanOrEqual(BLOCK_BYTES);
  });
});
