/** config.json of text-only Qwen2: both layouts, transformers' defaults, and refusals that name the key. */
import { describe, expect, test } from 'vitest';
import { parseQwen2Config } from '../../../src/models/qwen2/config.ts';

const flat = {
  model_type: 'qwen2', hidden_size: 64, num_hidden_layers: 3, num_attention_heads: 4, num_key_value_heads: 2, intermediate_size: 128, vocab_size: 640,
  rope_theta: 5e5, tie_word_embeddings: true, use_sliding_window: false, sliding_window: 32768, max_window_layers: 3,
};

describe('read', () => {
  test('the layout of transformers 4, and that of 5', () => {
    const config = parseQwen2Config(flat);
    expect(config).toMatchObject({ ropeTheta: 5e5, ropeFactor: 1, tieWordEmbeddings: true });
    expect(config.text).toMatchObject({ heads: 4, kvHeads: 2, headDim: 16, slidingWindow: null, rmsNormEps: 1e-6, layerTypes: Array(3).fill('full_attention') });
    const { rope_theta, ...rest } = flat;
    expect(parseQwen2Config({ ...rest, rope_parameters: { rope_type: 'default', rope_theta } })).toEqual(config);
  });

  test("the class's defaults where a file says nothing", () => {
    const { text, ropeTheta, tieWordEmbeddings } = parseQwen2Config({ model_type: 'qwen2' });
    expect(text).toMatchObject({ hiddenSize: 4096, layers: 32, heads: 32, kvHeads: 32, headDim: 128, intermediateSize: 22016, vocabSize: 151936 });
    expect({ ropeTheta, tieWordEmbeddings }).toEqual({ ropeTheta: 10_000, tieWordEmbeddings: false });
  });

  test('sliding layers, a stated head size, linear scaling', () => {
    const config = parseQwen2Config({ ...flat, use_sliding_window: true, sliding_window: 9, max_window_layers: 1, head_dim: 24, rope_scaling: { type: 'linear', factor: 4 } });
    expect(config.text).toMatchObject({ slidingWindow: 9, layerTypes: ['full_attention', 'sliding_attention', 'sliding_attention'], headDim: 24 });
    expect(config.ropeFactor).toBe(4);
    expect(parseQwen2Config({ ...flat, num_key_value_heads: null }).text.kvHeads).toBe(4);
  });
});

describe('refused', () => {
  test.each([
    [{ model_type: 'qwen2_moe' }, /model_type is "qwen2_moe", "qwen2" was expected/],
    [{ rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 32768 } }, /rope_scaling\.rope_type is "yarn"; expected "default" or "linear"/],
    [{ rope_parameters: { rope_type: 'llama3', rope_theta: 1e4 } }, /rope_parameters\.rope_type is "llama3"/],
    [{ rope_scaling: { type: 'linear' } }, /rope_scaling\.factor/],
    [{ num_attention_heads: 5 }, /num_attention_heads is 5; expected a divisor of hidden_size \(64\)/],
    [{ num_key_value_heads: 3 }, /num_key_value_heads is 3; expected a divisor/],
    [{ head_dim: 15 }, /head_dim is 15; expected an even number/],
    [{ hidden_act: 'gelu' }, /hidden_act is "gelu"/],
    [{ attention_dropout: 0.1 }, /attention_dropout is 0\.1; expected 0/],
    [{ layer_types: ['sliding_attention', 'full_attention', 'full_attention'] }, /layer_types is "sliding_attention"; expected use_sliding_window/],
    [{ layer_types: ['full_attention'] }, /one entry for each of the 3 layers/],
  ])('%j', (change, message) => {
    expect(() => parseQwen2Config({ ...flat, ...change }, '/m/config.json')).toThrow(expect.objectContaining({ name: 'UserError' }));
    expect(() => parseQwen2Config({ ...flat, ...change }, '/m/config.json')).toThrow(message);
  });
});
