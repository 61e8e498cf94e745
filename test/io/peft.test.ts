import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { openModelFolder } from '../../src/io/modelFolder.ts';
import { respell, type Spelling } from '../../src/io/names.ts';
import { adapterShapes, checkAdapterFits, readAdapter, writeAdapter, type Adapter } from '../../src/io/peft.ts';
import { formatLoraConfig, loraConfig, parseLoraConfig, type LoraConfig } from '../../src/io/peftConfig.ts';
import { modulesFromParameters, resolveAdapter, type ModuleInfo } from '../../src/io/peftTargets.ts';
import { f32ToBf16, f32ToF16 } from '../../src/io/halfFloat.ts';
import { openSafetensors, toFloat32, writeSafetensors, type TensorEntry } from '../../src/io/safetensors.ts';
import { goldenAdapters, goldenNames, goldenPath, goldenType, type GoldenAdapter } from './goldenFolder.ts';
import { kindsOf } from './goldenKinds.ts';
import { writeCase } from '../models/goldenCaseFile.ts';
import { qwen3 } from '../models/qwen3_vl/goldenExamples.ts';
import { memoryPlatform, type MemoryPlatform } from './memoryPlatform.ts';
import { namingOf } from '../../src/models/families.ts';


/** The modules of a golden base, the head listed even where it is tied to the embedding. */
async function baseModules(model: string): Promise<ModuleInfo[]> {
  const folder = await openModelFolder(nodePlatform, goldenPath('models', model), namingOf);
  const parameters = folder.names().map((name): [string, number[]] => [name, folder.info(name).shape]);
  if (!folder.has('lm_head.weight')) parameters.push(['lm_head.weight', folder.info('model.language_model.embed_tokens.weight').shape]);
  await folder.close();
  return modulesFromParameters(parameters, kindsOf(folder));
}

const adapters = goldenAdapters([...goldenNames('golden'), 'qwen3_vl-tiny']);
it('there are golden adapters', () => {
  expect(adapters.length).toBeGreaterThan(0);
});

describe.each(adapters)('golden adapter $model $variant', ({ model, dir }) => {
  const modelType = goldenType(model);

  it('fits its base and comes back the same', async () => {
    const adapter = await readAdapter(nodePlatform, dir, namingOf(modelType));
    const { config, resolved } = checkAdapterFits(adapter, await baseModules(model));
    const shapes = adapterShapes(resolved, config.use_dora, await baseModules(model));
    expect([...shapes.keys()].sort()).toEqual([...adapter.tensors.keys()].sort());

    const platform = memoryPlatform();
    await writeAdapter(platform, '/out', config, adapter.tensors);
    const original = await openSafetensors(nodePlatform, `${dir}/adapter_model.safetensors`);
    const written = await openSafetensors(platform, '/out/adapter_model.safetensors');
    // Golden Gemma adapters were saved by transformers 5, whose tower lacks a level; ours have it, as 4.52 to 4.57 do.
    // DoRA's magnitudes have the name under which load_adapter finds them.
    const current = (key: string): string => key.replace(/\.vision_tower\.(?=encoder\.)/, '.vision_tower.vision_model.').replace(/lora_magnitude_vector$/, '$&.weight');
    expect([...written.tensors.keys()].sort()).toEqual([...original.tensors.keys()].map(current).sort());
    for (const key of original.tensors.keys()) {
      expect(written.tensors.get(current(key))).toMatchObject({ dtype: 'F32', shape: original.tensors.get(key)!.shape });
      expect(Buffer.compare(await written.readRaw(current(key)), await original.readRaw(key))).toBe(0);
    }
    if (modelType === 'qwen2_5_vl' && !config.use_dora) {
      expect(Buffer.compare(platform.files.get('/out/adapter_model.safetensors')!, readFileSync(`${dir}/adapter_model.safetensors`))).toBe(0);
    }
    await original.close();
  });

  it('writes a configuration with every key and value that PEFT wrote', async () => {
    const golden = JSON.parse(readFileSync(`${dir}/adapter_config.json`, 'utf8')) as Record<string, unknown>;
    const written = JSON.parse(formatLoraConfig(parseLoraConfig(golden, 'golden'))) as Record<string, unknown>;
    expect(Object.keys(written)).toEqual(Object.keys(golden));
    expect(written).toEqual(golden);
  });

  it.each<[string, Spelling, (key: string) => string]>([
    ['≤ 4.51 keys', 'hub', (key) => key],
    ['5.x keys', 'v5', (key) => key],
    ['the adapter name left in', 'current', (key) => key.replace(/(lora_[AB]|lora_magnitude_vector)/, '$1.default')],
    ['the adapter name and .weight left in', 'current', (key) => key.replace(/lora_magnitude_vector$/, 'lora_magnitude_vector.default.weight')],
    ['the wrapper of modules_to_save left in', 'current', (key) => key.replace(/(lm_head|embed_tokens)\.weight/, '$1.modules_to_save.default.weight')],
    ['no prefix', 'current', (key) => key.replace('base_model.model.', '')],
  ])('is read with %s', async (_, spelling, mangle) => {
    const adapter = await readAdapter(nodePlatform, dir, namingOf(modelType));
    const platform = memoryPlatform();
    await writeAdapter(platform, '/a', adapter.config, adapter.tensors);
    const entries = [...adapter.tensors].map(([name, { shape, data }]) => ({
      name: mangle(`base_model.model.${respell(namingOf(modelType), name, spelling)}`),
      dtype: 'F32' as const,
      shape,
      data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    }));
    await writeSafetensors(platform, '/a/adapter_model.safetensors', entries);
    const again = await readAdapter(platform, '/a', namingOf(modelType));
    expect(new Map([...again.tensors].sort())).toEqual(new Map([...adapter.tensors].sort()));
    expect(() => checkAdapterFits(again, [])).toThrow();
    expect(checkAdapterFits(again, await baseModules(model)).resolved.lora.length).toBeGreaterThan(0);
  });
});

it('the card of an adapter says what it was trained on', async () => {
  const platform = memoryPlatform();
  const card = async (about?: string): Promise<string> => {
    await writeAdapter(platform, '/a', loraConfig({ r: 2, target_modules: ['q_proj'] }), new Map(), { about });
    return new TextDecoder().decode(await platform.readFile('/a/README.md'));
  };
  expect(await card('Annotations: KiTS23 biometry v1.0.0, SHA-256 ab')).toContain('\nWhat it was trained on: Annotations: KiTS23 biometry v1.0.0, SHA-256 ab.\n');
  expect(await card()).not.toContain('trained on');
});

describe('half precision', () => {
  it.each([
    ['F16', f32ToF16],
    ['BF16', f32ToBf16],
  ] as const)('%s is widened exactly', async (dtype, narrow) => {
    const platform = memoryPlatform();
    const values = Float32Array.of(1, -0.5, 2 ** -20, 240, 0, -3);
    await writeAdapter(platform, '/a', loraConfig({ r: 2, target_modules: ['q_proj'] }), new Map());
    const entry = { name: 'base_model.model.visual.q_proj.lora_A.weight', dtype, shape: [2, 3], data: new Uint8Array(narrow(values).buffer) };
    await writeSafetensors(platform, '/a/adapter_model.safetensors', [entry]);
    const { tensors, spelling } = await readAdapter(platform, '/a', namingOf('qwen2_5_vl'));
    expect(spelling).toBe('hub');
    expect(tensors.get('model.visual.q_proj.lora_A.weight')).toEqual({ shape: [2, 3], data: values });
  });
});

describe('patterns in an old spelling', () => {
  const modules = modulesFromParameters([
    ['model.language_model.layers.0.self_attn.q_proj.weight', [4, 6]],
    ['model.language_model.layers.1.self_attn.q_proj.weight', [4, 6]],
    ['model.visual.blocks.0.attn.qkv.weight', [12, 4]],
    ['lm_head.weight', [9, 6]],
  ]);

  async function oldAdapter(options: Partial<LoraConfig> & Pick<LoraConfig, 'target_modules'>, keys: string[]): Promise<Adapter> {
    const platform = memoryPlatform();
    await writeAdapter(platform, '/a', loraConfig({ r: 2, lora_alpha: 4, ...options }), new Map());
    const entries = keys.flatMap((key) => {
      const [rows, columns] = key.includes('qkv') ? [12, 4] : [4, 6];
      const entry = (suffix: string, shape: [number, number]): TensorEntry => ({
        name: `base_model.model.${key}.${suffix}.weight`,
        dtype: 'F32',
        shape,
        data: new Uint8Array(shape[0] * shape[1] * 4),
      });
      return [entry('lora_A', [2, columns]), entry('lora_B', [rows, 2])];
    });
    await writeSafetensors(platform, '/a/adapter_model.safetensors', entries);
    return readAdapter(platform, '/a', namingOf('qwen2_5_vl'));
  }

  it('a regex written for 4.51 names is turned into names of today', async () => {
    const adapter = await oldAdapter({ target_modules: '^model\\.layers\\..*q_proj', alpha_pattern: { '^model.layers.1.*': 7 } }, [
      'model.layers.0.self_attn.q_proj',
      'model.layers.1.self_attn.q_proj',
    ]);
    const { config, resolved } = checkAdapterFits(adapter, modules);
    expect(resolved.lora.map(({ module, alpha }) => [module, alpha])).toEqual([
      ['model.language_model.layers.0.self_attn.q_proj', 4],
      ['model.language_model.layers.1.self_attn.q_proj', 7],
    ]);
    expect(resolveAdapter(config, modules)).toEqual(resolved);
    expect(config.target_modules).toEqual(['model.language_model.layers.0.self_attn.q_proj', 'model.language_model.layers.1.self_attn.q_proj']);
  });

  it('a regex that matches more under the new names is held to what it meant', async () => {
    const adapter = await oldAdapter({ target_modules: '^(?!model).*(q_proj|qkv)' }, ['visual.blocks.0.attn.qkv']);
    expect(checkAdapterFits(adapter, modules).resolved.lora.map(({ module }) => module)).toEqual(['model.visual.blocks.0.attn.qkv']);
  });
});

describe('what does not fit or is not supported', () => {
  const modules = modulesFromParameters([
    ['a.q_proj.weight', [4, 6]],
    ['a.v_proj.weight', [4, 6]],
    ['lm_head.weight', [9, 6]],
  ]);
  const matrix = (...shape: number[]): { shape: number[]; data: Float32Array } => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b)) });
  const adapter = (tensors: Record<string, ReturnType<typeof matrix>>, options: Partial<LoraConfig> = {}): Adapter => ({
    dir: '/old',
    naming: namingOf('qwen2_5_vl'),
    spelling: 'current',
    config: loraConfig({ r: 2, target_modules: ['q_proj', 'v_proj'], base_model_name_or_path: 'some/base', ...options }),
    tensors: new Map(Object.entries(tensors)),
  });
  const whole = {
    'a.q_proj.lora_A.weight': matrix(2, 6),
    'a.q_proj.lora_B.weight': matrix(4, 2),
    'a.v_proj.lora_A.weight': matrix(2, 6),
    'a.v_proj.lora_B.weight': matrix(4, 2),
  };

  it('accepts the right tensors', () => {
    expect(checkAdapterFits(adapter(whole), modules).resolved.lora.length).toBe(2);
  });

  it('one error lists what is missing, unexpected and misshapen, with the base it was made for', () => {
    const { 'a.v_proj.lora_B.weight': _, ...rest } = whole;
    const bad = adapter({ ...rest, 'a.q_proj.lora_A.weight': matrix(3, 6), 'b.q_proj.lora_A.weight': matrix(2, 6) });
    const check = (): unknown => checkAdapterFits(bad, modules);
    expect(check).toThrow(expect.objectContaining({ name: 'UserError' }));
    expect(check).toThrow(/\/old does not fit/);
    expect(check).toThrow(/1 tensors are missing:\n +a\.v_proj\.lora_B\.weight/);
    expect(check).toThrow(/1 tensors have no place.*:\n +b\.q_proj\.lora_A\.weight/);
    expect(check).toThrow(/a\.q_proj\.lora_A\.weight is \[3, 6\], \[2, 6\] was expected/);
    expect(check).toThrow(/made for some\/base/);
  });

  it('misses DoRA magnitudes and saved modules', () => {
    expect(() => checkAdapterFits(adapter(whole, { use_dora: true }), modules)).toThrow(/lora_magnitude_vector/);
    expect(() => checkAdapterFits(adapter(whole, { modules_to_save: ['lm_head'] }), modules)).toThrow(/lm_head\.weight/);
  });

  it.each<[Record<string, unknown>, RegExp]>([
    [{ peft_type: 'IA3' }, /peft_type is "IA3"; only LoRA/],
    [{ peft_type: undefined }, /no peft_type/],
    [{ bias: 'all' }, /bias is "all"; trained biases/],
    [{ fan_in_fan_out: true }, /fan_in_fan_out is true/],
    [{ lora_bias: true }, /lora_bias is true/],
    [{ layer_replication: [[0, 4]] }, /layer_replication/],
    [{ trainable_token_indices: [1] }, /trainable_token_indices/],
    [{ use_qalora: true }, /use_qalora/],
    [{ init_lora_weights: 'pissa_niter_4' }, /init_lora_weights is pissa_niter_4, which changes the base weights/],
    [{ brand_new_option: true }, /brand_new_option is true; this option of PEFT is not known/],
    [{ r: 0 }, /r is 0; a whole number from 1 to 65536/],
    [{ r: '8' }, /r is "8"/],
    [{ lora_alpha: null, lora_dropout: 'x' }, /lora_dropout is "x"; a number/],
    [{ target_modules: null }, /target_modules is null; a list of names or a regular expression/],
    [{ target_modules: [1] }, /target_modules is \[1\]/],
    [{ rank_pattern: { q: 0.5 } }, /rank_pattern/],
    [{ layers_to_transform: 'all' }, /layers_to_transform is "all"/],
  ])('the option %j', (options, message) => {
    const json = { ...(JSON.parse(formatLoraConfig(loraConfig({ target_modules: ['q_proj'] }))) as Record<string, unknown>), ...options };
    expect(() => parseLoraConfig(json, '/a/adapter_config.json')).toThrow(expect.objectContaining({ name: 'UserError' }));
    expect(() => parseLoraConfig(json, '/a/adapter_config.json')).toThrow(message);
  });

  async function stored(): Promise<MemoryPlatform> {
    const platform = memoryPlatform();
    await writeAdapter(platform, '/a', loraConfig({ target_modules: ['q_proj'] }), new Map([['model.visual.q_proj.lora_A.weight', matrix(2, 2)]]));
    return platform;
  }

  it('folders that are no adapters', async () => {
    await expect(readAdapter(memoryPlatform(), '/a', namingOf('gemma3'))).rejects.toThrow(/adapter_config\.json is missing; a PEFT adapter folder has one/);
    const noWeights = await stored();
    noWeights.files.delete('/a/adapter_model.safetensors');
    await expect(readAdapter(noWeights, '/a', namingOf('gemma3'))).rejects.toThrow(/no such file/);
    noWeights.files.set('/a/adapter_model.bin', new Uint8Array(4));
    await expect(readAdapter(noWeights, '/a', namingOf('gemma3'))).rejects.toThrow(/adapter_model\.bin, which is not read/);
    const embedding = await stored();
    const lora = { name: 'base_model.model.embed_tokens.lora_embedding_A', dtype: 'F32' as const, shape: [1], data: new Uint8Array(4) };
    await writeSafetensors(embedding, '/a/adapter_model.safetensors', [lora]);
    await expect(readAdapter(embedding, '/a', namingOf('qwen2_5_vl'))).rejects.toThrow(/LoRA on an embedding/);
    const twice = { ...lora, name: 'visual.x.lora_A.weight' };
    const again = { ...twice, name: 'base_model.model.model.visual.x.lora_A.default.weight' };
    await writeSafetensors(embedding, '/a/adapter_model.safetensors', [twice, again]);
    await expect(readAdapter(embedding, '/a', namingOf('qwen2_5_vl'))).rejects.toThrow(/holds model\.visual\.x\.lora_A\.weight twice/);
    const integers = { ...lora, name: 'visual.x.lora_A.weight', dtype: 'I32' as const };
    await writeSafetensors(embedding, '/a/adapter_model.safetensors', [integers]);
    await expect(readAdapter(embedding, '/a', namingOf('qwen2_5_vl'))).rejects.toThrow(/dtype I32; F32, F16 or BF16/);
  });
});

/** PEFT itself, in the Python that VERNIER_PYTHON names (torch, transformers ≥ 5, peft ≥ 0.21). Without it only the keys above are compared. */
const python = process.env['VERNIER_PYTHON'];
const bases = [...new Set(adapters.map(({ model }) => model))];

describe('loaded by PEFT', () => {
  if (python === undefined) {
    it.skip('VERNIER_PYTHON is not set: name a Python with torch, transformers and peft to have PEFT load the written adapters', () => undefined);
    return;
  }

  it.each(bases)('%s: no missing or unexpected key, the same logits', { timeout: 600_000 }, async (model) => {
    const work = mkdtempSync(`${tmpdir()}/vernier-peft-`);
    try {
      const golden = adapters.filter((one) => one.model === model);
      const written: string[] = [];
      for (const { dir, variant } of golden) {
        const adapter = await readAdapter(nodePlatform, dir, namingOf(goldenType(model)));
        const { config } = checkAdapterFits(adapter, await baseModules(model));
        await writeAdapter(nodePlatform, `${work}/${variant}`, config, adapter.tensors);
        written.push(`${work}/${variant}`);
      }
      const script = fileURLToPath(new URL('../golden/peft_roundtrip.py', import.meta.url));
      const stored = goldenPath('golden', model, 'cases', 's00_single.safetensors');
      // Later families' cases are stored without their pixels.
      const caseFile = model === qwen3.name ? `${work}/case.safetensors` : stored;
      if (caseFile !== stored) await writeCase(model, (await qwen3.case('s00_single')).example, caseFile);
      const out = `${work}/logits.safetensors`;
      const folders = [...golden.map(({ dir }) => dir), ...written];
      execFileSync(python, [script, goldenPath('models', model), caseFile, out, ...folders], { stdio: ['ignore', 'inherit', 'pipe'] });
      const logits = await openSafetensors(nodePlatform, out);
      for (let i = 0; i < golden.length; i++) {
        expect(Buffer.compare(await logits.readRaw(`${i + golden.length}.logits`), await logits.readRaw(`${i}.logits`))).toBe(0);
        await compareWithGolden(golden[i]!, toFloat32(await logits.readRaw(`${i + golden.length}.logits_completion`), 'F32', 'logits'));
      }
      await logits.close();
    } finally {
      rmSync(work, { recursive: true });
    }
  });

  it('the script notices a tensor too few and one too many', { timeout: 600_000 }, async () => {
    const work = mkdtempSync(`${tmpdir()}/vernier-peft-`);
    try {
      const { model, dir } = adapters.find(({ model: name }) => name.startsWith('qwen2_5_vl'))!;
      const { config, tensors } = await readAdapter(nodePlatform, dir, namingOf(goldenType(model)));
      const [first, tensor] = [...tensors][0]!;
      tensors.delete(first);
      tensors.set(first.replace('model.', 'elsewhere.'), tensor);
      await writeAdapter(nodePlatform, work, config, tensors);
      const script = fileURLToPath(new URL('../golden/peft_roundtrip.py', import.meta.url));
      const caseFile = goldenPath('golden', model, 'cases', 's00_single.safetensors');
      const { status, stderr } = spawnSync(python, [script, goldenPath('models', model), caseFile, `${work}/out`, work], { encoding: 'utf8' });
      expect(status).toBe(1);
      expect(stderr).toContain('Found missing adapter keys');
      expect(stderr).toMatch(/unexpected base_model\.model\.elsewhere\./);
    } finally {
      rmSync(work, { recursive: true });
    }
  });
});

/** The golden logits are of a padded batch of two, of which the case is the first row; padding and the machine change the last bits only. */
async function compareWithGolden({ dir }: GoldenAdapter, logits: Float32Array): Promise<void> {
  // The small copy has the logits of some variants only; the others are compared as written against as they were.
  if (!(await nodePlatform.exists(`${dir}/logits.safetensors`))) return;
  const file = await openSafetensors(nodePlatform, `${dir}/logits.safetensors`);
  const golden = toFloat32(await file.readRaw('logits_completion'), 'F32', 'golden logits').subarray(0, logits.length);
  await file.close();
  const worst = logits.reduce((most, value, i) => Math.max(most, Math.abs(value - golden[i]!)), 0);
  expect(worst).toBeLessThan(2e-5);
}
