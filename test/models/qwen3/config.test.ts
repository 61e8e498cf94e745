/** config.json of text-only Qwen3: both layouts, transformers' defaults, and refusals that name the key. */
import { describe, expect, test } from 'vitest';
import { parseQwen3Config } from '../../../src/models/qwen3/config.ts';

const flat = {
  model_type: 'qwen3',
  hidden_size: 64,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 24,
  intermediate_size: 128,
  vocab_size: 640,
  rope_theta: 1e6,
  tie_word_embeddings: true,
  attention_bias: false,
  use_sliding_window: false,
  sliding_window: null,
  max_window_layers: 3,
};

describe('read', () => {
  test('the layout of transformers 4, and that of 5', () => {
    const config = parseQwen3Config({ ...flat, rope_scaling: null });
    expect(config).toMatchObject({ rope: { theta: 1e6 }, tieWordEmbeddings: true });
    expect(config.text).toMatchObject({
      heads: 4,
      kvHeads: 2,
      headDim: 24,
      qkvBias: false,
      outBias: false,
      slidingWindow: null,
      rmsNormEps: 1e-6,
    });
    const { rope_theta, ...rest } = flat;
    expect(parseQwen3Config({ ...rest, rope_parameters: { rope_type: 'default', rope_theta } })).toEqual(config);
  });

  test("the class's defaults where a file says nothing", () => {
    const { text, rope, tieWordEmbeddings } = parseQwen3Config({ model_type: 'qwen3' });
    expect(text).toMatchObject({
      hiddenSize: 4096,
      layers: 32,
      heads: 32,
      kvHeads: 32,
      headDim: 128,
      intermediateSize: 22016,
      vocabSize: 151936,
    });
    expect(text).toMatchObject({ qkvBias: false, outBias: false, headNorms: true, slidingWindow: null });
    expect({ rope, tieWordEmbeddings }).toEqual({ rope: { theta: 10_000 }, tieWordEmbeddings: false });
  });

  test('biases, sliding layers, a scaled RoPE; the head size does not follow from the heads', () => {
    const config = parseQwen3Config({
      ...flat,
      attention_bias: true,
      use_sliding_window: true,
      sliding_window: 9,
      max_window_layers: 1,
      rope_scaling: { type: 'linear', factor: 4 },
    });
    expect(config.text).toMatchObject({
      qkvBias: true,
      outBias: true,
      headNorms: true,
      slidingWindow: 9,
      layerTypes: ['full_attention', 'sliding_attention', 'sliding_attention'],
    });
    expect(config.rope.scaling).toEqual({ type: 'linear', factor: 4 });
    const { head_dim: _, ...without } = flat;
    expect(parseQwen3Config(without).text.headDim).toBe(128);
    expect(parseQwen3Config({ ...flat, num_attention_heads: 6, num_key_value_heads: 3 }).text.headDim).toBe(24);
  });
});

describe('refused', () => {
  test.each([
    [{ model_type: 'qwen3_moe' }, /model_type is "qwen3_moe"; expected "qwen3"/],
    [{ rope_scaling: { type: 'dynamic', factor: 4 } }, /rope_scaling\.rope_type is "dynamic"/],
    [{ rope_scaling: { type: 'mrope', mrope_section: [4, 2, 2] } }, /rope_type is "mrope"/],
    [{ num_key_value_heads: 3 }, /num_key_value_heads is 3; expected a divisor/],
    [{ head_dim: 15 }, /head_dim is 15; expected an even number/],
    [{ head_dim: 512 }, /head_dim is 512; expected an even number of at most 256/],
    [{ hidden_act: 'gelu' }, /hidden_act is "gelu"/],
    [{ attention_bias: 1 }, /attention_bias is 1; expected true or false/],
    [{ attention_dropout: 0.1 }, /attention_dropout is 0\.1; expected 0/],
    [
      { layer_types: ['sliding_attention', 'full_attention', 'full_attention'] },
      /layer_types is "sliding_attention"; expected use_sliding_window/,
    ],
  ])('%j', (change, message) => {
    expect(() => parseQwen3Config({ ...flat, ...change }, '/m/config.json')).toThrow(expect.objectContaining({ name: 'UserError' }));
    expect(() => parseQwen3Config({ ...flat, ...change }, '/m/config.json')).toThrow(message);
  });
});
