/** Both layouts of config.json, transformers' defaults, and refusals that name the key. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseQwen2_5VLConfig } from '../../../src/models/qwen2_5_vl/config.ts';
import { UserError } from '../../../src/platform.ts';
import { goldenNames, goldenPath } from '../../io/goldenFolder.ts';

const flat = {
  model_type: 'qwen2_5_vl',
  hidden_size: 64,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 128,
  vocab_size: 640,
  rope_theta: 5e5,
  rope_scaling: { type: 'mrope', mrope_section: [2, 3, 3] },
  vision_config: { depth: 4, hidden_size: 64, num_heads: 4, intermediate_size: 128, out_hidden_size: 64, in_chans: 3, fullatt_block_indexes: [1, 3] },
};

const folders = goldenNames('models').filter((name) => name.startsWith('qwen2_5_vl'));

function read(folder: string): Record<string, unknown> {
  return JSON.parse(readFileSync(goldenPath('models', folder, 'config.json'), 'utf8')) as Record<string, unknown>;
}

describe('layouts', () => {
  test.skipIf(folders.length < 2)('every golden folder, flat or nested, says the same', () => {
    const [first, ...others] = folders.map((folder) => parseQwen2_5VLConfig(read(folder)));
    for (const other of others) expect(other).toEqual(first);
  });

  test('flat', () => {
    const config = parseQwen2_5VLConfig(flat);
    expect(config.text).toMatchObject({
      hiddenSize: 64,
      layers: 3,
      heads: 4,
      kvHeads: 2,
      headDim: 16,
      rope: { theta: 5e5 },
      mropeSection: [2, 3, 3],
      slidingWindow: null,
    });
    expect(config.vision).toMatchObject({ depth: 4, headDim: 16, windowSize: 112, patchSize: 14, fullAttentionBlocks: [1, 3], ropeTheta: 10_000 });
  });

  test('nested, with rope_parameters', () => {
    const { model_type, vision_config, rope_scaling, rope_theta, ...text } = flat;
    const nested = { model_type, vision_config, text_config: { ...text, rope_parameters: { ...rope_scaling, rope_type: 'default', rope_theta } } };
    expect(parseQwen2_5VLConfig(nested)).toEqual(parseQwen2_5VLConfig(flat));
  });

  test('a nested tie_word_embeddings counts', () => {
    const { model_type, vision_config, ...text } = flat;
    expect(parseQwen2_5VLConfig({ model_type, vision_config, text_config: { ...text, tie_word_embeddings: true } }).tieWordEmbeddings).toBe(true);
    expect(parseQwen2_5VLConfig(flat).tieWordEmbeddings).toBe(false);
  });
});

test('missing keys take the defaults of Qwen2_5_VLConfig', () => {
  const config = parseQwen2_5VLConfig({ model_type: 'qwen2_5_vl', vision_config: { out_hidden_size: 8192 } });
  expect(config.text).toMatchObject({
    hiddenSize: 8192,
    layers: 80,
    heads: 64,
    kvHeads: 8,
    headDim: 128,
    intermediateSize: 29568,
    vocabSize: 152064,
    rmsNormEps: 1e-5,
    rope: { theta: 1e6 },
  });
  expect(config.vision).toMatchObject({ depth: 32, hiddenSize: 3584, heads: 16, intermediateSize: 3420, fullAttentionBlocks: [7, 15, 23, 31] });
  expect(config).toMatchObject({ imageTokenId: 151655, videoTokenId: 151656 });
});

test('sliding layers follow use_sliding_window and max_window_layers, or layer_types', () => {
  const text = (extra: object): object => parseQwen2_5VLConfig({ ...flat, ...extra }).text;
  expect(text({ sliding_window: 7, max_window_layers: 1 })).toMatchObject({ slidingWindow: null, layerTypes: Array(3).fill('full_attention') });
  expect(text({ use_sliding_window: true, sliding_window: 7, max_window_layers: 1 })).toMatchObject({
    slidingWindow: 7,
    layerTypes: ['full_attention', 'sliding_attention', 'sliding_attention'],
  });
  expect(text({ use_sliding_window: true, sliding_window: 7, layer_types: ['sliding_attention', 'full_attention', 'full_attention'] })).toMatchObject(
    {
      slidingWindow: 7,
      layerTypes: ['sliding_attention', 'full_attention', 'full_attention'],
    },
  );
});

test.each([
  [{ model_type: 'llama' }, 'model_type is "llama"'],
  [{ model_type: undefined }, 'model_type is "(nothing)"'],
  [{ hidden_size: '64' }, 'hidden_size is "64"; expected an integer'],
  [{ num_attention_heads: 5 }, 'num_attention_heads is 5; expected a divisor of hidden_size (64)'],
  [{ num_key_value_heads: 3 }, 'num_key_value_heads is 3; expected a divisor of num_attention_heads (4)'],
  [{ head_dim: 32 }, 'head_dim is 32'],
  [{ hidden_act: 'relu' }, 'hidden_act is "relu"'],
  [{ attention_dropout: 0.1 }, 'attention_dropout is 0.1'],
  [{ rope_scaling: { type: 'dynamic', factor: 4 } }, 'rope_scaling.rope_type is "dynamic"'],
  [{ rope_scaling: { type: 'mrope', mrope_section: [2, 3] } }, 'rope_scaling.mrope_section is [2,3]'],
  [{ layer_types: ['full_attention'] }, 'one entry for each of the 3 layers'],
  [{ layer_types: ['sliding_attention', 'full_attention', 'full_attention'] }, 'layer_types is "sliding_attention"'],
  [{ vision_config: { ...flat.vision_config, out_hidden_size: 32 } }, 'out_hidden_size is 32'],
  [{ vision_config: { ...flat.vision_config, num_heads: 32 } }, 'vision_config.num_heads is 32'],
  [{ vision_config: { ...flat.vision_config, window_size: 14 } }, 'vision_config.window_size is 14'],
  [{ vision_config: [] }, 'vision_config is []; expected an object'],
])('refuses %j', (change, message) => {
  const parse = (): unknown => parseQwen2_5VLConfig({ ...flat, ...change }, 'base/config.json');
  expect(parse).toThrow(UserError);
  expect(parse).toThrow(message);
  expect(parse).toThrow('base/config.json');
});
