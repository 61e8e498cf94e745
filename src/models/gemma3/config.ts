/**
 * `config.json` of a Gemma 3 folder as typed, checked fields. The hub's files (transformers 4.50) leave out whatever equals the default of
 * Gemma3Config and state RoPE by `rope_theta`, `rope_local_base_freq` and `rope_scaling`; since 5.0 `rope_parameters` has a section a layer
 * type and `layer_types` replaces `sliding_window_pattern`. Both layouts give the same fields here. What this code cannot compute
 * faithfully is refused by name.
 */
import { keyValueHeads, modelTypeOf, parseLayerTypes, refuseAttentionDropout, rotatedHeadSize } from '../attentionConfig.ts';
import type { DecoderConfig, LayerType } from '../blocks/decoder.ts';
import { Fields } from '../configFields.ts';
import { parseRope } from '../ropeConfig.ts';
import type { RopeConfig } from '../ropeConfig.ts';
import { parseSquareTower } from '../towerConfig.ts';
import type { SquareTower } from '../towerConfig.ts';

export type Gemma3TextConfig = DecoderConfig & {
  /** Cap of the logits of a text-only model; 0 where there is none, as in every published Gemma 3. */
  finalSoftcap: number;
  rope: Record<LayerType, RopeConfig>;
};

export interface Gemma3VisionConfig extends SquareTower {
  patchesPerSide: number;
  /** The checkpoint has SigLIP's pooling head, which Gemma never runs. */
  hasHead: boolean;
}

export interface Gemma3Config {
  text: Gemma3TextConfig;
  vision: Gemma3VisionConfig;
  /** Side of the square of tokens that an image becomes. */
  tokensPerSide: number;
  /** Patches that are averaged into a token, to a side. */
  poolSize: number;
  imageTokenId: number;
  beginImageTokenId: number;
  endImageTokenId: number;
  tieWordEmbeddings: boolean;
}

const GELU_TANH = { gelu_pytorch_tanh: 'gelu_tanh' } as const;

/**
 * @param json what `config.json` holds
 * @param source its path, for messages
 * @throws UserError for another model, a value of the wrong kind, sizes that contradict each other, or a variant that is not built
 */
export function parseGemma3Config(json: Readonly<Record<string, unknown>>, source = 'config.json'): Gemma3Config {
  const root = new Fields(json, source, '');
  modelTypeOf(root, ['gemma3'], 'Gemma 3 or MedGemma');
  const textFields = root.section('text_config') ?? new Fields({}, source, 'text_config.');
  const text = parseText(textFields, false);
  const vision = parseVision(root.section('vision_config') ?? new Fields({}, source, 'vision_config.'));

  const tokens = root.integer('mm_tokens_per_image', 256);
  const tokensPerSide = Math.sqrt(tokens);
  if (!Number.isInteger(tokensPerSide))
    throw root.wrong('mm_tokens_per_image', tokens, 'a square number: an image becomes a square of tokens');
  const poolSize = Math.floor(vision.patchesPerSide / tokensPerSide);
  if (poolSize < 1 || Math.floor(vision.patchesPerSide / poolSize) !== tokensPerSide) {
    throw root.wrong(
      'mm_tokens_per_image',
      tokens,
      `a square that ${vision.patchesPerSide}×${vision.patchesPerSide} patches can be averaged into`,
    );
  }
  return {
    text,
    vision,
    tokensPerSide,
    poolSize,
    imageTokenId: root.integer('image_token_index', root.integer('image_token_id', 262_144, 0), 0),
    beginImageTokenId: root.integer('boi_token_index', root.integer('boi_token_id', 255_999, 0), 0),
    endImageTokenId: root.integer('eoi_token_index', root.integer('eoi_token_id', 256_000, 0), 0),
    // Not text_config's, which transformers does not read; null is false there.
    tieWordEmbeddings: !root.isNull('tie_word_embeddings') && root.flag('tie_word_embeddings', true),
  };
}

/** The configuration of a text-only checkpoint, `model_type` gemma3_text. */
export function parseGemma3TextConfig(
  json: Readonly<Record<string, unknown>>,
  source = 'config.json',
): { text: Gemma3TextConfig; tieWordEmbeddings: boolean } {
  const root = new Fields(json, source, '');
  modelTypeOf(root, ['gemma3_text'], 'text-only Gemma 3');
  return { text: parseText(root, true), tieWordEmbeddings: root.flag('tie_word_embeddings', true) };
}

/** @param isAlone no vision tower stands beside it */
function parseText(fields: Fields, isAlone: boolean): Gemma3TextConfig {
  const heads = fields.integer('num_attention_heads', 8);
  const kvHeads = keyValueHeads(fields, heads, 4);
  const headDim = rotatedHeadSize(fields, 256);
  refuseAttentionDropout(fields);
  if (fields.flag('use_bidirectional_attention', false)) {
    throw fields.wrong('use_bidirectional_attention', true, 'false; a text encoder (EmbeddingGemma) is not trained here');
  }
  // transformers 5.18 has these keys in its configuration and computes without them: what a model with them was trained as, nobody can say.
  for (const key of ['attn_logit_softcapping', ...(isAlone ? [] : ['final_logit_softcapping'])]) {
    if (fields.has(key)) throw fields.wrong(key, fields.number(key, 0), 'null; transformers does not apply it to this model');
  }
  const layers = fields.layers('num_hidden_layers', 26);
  // Every so many layers one sees everything.
  const layerTypes = parseLayerTypes(fields, layers, (layer) => (layer + 1) % fields.integer('sliding_window_pattern', 6) !== 0);
  const slides = layerTypes.includes('sliding_attention');
  if (slides && fields.isNull('sliding_window'))
    throw fields.wrong('sliding_window', null, 'a number, since layer_types has sliding_attention');
  const hiddenSize = fields.integer('hidden_size', 2304);
  const bias = fields.flag('attention_bias', false);
  return {
    hiddenSize,
    layers,
    heads,
    kvHeads,
    headDim,
    intermediateSize: fields.integer('intermediate_size', 9216),
    vocabSize: fields.integer('vocab_size', 262_208),
    rmsNormEps: fields.positive('rms_norm_eps', 1e-6),
    activation: fields.activation('hidden_activation', 'gelu_pytorch_tanh', GELU_TANH),
    qkvBias: bias,
    outBias: bias,
    forwardBias: false,
    headNorms: true,
    normsBehind: true,
    normOffset: 1,
    scoreScale: fields.positive('query_pre_attn_scalar', 256) ** -0.5,
    // Torch keeps the factor in the precision it computes in: float32 here, whatever the checkpoint's.
    embeddingScale: Math.fround(Math.sqrt(hiddenSize)),
    finalSoftcap: softcap(fields, 'final_logit_softcapping'),
    rope: parseRopes(fields),
    layerTypes,
    slidingWindow: slides ? fields.integer('sliding_window', 4096) : null,
  };
}

/** Missing and null mean that nothing is capped. */
function softcap(fields: Fields, key: string): number {
  return fields.has(key) ? fields.positive(key, 1) : 0;
}

/**
 * Gemma3TextConfig.convert_rope_params_to_dict: `rope_scaling` is laid over the full layers' section; what a section does not say is in the
 * old keys.
 */
function parseRopes(fields: Fields): Record<LayerType, RopeConfig> {
  const sections = fields.section('rope_parameters');
  const expected = 'its settings in full_attention and sliding_attention, where transformers reads them';
  sections?.refuseOthers(['full_attention', 'sliding_attention'], expected);
  const partial = fields.number('partial_rotary_factor', 1);
  if (partial !== 1) throw fields.wrong('partial_rotary_factor', partial, '1; rotating a part of a head is not computed');
  const rules = { maxPositions: fields.integer('max_position_embeddings', 131_072) };
  const section = (type: LayerType): Fields => sections?.section(type) ?? new Fields({}, fields.source, `rope_parameters.${type}.`);
  // Without sections transformers starts from rope_type "default", and a scaling that is named by `type` stays unread.
  const start = sections ? section('full_attention') : new Fields({ rope_type: 'default' }, fields.source, 'rope_scaling.');
  const full = start.updatedBy(fields.section('rope_scaling'));
  return {
    full_attention: parseRope(full, fields.positive('rope_theta', 1_000_000), rules),
    sliding_attention: parseRope(section('sliding_attention'), fields.positive('rope_local_base_freq', 10_000), rules),
  };
}

function parseVision(fields: Fields): Gemma3VisionConfig {
  const modelType = fields.text('model_type', 'siglip_vision_model');
  if (modelType !== 'siglip_vision_model')
    throw fields.wrong('model_type', modelType, '"siglip_vision_model"; other vision towers are not built');
  const tower = parseSquareTower(fields, { hiddenSize: 768, heads: 12, patchSize: 16 });
  const { imageSize, patchSize } = tower;
  if (imageSize % patchSize !== 0) throw fields.wrong('image_size', imageSize, `a multiple of patch_size (${patchSize})`);
  return { ...tower, patchesPerSide: imageSize / patchSize, hasHead: fields.flag('vision_use_head', true) };
}
