/**
 * Whether the goldens would notice: with a causal mask, another RoPE base, window or score scale they must fail. The masks themselves against the
 * reference's. And Gemma 3's known growth of the residual: activations a hundred times larger give the same logits and gradients.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../../src/gpu/device.ts';
import { loraConfig } from '../../../src/io/peftConfig.ts';
import { imageBlocks } from '../../../src/models/gemma3/model.ts';
import { blockCausalRanges } from '../../../src/ops/attentionRanges.ts';
import type { SessionOptions } from '../../../src/train/session.ts';
import { testDevice } from '../../gpu/testDevice.ts';
import { Bounds, goldenTensors, runBatch, withSession } from '../golden.ts';
import type { GoldenTensor } from '../golden.ts';
import { floats, integers } from '../goldenModel.ts';
import { gemma } from './goldenExamples.ts';
import { changed, differentiate, expectNear, folderOf, grown } from './largeActivations.ts';

const bounds = new Bounds(gemma.name);
const finetuning = { kind: 'lora', config: loraConfig({ target_modules: ['q_proj'] }) } as const;
const SOFT = 699;
const WINDOW = 32;
let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

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
  it.each([
    // What is left of the norms' epsilon, which no longer counts; and the grown norms' weights, rounded to 8 or 11 bits.
    ['F32', 1e-3],
    ['F16', 2e-2],
    ['BF16', 1e-1],
  ] as const)('%s weights: the logits and gradients of the plain ones', async (dtype, bound) => {
    const plain = await differentiate(device, await folderOf(dtype, (_, values) => values));
    const large = await differentiate(device, await folderOf(dtype, grown));
    expect(large.largest).toBeGreaterThan(100 * plain.largest);
    expectNear(large, plain, bound);
  });
});
