/** Both layouts of config.json, transformers' defaults, and refusals that name the key. */
import { describe, expect, test } from 'vitest';
import { parseGemma3Config, parseGemma3TextConfig } from '../../../src/models/gemma3/config.ts';
import { UserError } from '../../../src/platform.ts';
import { goldenNames } from '../../io/goldenFolder.ts';
import { goldenJson } from '../../models/golden.ts';

type Json = Record<string, unknown>;

const tiny = goldenJson<Json>('models', 'gemma3-tiny', 'config.json');

/** gemma3-tiny's configuration with some keys of its text, its tower, or itself replaced; undefined takes a key away. */
function edited({ text = {}, vision = {}, ...root }: { text?: Json; vision?: Json } & Json): Json {
  const section = (name: string, changes: Json): Json => ({ ...(tiny[name] as Json), ...changes });
  return { ...tiny, text_config: section('text_config', text), vision_config: section('vision_config', vision), ...root };
}

describe('layouts', () => {
  test('every golden folder, old or new, says the same', () => {
    const folders = goldenNames('models').filter((name) => name.startsWith('gemma3-tiny'));
    expect(folders.length).toBeGreaterThan(1);
    const [first, ...others] = folders.map((folder) => parseGemma3Config(goldenJson('models', folder, 'config.json')));
    for (const other of others) expect(other).toEqual(first);
    expect(first?.text.layerTypes.map((type) => type[0]).join('')).toBe('sssssf');
    expect(first?.text.rope).toEqual({ full_attention: { theta: 1e6, scaling: { type: 'linear', factor: 8 } }, sliding_attention: { theta: 1e4 } });
    expect(first).toMatchObject({ tokensPerSide: 4, poolSize: 2, tieWordEmbeddings: true });
  });

  test('the hub’s file of MedGemma 4B, which leaves out what is default', () => {
    const config = parseGemma3Config({
      model_type: 'gemma3', boi_token_index: 255999, eoi_token_index: 256000, image_token_index: 262144, mm_tokens_per_image: 256,
      text_config: {
        hidden_size: 2560, intermediate_size: 10240, model_type: 'gemma3_text', num_hidden_layers: 34, sliding_window: 1024,
        rope_scaling: { factor: 8.0, rope_type: 'linear' },
      },
      vision_config: {
        hidden_size: 1152, image_size: 896, intermediate_size: 4304, model_type: 'siglip_vision_model', num_attention_heads: 16, num_hidden_layers: 27,
        patch_size: 14, vision_use_head: false,
      },
    });
    expect(config).toMatchObject({
      tokensPerSide: 16, poolSize: 4, tieWordEmbeddings: true,
      text: {
        heads: 8, kvHeads: 4, headDim: 256, vocabSize: 262208, scoreScale: 1 / 16, slidingWindow: 1024, finalSoftcap: 0,
        rope: { full_attention: { theta: 1e6, scaling: { type: 'linear', factor: 8 } }, sliding_attention: { theta: 1e4 } },
      },
      vision: { headDim: 72, patchesPerSide: 64, layerNormEps: 1e-6, activation: 'gelu_tanh', hasHead: false },
    });
    expect(config.text.layerTypes.filter((type) => type === 'full_attention')).toHaveLength(5);
  });

  test('RoPE: rope_scaling is the full layers’ and goes before rope_parameters, as in transformers', () => {
    const sections = { full_attention: { rope_theta: 5 }, sliding_attention: { rope_type: 'linear', factor: 2 } };
    expect(parseGemma3Config(edited({ text: { rope_parameters: sections } })).text.rope).toEqual({
      full_attention: { theta: 5, scaling: { type: 'linear', factor: 8 } },
      sliding_attention: { theta: 1e4, scaling: { type: 'linear', factor: 2 } },
    });
    expect(parseGemma3Config(edited({ text: { rope_parameters: sections, rope_scaling: null } })).text.rope.full_attention).toEqual({ theta: 5 });
  });

  test('text alone', () => {
    const { text, tieWordEmbeddings } = parseGemma3TextConfig({ ...(tiny['text_config'] as Json), tie_word_embeddings: false, final_logit_softcapping: 30 });
    expect(tieWordEmbeddings).toBe(false);
    expect(text).toEqual({ ...parseGemma3Config(tiny).text, finalSoftcap: 30 });
  });

  test('an untied head, where transformers reads it: at the root', () => {
    expect(parseGemma3Config(edited({ tie_word_embeddings: false })).tieWordEmbeddings).toBe(false);
    expect(parseGemma3Config(edited({ tie_word_embeddings: null })).tieWordEmbeddings).toBe(false);
    expect(parseGemma3Config(edited({ text: { tie_word_embeddings: false } })).tieWordEmbeddings).toBe(true);
  });

  test('without sliding layers no window is needed', () => {
    const all = edited({ text: { sliding_window_pattern: 1, sliding_window: null } });
    expect(parseGemma3Config(all).text).toMatchObject({ slidingWindow: null, layerTypes: Array(6).fill('full_attention') });
  });
});

describe('refusals', () => {
  const longrope = { full_attention: { rope_type: 'longrope', factor: 4 }, sliding_attention: { rope_type: 'default' } };
  test.each<[string, Json, string]>([
    ['another model', { model_type: 'gemma2' }, 'model_type is "gemma2"; expected "gemma3"'],
    ['a rope type that is not computed', { text: { rope_scaling: { rope_type: 'dynamic', factor: 2 } } }, 'text_config.rope_scaling.rope_type is "dynamic"'],
    ['the same in the new layout', { text: { rope_scaling: null, rope_parameters: longrope } }, 'text_config.rope_parameters.full_attention.rope_type is "longrope"'],
    ['a scaling under the older key', { text: { rope_scaling: { type: 'linear', factor: 2 } } }, 'text_config.rope_scaling.type is "linear"; expected "default" as in rope_type'],
    ['settings beside the sections', { text: { rope_scaling: null, rope_parameters: { rope_type: 'linear', factor: 8 } } }, 'text_config.rope_parameters.rope_type is "linear"'],
    ['settings of a type that is not theirs', { text: { rope_scaling: { factor: 2 } } }, 'text_config.rope_scaling.factor is 2; expected nothing'],
    ['truncate, which transformers does not find', { text: { rope_scaling: { rope_type: 'yarn', factor: 2, truncate: false } } }, 'text_config.rope_scaling.truncate'],
    ['capped scores', { text: { attn_logit_softcapping: 50 } }, 'text_config.attn_logit_softcapping is 50; expected null'],
    ['capped logits beside images', { text: { final_logit_softcapping: 30 } }, 'text_config.final_logit_softcapping is 30; expected null'],
    ['linear without a factor', { text: { rope_scaling: { rope_type: 'linear' } } }, 'rope_scaling.factor is nothing'],
    ['a partly rotated head', { text: { rope_scaling: { rope_type: 'linear', factor: 2, partial_rotary_factor: 0.5 } } }, 'partial_rotary_factor is 0.5'],
    ['layer types for other layers', { text: { layer_types: ['full_attention'] } }, 'one entry for each of the 6 layers'],
    ['a layer type that is not known', { text: { layer_types: Array(6).fill('chunked_attention') } }, 'text_config.layer_types is "chunked_attention"'],
    ['sliding layers without a window', { text: { sliding_window: null } }, 'text_config.sliding_window is null'],
    ['an encoder', { text: { use_bidirectional_attention: true } }, 'use_bidirectional_attention is true'],
    ['another activation', { text: { hidden_activation: 'relu' } }, 'hidden_activation is "relu"'],
    ['dropout in attention', { text: { attention_dropout: 0.1 } }, 'attention_dropout is 0.1'],
    ['heads that do not share evenly', { text: { num_key_value_heads: 3 } }, 'a divisor of num_attention_heads (4)'],
    ['a head that is too large', { text: { head_dim: 512 } }, 'head_dim is 512'],
    ['a cap of nothing', { text: { final_logit_softcapping: 0 } }, 'final_logit_softcapping is 0'],
    ['another tower', { vision: { model_type: 'clip_vision_model' } }, 'vision_config.model_type is "clip_vision_model"'],
    ['patches that do not fill the image', { vision: { image_size: 100 } }, 'a multiple of patch_size (14)'],
    ['tokens that are no square', { mm_tokens_per_image: 15 }, 'mm_tokens_per_image is 15'],
    ['more tokens than patches', { mm_tokens_per_image: 81 }, '8×8 patches'],
    ['tokens that averages do not give', { mm_tokens_per_image: 9 }, 'mm_tokens_per_image is 9'],
  ])('%s', (_, change, message) => {
    const parse = (): unknown => parseGemma3Config(edited(change), 'm/config.json');
    expect(parse).toThrow(UserError);
    expect(parse).toThrow(message);
    expect(parse).toThrow('m/config.json: ');
  });
});
