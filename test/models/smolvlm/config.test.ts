/** Both layouts of config.json, transformers' defaults, the hub's files, and refusals that name the key. */
import { describe, expect, test } from 'vitest';
import { parseSmolVLMConfig } from '../../../src/models/smolvlm/config.ts';
import { UserError } from '../../../src/platform.ts';
import { goldenJson } from '../golden.ts';

type Json = Record<string, unknown>;

const tiny = goldenJson<Json>('models', 'smolvlm-tiny', 'config.json');

/** smolvlm-tiny's configuration with some keys of its text, its tower, or itself replaced; undefined takes a key away. */
function edited({ text = {}, vision = {}, ...root }: { text?: Json; vision?: Json } & Json): Json {
  const section = (name: string, changes: Json): Json => ({ ...(tiny[name] as Json), ...changes });
  return { ...tiny, text_config: section('text_config', text), vision_config: section('vision_config', vision), ...root };
}

/** HuggingFaceTB/SmolVLM-256M-Instruct's file, without what nothing reads. */
const SMOLVLM_256M: Json = {
  model_type: 'idefics3', image_token_id: 49190, scale_factor: 4, tie_word_embeddings: false, vocab_size: 49280, pad_token_id: 128002,
  text_config: {
    architectures: ['VLlama3ForCausalLM'], head_dim: 64, hidden_size: 576, intermediate_size: 1536, is_llama_config: true, max_position_embeddings: 8192, model_type: 'llama',
    num_attention_heads: 9, num_hidden_layers: 30, num_key_value_heads: 3, pad_token_id: 2, pixel_shuffle_factor: 4, qk_layer_norms: false, rms_norm_eps: 1e-5,
    rope_interleaved: false, rope_theta: 100000, torch_dtype: 'bfloat16', use_resampler: false, vocab_size: 49280,
  },
  vision_config: { hidden_size: 768, image_size: 512, max_image_size: { longest_edge: 512 }, model_type: 'idefics3', num_attention_heads: 12, patch_size: 16, size: { longest_edge: 2048 } },
};

/** Of a Llama without biases. */
const FORM = {
  activation: 'silu', slidingWindow: null, qkvBias: false, outBias: false, forwardBias: false, headNorms: false, normsBehind: false, normOffset: 0, embeddingScale: 1,
};

describe('layouts', () => {
  test('the folders, SmolVLM in the old layout and Idefics3 in the new one, say the same', () => {
    const [first, second] = ['smolvlm-tiny', 'smolvlm-tiny-bf16'].map((folder) => parseSmolVLMConfig(goldenJson('models', folder, 'config.json')));
    expect(second).toEqual({ ...first, modelType: 'idefics3' });
    expect(first).toEqual({
      modelType: 'smolvlm', scaleFactor: 2, imageTokenId: 408, tieWordEmbeddings: false, rope: { theta: 100000 },
      text: {
        hiddenSize: 48, layers: 3, heads: 6, kvHeads: 2, headDim: 8, intermediateSize: 88, vocabSize: 416, rmsNormEps: 1e-5, ...FORM, scoreScale: 8 ** -0.5,
        layerTypes: Array(3).fill('full_attention'),
      },
      vision: {
        hiddenSize: 32, layers: 2, heads: 2, headDim: 16, intermediateSize: 56, channels: 3, imageSize: 48, patchSize: 8, patchesPerSide: 6, layerNormEps: 1e-6,
        activation: 'gelu_tanh',
      },
    });
  });

  test('the hub’s SmolVLM-256M', () => {
    expect(parseSmolVLMConfig(SMOLVLM_256M)).toMatchObject({
      scaleFactor: 4, imageTokenId: 49190, tieWordEmbeddings: false,
      text: { heads: 9, kvHeads: 3, headDim: 64, layers: 30 }, rope: { theta: 100000 },
      vision: { headDim: 64, layers: 12, intermediateSize: 3072, patchesPerSide: 32, activation: 'gelu_tanh' },
    });
  });

  test('384 pixels by 14 are 27 patches a side', () => {
    expect(parseSmolVLMConfig(edited({ scale_factor: 3, vision: { image_size: 384, patch_size: 14 } })).vision.patchesPerSide).toBe(27);
  });

  test('what a file leaves out is transformers’ default', () => {
    const { text, vision, ...rest } = parseSmolVLMConfig({ model_type: 'smolvlm', scale_factor: 7 });
    expect(rest).toEqual({ modelType: 'smolvlm', scaleFactor: 7, imageTokenId: 128257, tieWordEmbeddings: false, rope: { theta: 10000 } });
    expect(text).toEqual({
      hiddenSize: 4096, layers: 32, heads: 32, kvHeads: 32, headDim: 128, intermediateSize: 11008, vocabSize: 32000, rmsNormEps: 1e-5, ...FORM, scoreScale: 128 ** -0.5,
      layerTypes: Array(32).fill('full_attention'),
    });
    expect(vision).toMatchObject({ hiddenSize: 1152, layers: 12, heads: 16, headDim: 72, intermediateSize: 3072, imageSize: 224, patchSize: 32, patchesPerSide: 7, layerNormEps: 1e-6 });
    expect(parseSmolVLMConfig({ model_type: 'smolvlm', scale_factor: 7, text_config: {} }).text.rmsNormEps).toBe(1e-6);
  });

  test('an untied head, where transformers reads it: at the root', () => {
    expect(parseSmolVLMConfig(edited({ tie_word_embeddings: true })).tieWordEmbeddings).toBe(true);
    expect(parseSmolVLMConfig(edited({ tie_word_embeddings: undefined })).tieWordEmbeddings).toBe(false);
    expect(parseSmolVLMConfig(edited({ text: { tie_word_embeddings: true } })).tieWordEmbeddings).toBe(false);
  });

  test('RoPE: rope_scaling goes before rope_parameters; the positions it grew from', () => {
    const llama3 = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };
    const scaling = { type: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4 };
    expect(parseSmolVLMConfig(edited({ text: { rope_parameters: { rope_theta: 5 }, rope_scaling: llama3 } })).rope).toEqual({ theta: 100000, scaling: { ...scaling, originalPositions: 64 } });
    expect(parseSmolVLMConfig(edited({ text: { rope_parameters: { rope_theta: 5 } } })).rope).toEqual({ theta: 5 });
    expect(parseSmolVLMConfig(edited({ text: { rope_scaling: { ...llama3, original_max_position_embeddings: undefined } } })).rope.scaling).toEqual({ ...scaling, originalPositions: 2048 });
  });
});

describe('refusals', () => {
  test.each<[string, Json, string]>([
    ['another model', { model_type: 'idefics2' }, 'model_type is "idefics2"; expected "smolvlm" or "idefics3"'],
    ['another text stack', { text: { model_type: 'smollm3' } }, 'text_config.model_type is "smollm3"'],
    ['another tower', { vision: { model_type: 'clip_vision_model' } }, 'vision_config.model_type is "clip_vision_model"'],
    ['a shuffle that does not fit', { scale_factor: 4 }, 'scale_factor is 4; expected a divisor of 6'],
    ['patches larger than the image', { vision: { patch_size: 64 } }, 'vision_config.patch_size is 64'],
    ['grey images', { vision: { num_channels: 1 } }, 'num_channels is 1'],
    ['dropout in attention', { text: { attention_dropout: 0.1 } }, 'text_config.attention_dropout is 0.1'],
    ['dropout in the tower', { vision: { attention_dropout: 0.1 } }, 'vision_config.attention_dropout is 0.1'],
    ['heads that do not divide', { text: { num_attention_heads: 7 } }, 'text_config.num_attention_heads is 7'],
    ['heads that do not share evenly', { text: { num_key_value_heads: 4 } }, 'a divisor of num_attention_heads (6)'],
    ['an odd head', { text: { head_dim: 7 } }, 'head_dim is 7'],
    ['norms of queries that transformers leaves out', { text: { qk_layer_norms: true } }, 'text_config.qk_layer_norms is true'],
    ['another order of RoPE', { text: { rope_interleaved: true } }, 'rope_interleaved is true'],
    ['a partly rotated head', { text: { partial_rotary_factor: 0.5 } }, 'partial_rotary_factor is 0.5'],
    ['a rope type that is not computed', { text: { rope_scaling: { rope_type: 'dynamic', factor: 2 } } }, 'text_config.rope_scaling.rope_type is "dynamic"'],
    ['another activation', { text: { hidden_act: 'relu' } }, 'hidden_act is "relu"'],
  ])('%s', (_, change, message) => {
    const parse = (): unknown => parseSmolVLMConfig(edited(change), 'm/config.json');
    expect(parse).toThrow(UserError);
    expect(parse).toThrow(message);
    expect(parse).toThrow('m/config.json: ');
  });
});
