/**
 * Whether the goldens would notice: with a causal mask, another RoPE base, window or score scale they must fail. The masks themselves against the
 * reference's. And Gemma 3's known growth of the residual: activations a hundred times larger give the same logits and gradients.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import type { Device } from '../../../src/gpu/device.ts';
import { f32ToBf16, f32ToF16 } from '../../../src/io/halfFloat.ts';
import { loraConfig } from '../../../src/io/peftConfig.ts';
import { writeSafetensors } from '../../../src/io/safetensors.ts';
import { imageBlocks } from '../../../src/models/gemma3/model.ts';
import { blockCausalRanges } from '../../../src/ops/attentionRanges.ts';
import { countLabels } from '../../../src/train/microBatch.ts';
import type { SessionOptions } from '../../../src/train/session.ts';
import { testDevice } from '../../gpu/testDevice.ts';
import { Bounds, goldenTensors, readGradients, runBatch, withSession } from '../golden.ts';
import type { GoldenTensor } from '../golden.ts';
import { floats, integers } from '../goldenModel.ts';
import { gemma } from './goldenExamples.ts';

const bounds = new Bounds(gemma.name);
const finetuning = { kind: 'lora', config: loraConfig({ target_modules: ['q_proj'] }) } as const;
const SOFT = 699;
const WINDOW = 32;
const folders: string[] = [];
let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

interface Config extends Record<string, unknown> {
  text_config: Record<string, unknown>;
}

/** gemma3-tiny with another config.json. */
function changed(change: (config: Config) => void): string {
  const folder = mkdtempSync(`${tmpdir()}/gemma3-`);
  folders.push(folder);
  cpSync(gemma.baseModel, folder, { recursive: true });
  const config = JSON.parse(readFileSync(`${folder}/config.json`, 'utf8')) as Config;
  change(config);
  writeFileSync(`${folder}/config.json`, JSON.stringify(config));
  return folder;
}

describe('masks are the reference’s, every entry', () => {
  function expectMask(mask: GoldenTensor, row: number, rows: number[], slots: Int32Array, window?: number): void {
    const [, , T] = mask.shape as [number, number, number, number];
    const table = blockCausalRanges([rows.length], imageBlocks({ slots, rowLengths: [rows.length] }), window);
    let wrong = 0;
    rows.forEach((query, q) => {
      rows.forEach((key, k) => {
        const seen = k >= table[2 * q]! && k < table[2 * q + 1]!;
        if (seen !== (mask.data[(row * T + query) * T + key] === 1)) wrong++;
      });
    });
    expect(wrong).toBe(0);
  }
  const slotsOf = (ids: ArrayLike<number>): Int32Array => Int32Array.from(ids, (id) => (id === SOFT ? 1 : -1));

  it.each(['s00_single', 's09_textonly'])('%s', async (id) => {
    const { tensors, example } = await gemma.case(id);
    const rows = [...example.inputIds.keys()];
    expectMask(tensors.get('taps.mask.full_attention')!, 0, rows, slotsOf(example.inputIds));
    expectMask(tensors.get('taps.mask.sliding_attention')!, 0, rows, slotsOf(example.inputIds), WINDOW);
  });

  it.each(['right_padded', 'left_padded'])('%s', async (name) => {
    const tensors = await goldenTensors('golden', gemma.name, 'batches.safetensors');
    const [count, T] = tensors.get(`${name}.input_ids`)!.shape as [number, number];
    const [ids, real] = [integers(tensors, `${name}.input_ids`), integers(tensors, `${name}.attention_mask`)];
    for (let row = 0; row < count; row++) {
      const rows = [...Array(T).keys()].filter((t) => real[row * T + t] === 1);
      const slots = slotsOf(rows.map((t) => ids[row * T + t]!));
      expectMask(tensors.get(`${name}.mask.full_attention`)!, row, rows, slots);
      expectMask(tensors.get(`${name}.mask.sliding_attention`)!, row, rows, slots, WINDOW);
    }
  });

  it('two images do not see each other’s future, also where rows touch', () => {
    const slots = Int32Array.of(-1, 0, 1, -1, 2, 3, 4, 5, -1);
    expect([...imageBlocks({ slots, rowLengths: [6, 3] })]).toEqual([-1, 0, 0, -1, 1, 1, 2, 2, -1]);
  });
});

describe('the goldens notice', () => {
  const text = (change: (config: Record<string, unknown>) => void) => (): SessionOptions => ({ finetuning, baseModel: changed(({ text_config: config }) => { change(config); }) });
  const controls: [string, () => SessionOptions][] = [
    ['a causal mask over image tokens', () => ({ baseModel: gemma.baseModel, finetuning, imageAttention: 'causal' })],
    ['the two RoPE bases swapped', text((config) => Object.assign(config, { rope_theta: 1e4, rope_local_base_freq: 1e6 }))],
    ['RoPE without its scaling', text((config) => Object.assign(config, { rope_scaling: null }))],
    ['a window that is one wider', text((config) => Object.assign(config, { sliding_window: WINDOW + 1 }))],
    ['another pattern of layers', text((config) => Object.assign(config, { sliding_window_pattern: 3 }))],
    ['scores scaled by the head size', text((config) => Object.assign(config, { query_pre_attn_scalar: 16 }))],
  ];

  it.each(controls)('%s', async (_, options) => {
    const { example, tensors } = await gemma.case('s10_twoimages');
    await withSession(device, options(), async (session) => {
      const { logits } = await runBatch(session, [example]);
      bounds.expectFar('forward.logits', 'logits', logits, floats(tensors, 'logits_completion'));
    });
  });

  it('nothing, where nothing is changed', async () => {
    const { example, tensors } = await gemma.case('s10_twoimages');
    await withSession(device, { baseModel: changed(() => undefined), finetuning }, async (session) => {
      const { logits } = await runBatch(session, [example]);
      bounds.expectNear('forward.logits', 'logits', logits, floats(tensors, 'logits_completion'));
    });
  });
});

describe('activations a hundred times larger', () => {
  /** A power of two, so that every weight type holds the product exactly. */
  const FACTOR = 128;

  /**
   * The same function in larger numbers: embeddings, image features, values and the middle of the feed-forward grow, the norms after attention and
   * feed-forward let the residual grow along, and the norms before them take it back. The head keeps its size.
   */
  function grown(name: string, values: Float32Array): Float32Array {
    if (/(embed_tokens|v_proj|up_proj)\.weight$|mm_input_projection_weight$/.test(name) && !name.includes('vision_tower')) return values.map((value) => value * FACTOR);
    if (/post_(attention|feedforward)_layernorm\.weight$/.test(name)) return values.map((value) => (1 + value) * FACTOR - 1);
    return values;
  }

  function bytesOf(values: Float32Array, dtype: 'F32' | 'F16' | 'BF16'): Uint8Array {
    const stored = dtype === 'F32' ? values.slice() : dtype === 'F16' ? f32ToF16(values) : f32ToBf16(values);
    return new Uint8Array(stored.buffer);
  }

  async function folderOf(dtype: 'F32' | 'F16' | 'BF16', grow: (name: string, values: Float32Array) => Float32Array): Promise<string> {
    const folder = changed((config) => Object.assign(config, { tie_word_embeddings: false }));
    const stored = await goldenTensors('models', gemma.name, 'model.safetensors');
    const table = stored.get('language_model.model.embed_tokens.weight')!;
    const all = [...stored].map(([name, { shape }]) => ({ name, shape, values: grow(name, floats(stored, name)) }));
    all.push({ name: 'language_model.lm_head.weight', shape: table.shape, values: table.data as Float32Array });
    const entries = all.map(({ name, shape, values }) => ({ name, shape, dtype, data: bytesOf(values, dtype) }));
    await writeSafetensors(nodePlatform, `${folder}/model.safetensors`, entries);
    return folder;
  }

  async function differentiate(baseModel: string): Promise<{ largest: number; logits: Float32Array; gradients: Map<string, Float32Array> }> {
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

  it.each([
    // What is left of the norms' epsilon, which no longer counts; and the grown norms' weights, rounded to 8 or 11 bits.
    ['F32', 1e-3],
    ['F16', 2e-2],
    ['BF16', 1e-1],
  ] as const)('%s weights: the logits and gradients of the plain ones', async (dtype, bound) => {
    const plain = await differentiate(await folderOf(dtype, (_, values) => values));
    const large = await differentiate(await folderOf(dtype, grown));
    expect(large.largest).toBeGreaterThan(100 * plain.largest);
    const near = (label: string, found: Float32Array, wanted: Float32Array): void => {
      const size = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const error = wanted.reduce((most, value, i) => Math.max(most, Number.isFinite(found[i]!) ? Math.abs(value - found[i]!) : Infinity), 0);
      expect(error / size, label).toBeLessThanOrEqual(bound);
    };
    near('logits', large.logits, plain.logits);
    expect(plain.gradients.size).toBe(18);
    for (const [name, gradient] of plain.gradients) near(name, large.gradients.get(name)!, gradient);
  });
});
