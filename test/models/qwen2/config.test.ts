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
    expect(config).toMatchObject({ rope: { theta: 5e5 }, tieWordEmbeddings: true });
    expect(config.text).toMatchObject({ heads: 4, kvHeads: 2, headDim: 16, slidingWindow: null, rmsNormEps: 1e-6, layerTypes: Array(3).fill('full_attention') });
    const { rope_theta, ...rest } = flat;
    expect(parseQwen2Config({ ...rest, rope_parameters: { rope_type: 'default', rope_theta } })).toEqual(config);
  });

  test("the class's defaults where a file says nothing", () => {
    const { text, rope, tieWordEmbeddings } = parseQwen2Config({ model_type: 'qwen2' });
    expect(text).toMatchObject({ hiddenSize: 4096, layers: 32, heads: 32, kvHeads: 32, headDim: 128, intermediateSize: 22016, vocabSize: 151936 });
    expect({ rope, tieWordEmbeddings }).toEqual({ rope: { theta: 10_000 }, tieWordEmbeddings: false });
  });

  test('sliding layers, a stated head size, linear scaling', () => {
    const config = parseQwen2Config({ ...flat, use_sliding_window: true, sliding_window: 9, max_window_layers: 1, head_dim: 24, rope_scaling: { type: 'linear', factor: 4 } });
    expect(config.text).toMatchObject({ slidingWindow: 9, layerTypes: ['full_attention', 'sliding_attention', 'sliding_attention'], headDim: 24 });
    expect(config.rope.scaling).toEqual({ type: 'linear', factor: 4 });
    expect(parseQwen2Config({ ...flat, num_key_value_heads: null }).text.kvHeads).toBe(4);
  });
});

describe('refused', () => {
  test.each([
    [{ model_type: 'qwen2_moe' }, /model_type is "qwen2_moe"; expected "qwen2"; choose a Qwen2 or Qwen2\.5 model folder/],
    [{ rope_scaling: { type: 'dynamic', factor: 4 } }, /rope_scaling\.rope_type is "dynamic"; expected one of default, linear, yarn, llama3/],
    [{ rope_parameters: { rope_type: 'longrope', rope_theta: 1e4 } }, /rope_parameters\.rope_type is "longrope"/],
    [{ rope_parameters: { rope_type: 'llama3', rope_theta: 1e4 } }, /rope_parameters\.low_freq_factor is nothing/],
    [{ rope_scaling: { factor: 4 } }, /rope_scaling\.factor is 4; expected nothing: rope_type "default" does not read it/],
    [{ rope_scaling: { type: 'yarn', factor: 4, beta_quick: 1 } }, /rope_scaling\.beta_quick is 1/],
    [{ rope_scaling: { type: 'mrope', mrope_section: [4, 2, 2] } }, /rope_type is "mrope"/],
    [{ rope_parameters: { full_attention: { rope_type: 'default' } } }, /rope_parameters\.full_attention is/],
    [{ partial_rotary_factor: 0.5 }, /partial_rotary_factor is 0\.5/],
    [{ rope_scaling: { type: 'linear' } }, /rope_scaling\.factor/],
    [{ num_attention_heads: 5 }, /num_attention_heads is 5; expected a divisor of hidden_size \(64\)/],
    [{ num_key_value_heads: 3 }, /num_key_value_heads is 3; expected a divisor/],
    [{ head_dim: 15 }, /head_dim is 15; expected an even number/],
    [{ head_dim: 512 }, /head_dim is 512; expected an even number of at most 256/],
    [{ hidden_act: 'gelu' }, /hidden_act is "gelu"/],
    [{ attention_dropout: 0.1 }, /attention_dropout is 0\.1; expected 0/],
    [{ layer_types: ['sliding_attention', 'full_attention', 'full_attention'] }, /layer_types is "sliding_attention"; expected use_sliding_window/],
    [{ layer_types: ['full_attention'] }, /one entry for each of the 3 layers/],
  ])('%j', (change, message) => {
    expect(() => parseQwen2Config({ ...flat, ...change }, '/m/config.json')).toThrow(expect.objectContaining({ name: 'UserError' }));
    expect(() => parseQwen2Config({ ...flat, ...change }, '/m/config.json')).toThrow(message);
  });
});
