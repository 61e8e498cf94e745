/**
 * Property: an adapter whose keys are spelt as any version of PEFT and transformers, or any wrapper of a model, spells them is read whole;
 * one that lacks a key, or has one that nothing takes, is refused by that key. Never is a part of it read.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { openModelFolder } from '../../src/io/modelFolder.ts';
import { respell, type Spelling } from '../../src/io/names.ts';
import { checkAdapterFits, readAdapter, type Adapter } from '../../src/io/peft.ts';
import { modulesFromParameters, type ModuleInfo } from '../../src/io/peftTargets.ts';
import { openSafetensors, writeSafetensors, type TensorEntry } from '../../src/io/safetensors.ts';
import { goldenAdapters, goldenPath, goldenType } from './goldenFolder.ts';
import { kindsOf } from './goldenKinds.ts';
import { memoryPlatform } from './memoryPlatform.ts';
import { namingOf } from '../../src/models/families.ts';

const adapters = goldenAdapters(['gemma3-tiny', 'qwen2_5_vl-tiny', 'qwen3_vl-tiny']);

async function baseModules(model: string): Promise<ModuleInfo[]> {
  const folder = await openModelFolder(nodePlatform, goldenPath('models', model), namingOf);
  const parameters = folder.names().map((name): [string, readonly number[]] => [name, folder.info(name).shape]);
  if (!folder.has('lm_head.weight')) parameters.push(['lm_head.weight', folder.info('model.language_model.embed_tokens.weight').shape]);
  await folder.close();
  return modulesFromParameters(parameters, kindsOf(folder));
}

interface Style {
  spelling: Spelling;
  prefix: string;
  /** Put before `layers`, as wrappers of single blocks do. */
  wrapper: string;
  adapterName: string;
}

const style = fc.record<Style>({
  spelling: fc.constantFrom('current', 'hub', 'v5'),
  prefix: fc.constantFrom('', 'base_model.model.', 'module.base_model.model.', '_orig_mod.base_model.model.', 'base_model.model._orig_mod.', '_fsdp_wrapped_module.base_model.model.'),
  wrapper: fc.constantFrom('', '_fsdp_wrapped_module.', '_checkpoint_wrapped_module.', '_orig_mod.'),
  adapterName: fc.constantFrom('', '.default', '.first_try'),
});

/** A canonical name as a file spells it. */
function spelt(name: string, type: string, { spelling, prefix, wrapper, adapterName }: Style): string {
  const local = respell(namingOf(type), name, spelling).replace(/\.(layers|blocks)\.(\d+)\./, `.$1.$2.${wrapper}`);
  const named = local
    .replace(/\.(lora_[AB])\.weight$/, `.$1${adapterName}.weight`)
    .replace(/\.lora_magnitude_vector$/, adapterName === '' ? '$&' : `$&${adapterName}.weight`);
  const saved = named === local && !/lora_/.test(local) && adapterName !== '' ? local.replace(/\.([^.]+)$/, `.modules_to_save${adapterName}.$1`) : named;
  return prefix + saved;
}

describe.each(adapters)('$model $variant', ({ model, dir }) => {
  const type = goldenType(model);

  /** Reads the adapter from a file with other keys. */
  async function reread(adapter: Adapter, keys: ReadonlyMap<string, string>, more: TensorEntry[] = []): Promise<Adapter> {
    const platform = memoryPlatform();
    platform.folders.add('/a');
    await platform.writeFile('/a/adapter_config.json', await nodePlatform.readFile(`${dir}/adapter_config.json`));
    const entries = [...keys].map(([name, key]) => {
      const { shape, data } = adapter.tensors.get(name)!;
      return { name: key, dtype: 'F32' as const, shape, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
    });
    await writeSafetensors(platform, '/a/adapter_model.safetensors', [...entries, ...more]);
    return readAdapter(platform, '/a', namingOf(type));
  }

  it('is read whole in any spelling, and refused when a key is missing or idle', async () => {
    const adapter = await readAdapter(nodePlatform, dir, namingOf(type));
    const modules = await baseModules(model);
    const names = [...adapter.tensors.keys()];
    const idle = ['x_proj.lora_A.weight', 'model.language_model.norm.weight', 'model.language_model.layers.0.self_attn.q_proj.base_layer.weight', 'lm_head.original_module.weight', 'step'];
    await fc.assert(
      fc.asyncProperty(style, fc.nat(), fc.constantFrom(...idle), async (one, at, extra) => {
        const keys = new Map(names.map((name) => [name, spelt(name, type, one)]));
        const read = await reread(adapter, keys);
        expect(new Set(read.tensors.keys())).toEqual(new Set(names));
        for (const name of names) expect(read.tensors.get(name)).toEqual(adapter.tensors.get(name));
        expect(checkAdapterFits(read, modules).resolved.lora.length).toBe(names.filter((name) => name.endsWith('lora_A.weight')).length);

        const lost = names[at % names.length]!;
        const without = new Map([...keys].filter(([name]) => name !== lost));
        const refusedFor = async (kept: ReadonlyMap<string, string>, more: TensorEntry[], key: string): Promise<void> => {
          const refusal = reread(adapter, kept, more).then((part) => checkAdapterFits(part, modules));
          await expect(refusal).rejects.toThrow(expect.objectContaining({ name: 'UserError', message: expect.stringContaining(key) as string }));
        };
        await refusedFor(without, [], lost);
        await refusedFor(keys, [{ name: one.prefix + extra, dtype: 'F32', shape: [1], data: new Uint8Array(4) }], extra);
      }),
      { numRuns: 12 },
    );
  }, 60_000);
});

it('an adapter of a resized vocabulary says so', async () => {
  const found = adapters.find(({ model, variant }) => model.startsWith('qwen') && variant === 'language_only');
  if (!found) return;
  const platform = memoryPlatform();
  platform.folders.add('/a');
  await platform.writeFile('/a/adapter_config.json', await nodePlatform.readFile(`${found.dir}/adapter_config.json`));
  const file = await openSafetensors(nodePlatform, `${found.dir}/adapter_model.safetensors`);
  const entries: TensorEntry[] = [];
  for (const [name, { dtype, shape }] of file.tensors) entries.push({ name, dtype, shape, data: await file.readRaw(name) });
  await file.close();
  const modules = await baseModules(found.model);
  const [rows, width] = modules.find(({ name }) => name === 'lm_head')!.parameters['weight']!;
  entries.push({ name: 'base_model.model.lm_head.weight', dtype: 'F32', shape: [rows! + 8, width!], data: new Uint8Array((rows! + 8) * width! * 4) });
  await writeSafetensors(platform, '/a/adapter_model.safetensors', entries);
  const adapter = await readAdapter(platform, '/a', namingOf('qwen2_5_vl'));
  expect(() => checkAdapterFits(adapter, modules)).toThrow(`saved with a vocabulary of ${rows! + 8}, the base model has ${rows!}`);
});
