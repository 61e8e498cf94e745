/** config.json of text-only Llama: files of the hub, transformers' defaults, and refusals that name the key. */
import { describe, expect, test } from 'vitest';
import { describeLlama } from '../../../src/models/llama/model.ts';
import { parseLlamaConfig } from '../../../src/models/llama/config.ts';

/** Llama-3.2-1B-Instruct's, but for ids and dtype. */
const LLAMA_3_2 = {
  architectures: ['LlamaForCausalLM'],
  attention_bias: false,
  attention_dropout: 0.0,
  head_dim: 64,
  hidden_act: 'silu',
  hidden_size: 2048,
  intermediate_size: 8192,
  max_position_embeddings: 131072,
  mlp_bias: false,
  model_type: 'llama',
  num_attention_heads: 32,
  num_hidden_layers: 16,
  num_key_value_heads: 8,
  pretraining_tp: 1,
  rms_norm_eps: 1e-5,
  rope_scaling: { factor: 32.0, high_freq_factor: 4.0, low_freq_factor: 1.0, original_max_position_embeddings: 8192, rope_type: 'llama3' },
  rope_theta: 500000.0,
  tie_word_embeddings: true,
  vocab_size: 128256,
};

test("the hub's file of Llama 3.2, in the layout of transformers 5 too", () => {
  const config = parseLlamaConfig(LLAMA_3_2);
  expect(config.text).toMatchObject({ heads: 32, kvHeads: 8, headDim: 64, slidingWindow: null, rmsNormEps: 1e-5, qkvBias: false });
  expect(config.rope).toEqual({
    theta: 500000,
    scaling: { type: 'llama3', factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalPositions: 8192 },
  });
  expect(config.tieWordEmbeddings).toBe(true);
  const { rope_theta, rope_scaling, ...rest } = LLAMA_3_2;
  expect(parseLlamaConfig({ ...rest, rope_parameters: { ...rope_scaling, rope_theta } })).toEqual(config);
  // 1 235 814 400 parameters, as published.
  const { shapes } = describeLlama(LLAMA_3_2, 'config.json');
  const sizes = [...shapes.values()].map((shape) => shape.reduce((product, side) => product * side, 1));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(1_235_814_400);
});

test("the class's defaults where a file says nothing", () => {
  const { text, rope, tieWordEmbeddings } = parseLlamaConfig({ model_type: 'llama' });
  expect(text).toMatchObject({
    hiddenSize: 4096,
    layers: 32,
    heads: 32,
    kvHeads: 32,
    headDim: 128,
    intermediateSize: 11008,
    vocabSize: 32000,
    rmsNormEps: 1e-6,
  });
  expect(text).toMatchObject({ qkvBias: false, outBias: false, forwardBias: false, headNorms: false });
  expect({ rope, tieWordEmbeddings }).toEqual({ rope: { theta: 10_000 }, tieWordEmbeddings: false });
});

test('biases of attention and of the feed-forward are two switches', () => {
  expect(parseLlamaConfig({ ...LLAMA_3_2, attention_bias: true }).text).toMatchObject({ qkvBias: true, outBias: true, forwardBias: false });
  expect(parseLlamaConfig({ ...LLAMA_3_2, mlp_bias: true }).text).toMatchObject({ qkvBias: false, outBias: false, forwardBias: true });
});

describe('refused', () => {
  test.each([
    [{ model_type: 'llama4' }, /model_type is "llama4"; expected "llama"/],
    [{ rope_scaling: { type: 'dynamic', factor: 4 } }, /rope_scaling\.rope_type is "dynamic"/],
    [{ rope_scaling: { ...LLAMA_3_2.rope_scaling, low_freq_factor: 4 } }, /high_freq_factor is 4; expected more than low_freq_factor/],
    [{ num_key_value_heads: 3 }, /num_key_value_heads is 3; expected a divisor/],
    [{ num_attention_heads: 24 }, /num_attention_heads is 24; expected a divisor of hidden_size \(2048\)/],
    [{ head_dim: 15 }, /head_dim is 15; expected an even number/],
    [{ hidden_act: 'relu' }, /hidden_act is "relu"/],
    [{ mlp_bias: 'no' }, /mlp_bias is "no"; expected true or false/],
    [{ attention_dropout: 0.1 }, /attention_dropout is 0\.1; expected 0/],
    [{ partial_rotary_factor: 0.5 }, /partial_rotary_factor is 0\.5; expected 1/],
  ])('%j', (change, message) => {
    expect(() => parseLlamaConfig({ ...LLAMA_3_2, ...change }, '/m/config.json')).toThrow(expect.objectContaining({ name: 'UserError' }));
    expect(() => parseLlamaConfig({ ...LLAMA_3_2, ...change }, '/m/config.json')).toThrow(message);
  });
});
