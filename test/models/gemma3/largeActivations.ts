/** Gemma 3's known growth of the residual: a model whose activations are a hundred times larger and whose logits and gradients are the same. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, expect } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import type { Device } from '../../../src/gpu/device.ts';
import { f32ToBf16, f32ToF16 } from '../../../src/io/halfFloat.ts';
import { loraConfig } from '../../../src/io/peftConfig.ts';
import { writeSafetensors } from '../../../src/io/safetensors.ts';
import { countLabels } from '../../../src/train/microBatch.ts';
import { goldenTensors, readGradients, runBatch, withSession } from '../golden.ts';
import { floats } from '../goldenModel.ts';
import { gemma } from './goldenExamples.ts';

const folders: string[] = [];

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

interface Config extends Record<string, unknown> {
  text_config: Record<string, unknown>;
}

/** A folder, gone after the tests of the file: gemma3-tiny with another config.json. */
export function changed(change: (config: Config) => void): string {
  const folder = mkdtempSync(`${tmpdir()}/gemma3-`);
  folders.push(folder);
  cpSync(gemma.baseModel, folder, { recursive: true });
  const config = JSON.parse(readFileSync(`${folder}/config.json`, 'utf8')) as Config;
  change(config);
  writeFileSync(`${folder}/config.json`, JSON.stringify(config));
  return folder;
}

export interface Figures {
  /** Largest magnitude of the residual. */
  largest: number;
  logits: Float32Array;
  /** Of lora_B, by name. */
  gradients: Map<string, Float32Array>;
}

/** A power of two, so that every weight type holds the product exactly. */
const FACTOR = 128;

/**
 * The same function in larger numbers: embeddings, image features, values and the middle of the feed-forward grow, the norms after attention and
 * feed-forward let the residual grow along, and the norms before them take it back. The head keeps its size.
 */
export function grown(name: string, values: Float32Array): Float32Array {
  if (/(embed_tokens|v_proj|up_proj)\.weight$|mm_input_projection_weight$/.test(name) && !name.includes('vision_tower')) return values.map((value) => value * FACTOR);
  if (/post_(attention|feedforward)_layernorm\.weight$/.test(name)) return values.map((value) => (1 + value) * FACTOR - 1);
  return values;
}

function bytesOf(values: Float32Array, dtype: 'F32' | 'F16' | 'BF16'): Uint8Array {
  const stored = dtype === 'F32' ? values.slice() : dtype === 'F16' ? f32ToF16(values) : f32ToBf16(values);
  return new Uint8Array(stored.buffer);
}

/** gemma3-tiny in that dtype, its head apart from the embeddings, with other weights. */
export async function folderOf(dtype: 'F32' | 'F16' | 'BF16', grow: (name: string, values: Float32Array) => Float32Array): Promise<string> {
  const folder = changed((config) => Object.assign(config, { tie_word_embeddings: false }));
  const stored = await goldenTensors('models', gemma.name, 'model.safetensors');
  const table = stored.get('language_model.model.embed_tokens.weight')!;
  const all = [...stored].map(([name, { shape }]) => ({ name, shape, values: grow(name, floats(stored, name)) }));
  all.push({ name: 'language_model.lm_head.weight', shape: table.shape, values: table.data as Float32Array });
  const entries = all.map(({ name, shape, values }) => ({ name, shape, dtype, data: bytesOf(values, dtype) }));
  await writeSafetensors(nodePlatform, `${folder}/model.safetensors`, entries);
  return folder;
}

export async function differentiate(device: Device, baseModel: string): Promise<Figures> {
  const { example } = await gemma.case('s00_single');
  return withSession(device, { baseModel, finetuning: { kind: 'lora', config: loraConfig({ target_modules: ['q_proj', 'k_proj', 'gate_proj'], exclude_modules: '.*vision.*' }) } }, async (session) => {
    session.arena.zeroGradients();
    const run = await runBatch(session, [example], { grad: true, lossScale: 1 / countLabels(example), taps: true });
    const largest = run.taps.get('model.language_model.layers.5')!.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    // lora_B is zero, and so is the gradient of lora_A.
    const gradients = new Map([...(await readGradients(session))].filter(([name]) => name.includes('lora_B')));
    return { largest, logits: run.logits, gradients };
  });
}

/** Each within `bound` of its largest value. */
export function expectNear(found: Figures, wanted: Figures, bound: number): void {
  const near = (label: string, found: Float32Array, wanted: Float32Array): void => {
    const size = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const error = wanted.reduce((most, value, i) => Math.max(most, Number.isFinite(found[i]!) ? Math.abs(value - found[i]!) : Infinity), 0);
    expect(error / size, label).toBeLessThanOrEqual(bound);
  };
  near('logits', found.logits, wanted.logits);
  expect(wanted.gradients.size).toBe(18);
  for (const [name, gradient] of wanted.gradients) near(name, found.gradients.get(name)!, gradient);
}
