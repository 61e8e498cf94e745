/**
 * `config.json` of a Qwen2 folder as typed, checked fields, and the part of it that Qwen2.5-VL's text stack shares. Both layouts are read:
 * `rope_theta` and `rope_scaling` at the top (transformers 4), `rope_parameters` (5). Keys that a file leaves out take the defaults of
 * transformers' configuration classes, since its `save_pretrained` may leave them out. What this code cannot compute faithfully is refused
 * here, by name, rather than trained wrong.
 */
import { UserError } from '../../platform.ts';
import type { DecoderConfig, LayerType } from '../blocks/decoder.ts';
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
  const modelType = root.text('model_type', '(nothing)');
  if (modelType !== 'qwen2')
    throw new UserError(`${source}: model_type is "${modelType}", "qwen2" was expected. Choose a Qwen2 or Qwen2.5 model folder.`);
  const hiddenSize = root.integer('hidden_size', QWEN2_DEFAULTS.hiddenSize);
  const heads = root.integer('num_attention_heads', QWEN2_DEFAULTS.heads);
  // Unlike Qwen2.5-VL's attention, Qwen2's takes a head size that the file states.
  const headDim = root.has('head_dim') ? root.integer('head_dim', 0) : dividedHeadSize(root, hiddenSize, heads, 'num_attention_heads');
  if (headDim % 2 !== 0) throw root.wrong('head_dim', headDim, 'an even number: its halves rotate together');
  return {
    text: parseQwen2Text(root, headDim, QWEN2_DEFAULTS),
    rope: parseConvertedRope(root, 10_000).rope,
    tieWordEmbeddings: root.flag('tie_word_embeddings', false),
  };
}

/** The fields of the decoder layers. */
export function parseQwen2Text(fields: Fields, headDim: number, defaults: Qwen2TextDefaults): DecoderConfig {
  const layers = fields.layers('num_hidden_layers', defaults.layers);
  const heads = fields.integer('num_attention_heads', defaults.heads);
  // An explicit null means "as many as heads", a missing key the class's default.
  const kvHeads = fields.isNull('num_key_value_heads') ? heads : fields.integer('num_key_value_heads', defaults.kvHeads);
  if (heads % kvHeads !== 0) throw fields.wrong('num_key_value_heads', kvHeads, `a divisor of num_attention_heads (${heads})`);
  const attentionDropout = fields.number('attention_dropout', 0);
  if (attentionDropout !== 0) throw fields.wrong('attention_dropout', attentionDropout, '0; dropout inside attention is not supported');

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

function parseLayerTypes(fields: Fields, layers: number, slides: (layer: number) => boolean): LayerType[] {
  const listed = fields.list('layer_types');
  if (listed === undefined) return Array.from({ length: layers }, (_, layer) => (slides(layer) ? 'sliding_attention' : 'full_attention'));
  if (listed.length !== layers) throw fields.wrong('layer_types', listed, `one entry for each of the ${layers} layers`);
  return listed.map((type) => {
    if (type !== 'full_attention' && type !== 'sliding_attention')
      throw fields.wrong('layer_types', type, '"full_attention" or "sliding_attention"');
    return type;
  });
}

/** @throws UserError where the heads do not share the hidden size evenly */
export function dividedHeadSize(fields: Fields, hiddenSize: number, heads: number, headsKey: string): number {
  if (hiddenSize % heads !== 0) throw fields.wrong(headsKey, heads, `a divisor of hidden_size (${hiddenSize})`);
  return hiddenSize / heads;
}
