/** What the tests of merging share: the layout of a golden base, adapters made on the spot, and reading a written folder back. */
import { readdirSync, readFileSync } from 'node:fs';
import type { BaseLayout } from '../../src/io/mergedFolder.ts';
import { openModelFolder, type ModelFolder } from '../../src/io/modelFolder.ts';
import { adapterShapes, writeAdapter } from '../../src/io/peft.ts';
import { loraConfig, type LoraConfig } from '../../src/io/peftConfig.ts';
import { modulesFromParameters, resolveAdapter } from '../../src/io/peftTargets.ts';
import { toFloat32 } from '../../src/io/safetensors.ts';
import type { Platform } from '../../src/platform.ts';
import { goldenNames, goldenPath } from './goldenFolder.ts';
import { kindsOf } from './goldenKinds.ts';
import { memoryPlatform, type MemoryPlatform } from './memoryPlatform.ts';
import { namingOf } from '../../src/models/families.ts';

export const EMBEDDING = 'model.language_model.embed_tokens.weight';
export const HEAD = 'lm_head.weight';

/** Golden base models in float32, with the adapter that a training run left. */
export const goldenBases = [...goldenNames('models'), 'qwen3_vl-tiny'].filter((name) => goldenNames('golden', name, 'runs', 'lora_token_mean').includes('adapter_final'));

export function layoutOf(folder: ModelFolder): BaseLayout {
  const tiedHead = !folder.has(HEAD);
  const shapes = new Map(folder.names().map((name) => [name, folder.info(name).shape]));
  return { shapes, kinds: kindsOf(folder), tiedHead, embedding: EMBEDDING };
}

/** Every tensor of a folder by canonical name, in float32. */
export async function readFolder(platform: Platform, dir: string): Promise<Map<string, Float32Array>> {
  const folder = await openModelFolder(platform, dir, namingOf);
  try {
    const values = new Map<string, Float32Array>();
    for (const name of folder.names()) values.set(name, toFloat32(await folder.readRaw(name), folder.info(name).dtype, name));
    return values;
  } finally {
    await folder.close();
  }
}

/** An adapter for a base, filled with numbers that a counter gives. */
export async function makeAdapter(platform: Platform, base: string, dir: string, given: Partial<LoraConfig> & Pick<LoraConfig, 'target_modules'>): Promise<LoraConfig> {
  const config = loraConfig(given);
  const folder = await openModelFolder(platform, base, namingOf);
  const { shapes, kinds, tiedHead, embedding } = layoutOf(folder);
  await folder.close();
  const modules = modulesFromParameters([...shapes, ...(tiedHead ? [[HEAD, shapes.get(embedding)!] as const] : [])], kinds);
  const wanted = adapterShapes(resolveAdapter(config, modules), config.use_dora, modules);
  let seed = 0;
  const tensors = new Map(
    [...wanted].map(([name, shape]) => {
      const count = shape.reduce((product, size) => product * size, 1);
      const lift = name.endsWith('lora_magnitude_vector') ? 1 : 0;
      return [name, { shape, data: Float32Array.from({ length: count }, () => lift + Math.sin(++seed) / 8) }] as const;
    }),
  );
  await writeAdapter(platform, dir, config, tensors);
  return config;
}

/** A golden base in memory, where faults can be made. */
export function inMemory(model: string): { platform: MemoryPlatform; base: string } {
  const platform = memoryPlatform();
  for (const name of readdirSync(goldenPath('models', model))) platform.files.set(`/base/${name}`, new Uint8Array(readFileSync(goldenPath('models', model, name))));
  platform.folders.add('/base');
  return { platform, base: '/base' };
}

/** Largest distance of two arrays in units of the last place of float32. */
export function ulps(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Infinity;
  const ordered = (bits: number): number => (bits < 0 ? -2147483648 - bits : bits);
  const [left, right] = [a, b].map((values) => new Int32Array(values.buffer, values.byteOffset, values.length)) as [Int32Array, Int32Array];
  let most = 0;
  for (let i = 0; i < left.length; i++) most = Math.max(most, Math.abs(ordered(left[i]!) - ordered(right[i]!)));
  return most;
}

