/** config.json of Qwen3-VL: both layouts of the rotary settings, transformers' defaults, and refusals that name the key. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseQwen3VLConfig } from '../../../src/models/qwen3_vl/config.ts';
import { UserError } from '../../../src/platform.ts';
import { goldenPath } from '../../io/goldenFolder.ts';

const text = {
  model_type: 'qwen3_vl_text',
  hidden_size: 64,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 24,
  intermediate_size: 128,
  vocab_size: 640,
  rope_theta: 5e6,
  rope_scaling: { rope_type: 'default', mrope_section: [6, 3, 3], mrope_interleaved: true },
  tie_word_embeddings: false,
};
const vision = {
  depth: 4,
  hidden_size: 48,
  num_heads: 4,
  intermediate_size: 96,
  out_hidden_size: 64,
  num_position_embeddings: 36,
  deepstack_visual_indexes: [0, 2],
};
const whole = { model_type: 'qwen3_vl', text_config: text, vision_config: vision, tie_word_embeddings: true };
const withText = (change: object): object => ({ ...whole, text_config: { ...text, ...change } });
const withVision = (change: object): object => ({ ...whole, vision_config: { ...vision, ...change } });
const parse = (json: object): ReturnType<typeof parseQwen3VLConfig> =>
  parseQwen3VLConfig(json as Record<string, unknown>, 'base/config.json');

const folders = ['qwen3_vl-tiny', 'qwen3_vl-tiny-bf16'];
const read = (folder: string): object => JSON.parse(readFileSync(goldenPath('models', folder, 'config.json'), 'utf8')) as object;

describe('layouts', () => {
  test('every golden folder says the same', () => {
    const [first, ...others] = folders.map((folder) => parse(read(folder)));
    for (const other of others) expect(other).toEqual(first);
    expect(first).toMatchObject({
      imageTokenId: 612,
      videoTokenId: 613,
      tieWordEmbeddings: true,
      text: { headDim: 20, mropeSection: [4, 3, 3], rope: { theta: 5e6 } },
    });
    expect(first).toMatchObject({
      vision: { depth: 4, headDim: 8, positions: 36, deepBlocks: [0, 2], patchSize: 16, hiddenAct: 'gelu_tanh' },
    });
  });

  test('rope_scaling beside rope_theta, and rope_parameters', () => {
    const config = parse(whole);
    expect(config.text).toMatchObject({
      headDim: 24,
      qkvBias: false,
      outBias: false,
      mropeSection: [6, 3, 3],
      rope: { theta: 5e6 },
      slidingWindow: null,
    });
    const { rope_scaling, rope_theta, ...rest } = text;
    expect(parse({ ...whole, text_config: { ...rest, rope_parameters: { ...rope_scaling, rope_theta } } })).toEqual(config);
  });

  test('only the tie_word_embeddings at the top counts', () => {
    expect(parse(whole).tieWordEmbeddings).toBe(true);
    const { tie_word_embeddings: _, ...without } = whole;
    expect(parse({ ...without, text_config: { ...text, tie_word_embeddings: true } }).tieWordEmbeddings).toBe(false);
  });
});

test('missing keys take the defaults of Qwen3VLConfig', () => {
  const config = parse({ model_type: 'qwen3_vl', vision_config: { out_hidden_size: 4096 } });
  expect(config.text).toMatchObject({
    hiddenSize: 4096,
    layers: 32,
    heads: 32,
    kvHeads: 32,
    headDim: 128,
    intermediateSize: 22016,
    vocabSize: 151936,
  });
  expect(config.text).toMatchObject({ rmsNormEps: 1e-6, mropeSection: [24, 20, 20], rope: { theta: 5e5 } });
  expect(config.vision).toMatchObject({
    depth: 27,
    hiddenSize: 1152,
    heads: 16,
    headDim: 72,
    intermediateSize: 4304,
    patchSize: 16,
    temporalPatchSize: 2,
  });
  expect(config.vision).toMatchObject({
    spatialMergeSize: 2,
    positions: 2304,
    deepBlocks: [8, 16, 24],
    hiddenAct: 'gelu_tanh',
    ropeTheta: 10_000,
  });
  expect(config).toMatchObject({
    imageTokenId: 151655,
    videoTokenId: 151656,
    tieWordEmbeddings: false,
  });
});

test('a scaled RoPE takes the room for positions from the class where the file states none', () => {
  const scaled = { rope_scaling: { ...text.rope_scaling, rope_type: 'yarn', factor: 2 } };
  expect(parse(withText(scaled)).text.rope.scaling).toMatchObject({ type: 'yarn', factor: 2, originalPositions: 128000 });
});

test.each<[object, string]>([
  [{ ...whole, model_type: 'qwen3_vl_moe' }, 'model_type is "qwen3_vl_moe"'],
  [{ ...whole, text_config: [] }, 'text_config is []; expected an object'],
  [withText({ hidden_size: '64' }), 'text_config.hidden_size is "64"; expected an integer'],
  [withText({ num_key_value_heads: 3 }), 'text_config.num_key_value_heads is 3; expected a divisor'],
  [withText({ head_dim: 7 }), 'text_config.head_dim is 7; expected an even number'],
  [withText({ hidden_act: 'relu' }), 'hidden_act is "relu"'],
  [withText({ attention_dropout: 0.1 }), 'attention_dropout is 0.1'],
  [withText({ use_sliding_window: true }), 'text_config.use_sliding_window is true; expected false'],
  [withText({ layer_types: ['sliding_attention', 'full_attention', 'full_attention'] }), 'layer_types is "sliding_attention"'],
  [withText({ rope_scaling: { rope_type: 'dynamic', factor: 4 } }), 'rope_scaling.rope_type is "dynamic"'],
  // transformers knows the name in Qwen2.5-VL's files only.
  [withText({ rope_scaling: { type: 'mrope', mrope_section: [6, 3, 3] } }), 'rope_scaling.rope_type is "mrope"'],
  [withText({ rope_scaling: { mrope_section: [6, 6] } }), 'rope_scaling.mrope_section is [6,6]; expected three numbers'],
  [withText({ rope_scaling: { mrope_section: [6, 3, 3], mrope_interleaved: false } }), 'rope_scaling.mrope_interleaved is false'],
  [withVision({ out_hidden_size: 32 }), 'out_hidden_size is 32'],
  [withVision({ num_heads: 8 }), 'vision_config.num_heads is 8; expected a number that makes the head size (6)'],
  [withVision({ head_dim: 16 }), 'vision_config.head_dim is 16'],
  [withVision({ hidden_act: 'relu' }), 'vision_config.hidden_act is "relu"'],
  [withVision({ patch_size: [16, 16] }), 'vision_config.patch_size is [16,16]'],
  [withVision({ rope_parameters: { rope_type: 'linear', factor: 2 } }), 'rope_type "axial"'],
  [withVision({ deepstack_visual_indexes: [0, 4] }), 'deepstack_visual_indexes is [0,4]; expected blocks of the tower, 0 to 3'],
  [withVision({ deepstack_visual_indexes: [1, 1] }), 'deepstack_visual_indexes is [1,1]; expected every block once'],
  [withVision({ deepstack_visual_indexes: [0, 1, 2, 3] }), 'expected at most one for each of the 3 text layers'],
])('refuses %j', (json, message) => {
  expect(() => parse(json)).toThrow(UserError);
  expect(() => parse(json)).toThrow(message);
  expect(() => parse(json)).toThrow('base/config.json');
});
