/**
 * `config.json` of a Qwen2 folder as typed, checked fields, and the part of it that Qwen2.5-VL's text stack shares. Both layouts are read:
 * `rope_theta` and `rope_scaling` at the top (transformers 4), `rope_parameters` (5). Keys that a file leaves out take the defaults of
 * transformers' configuration classes, since its `save_pretrained` may leave them out. What this code cannot compute faithfully is refused
 * here, by name, rather than trained wrong.
 */
import {
  dividedHeadSize,
  keyValueHeads,
  modelTypeOf,
  parseLayerTypes,
  refuseAttentionDropout,
  rotatedHeadSize,
} from '../attentionConfig.ts';
import type { DecoderConfig } from '../blocks/decoder.ts';
import { Fields } from '../configFields.ts';
import { parseConvertedRope } from '../ropeConfig.ts';
import type { RopeConfig } from '../ropeConfig.ts';

export interface Qwen2Config {
  text: DecoderConfig;
  rope: RopeConfig;
  tieWordEmbeddings: boolean;
}

/** Of a configuration class of transformers. */
export interface Qwen2TextDefaults {
  hiddenSize: number;
  layers: number;
  heads: number;
  kvHeads: number;
  intermediateSize: number;
  vocabSize: number;
  rmsNormEps: number;
  maxWindowLayers: number;
  /** max_position_embeddings */
  positions: number;
}

const QWEN2_DEFAULTS: Qwen2TextDefaults = {
  hiddenSize: 4096,
  layers: 32,
  heads: 32,
  kvHeads: 32,
  intermediateSize: 22016,
  vocabSize: 151936,
  rmsNormEps: 1e-6,
  maxWindowLayers: 28,
  positions: 32768,
};

/** Two names of one function. */
export const SILU = { silu: 'silu', swish: 'silu' } as const;

/**
 * @param json what `config.json` holds
 * @param source its path, for messages
 * @throws UserError for another model, a value of the wrong kind, sizes that contradict each other, or a variant that is not built
 */
export function parseQwen2Config(json: Readonly<Record<string, unknown>>, source = 'config.json'): Qwen2Config {
  const root = new Fields(json, source, '');
  modelTypeOf(root, ['qwen2'], 'Qwen2 or Qwen2.5');
  const hiddenSize = root.integer('hidden_size', QWEN2_DEFAULTS.hiddenSize);
  const heads = root.integer('num_attention_heads', QWEN2_DEFAULTS.heads);
  // Unlike Qwen2.5-VL's attention, Qwen2's takes a head size that the file states.
  const divided = root.has('head_dim') ? 0 : dividedHeadSize(root, hiddenSize, heads, 'num_attention_heads');
  const headDim = rotatedHeadSize(root, divided);
  return {
    text: parseQwen2Text(root, headDim, QWEN2_DEFAULTS),
    rope: parseConvertedRope(root, { theta: 10_000, positions: QWEN2_DEFAULTS.positions }).rope,
    tieWordEmbeddings: root.flag('tie_word_embeddings', false),
  };
}

/** The fields of the decoder layers. */
export function parseQwen2Text(fields: Fields, headDim: number, defaults: Qwen2TextDefaults): DecoderConfig {
  const layers = fields.layers('num_hidden_layers', defaults.layers);
  const heads = fields.integer('num_attention_heads', defaults.heads);
  // An explicit null means "as many as heads", a missing key the class's default.
  const kvHeads = keyValueHeads(fields, heads, fields.isNull('num_key_value_heads') ? heads : defaults.kvHeads);
  refuseAttentionDropout(fields);

  const window =
    fields.flag('use_sliding_window', false) && !fields.isNull('sliding_window') ? fields.integer('sliding_window', 4096) : null;
  const maxWindowLayers = fields.isNull('max_window_layers') ? layers : fields.integer('max_window_layers', defaults.maxWindowLayers, 0);
  const layerTypes = parseLayerTypes(fields, layers, (layer) => window !== null && layer >= maxWindowLayers);
  const slides = layerTypes.includes('sliding_attention');
  if (slides && window === null)
    throw fields.wrong('layer_types', 'sliding_attention', 'use_sliding_window with a sliding_window, or full_attention only');

  return {
    hiddenSize: fields.integer('hidden_size', defaults.hiddenSize),
    layers,
    heads,
    kvHeads,
    headDim,
    intermediateSize: fields.integer('intermediate_size', defaults.intermediateSize),
    vocabSize: fields.integer('vocab_size', defaults.vocabSize),
    rmsNormEps: fields.number('rms_norm_eps', defaults.rmsNormEps),
    activation: fields.activation('hidden_act', 'silu', SILU),
    layerTypes,
    slidingWindow: slides ? window : null,
    qkvBias: true,
    outBias: false,
    forwardBias: false,
    headNorms: false,
    normsBehind: false,
    normOffset: 0,
    scoreScale: headDim ** -0.5,
    embeddingScale: 1,
  };
}
