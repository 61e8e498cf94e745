/**
 * `config.json` of a Qwen2.5-VL folder as typed, checked fields. Two layouts are met: the hub's (transformers 4.49: text fields at the top,
 * `rope_scaling`) and the nested one (4.52 on: `text_config`, since 5.0 `rope_parameters`). Keys that a file leaves out take the defaults
 * of transformers' Qwen2_5_VLConfig, since its `save_pretrained` may leave them out. What this code cannot compute faithfully is refused
 * here, by name, rather than trained wrong.
 */
import { UserError } from '../../platform.ts';
import type { DecoderConfig } from '../blocks/decoder.ts';
import { Fields } from '../configFields.ts';
import { dividedHeadSize, parseQwen2Text, SILU } from '../qwen2/config.ts';
import { parseConvertedRope } from '../ropeConfig.ts';
import type { Qwen2TextDefaults } from '../qwen2/config.ts';
import type { RopeConfig } from '../ropeConfig.ts';

/** Qwen2's layers, with M-RoPE. */
export type Qwen2_5VLTextConfig = DecoderConfig & {
  rope: RopeConfig;
  /** Rotary frequencies (of headDim/2) taken from the time, height and width position, in turn. */
  mropeSection: number[];
};

export interface Qwen2_5VLVisionConfig {
  depth: number;
  hiddenSize: number;
  heads: number;
  headDim: number;
  intermediateSize: number;
  outHiddenSize: number;
  patchSize: number;
  temporalPatchSize: number;
  spatialMergeSize: number;
  /** Side of an attention window, in pixels. */
  windowSize: number;
  /** Blocks in which a patch sees its whole image instead of its window. */
  fullAttentionBlocks: number[];
  inChannels: number;
  hiddenAct: 'silu';
  ropeTheta: number;
  /** Fixed in the model's code, not in its configuration. */
  rmsNormEps: number;
}

export interface Qwen2_5VLConfig {
  modelType: 'qwen2_5_vl';
  text: Qwen2_5VLTextConfig;
  vision: Qwen2_5VLVisionConfig;
  imageTokenId: number;
  videoTokenId: number;
  visionStartTokenId: number;
  visionEndTokenId: number;
  tieWordEmbeddings: boolean;
}

/**
 * @param json what `config.json` holds
 * @param source its path, for messages
 * @throws UserError for another model, a value of the wrong kind, sizes that contradict each other, or a variant that is not built
 */
export function parseQwen2_5VLConfig(json: Readonly<Record<string, unknown>>, source = 'config.json'): Qwen2_5VLConfig {
  const root = new Fields(json, source, '');
  const modelType = root.text('model_type', '(nothing)');
  if (modelType !== 'qwen2_5_vl') {
    throw new UserError(`${source}: model_type is "${modelType}", "qwen2_5_vl" was expected. Choose a Qwen2.5-VL model folder.`);
  }
  const nested = root.section('text_config');
  const text = parseText(nested ?? root, nested === undefined);
  const vision = parseVision(root.section('vision_config') ?? new Fields({}, source, 'vision_config.'));
  if (vision.outHiddenSize !== text.hiddenSize) {
    throw new UserError(
      `${source}: vision_config.out_hidden_size is ${vision.outHiddenSize}, the text's hidden_size ${text.hiddenSize}; image features ` +
        'take the place of token embeddings, so the two must be equal.',
    );
  }
  return {
    modelType,
    text,
    vision,
    imageTokenId: root.integer('image_token_id', 151655, 0),
    videoTokenId: root.integer('video_token_id', 151656, 0),
    visionStartTokenId: root.integer('vision_start_token_id', 151652, 0),
    visionEndTokenId: root.integer('vision_end_token_id', 151653, 0),
    // Before 5.0 a nested configuration kept the flag with the text's.
    tieWordEmbeddings: root.flag('tie_word_embeddings', false) || (nested?.flag('tie_word_embeddings', false) ?? false),
  };
}

const TEXT_DEFAULTS: Qwen2TextDefaults = {
  hiddenSize: 8192,
  layers: 80,
  heads: 64,
  kvHeads: 8,
  intermediateSize: 29568,
  vocabSize: 152064,
  rmsNormEps: 1e-5,
  maxWindowLayers: 80,
};

function parseText(fields: Fields, isFlat: boolean): Qwen2_5VLTextConfig {
  const hiddenSize = fields.integer('hidden_size', TEXT_DEFAULTS.hiddenSize);
  const headDim = headSize(fields, hiddenSize, fields.integer('num_attention_heads', TEXT_DEFAULTS.heads), 'num_attention_heads');
  const text = parseQwen2Text(fields, headDim, TEXT_DEFAULTS);
  const { rope, settings } = parseConvertedRope(fields, 1_000_000, { aliases: ['mrope'], ownKeys: ['mrope_section'], isFlat });
  const mropeSection = settings.integers('mrope_section', [16, 24, 24]);
  if (mropeSection.reduce((sum, size) => sum + size, 0) * 2 !== headDim) {
    throw settings.wrong('mrope_section', mropeSection, `sections that add up to half the head size (${headDim / 2})`);
  }
  return { ...text, rope, mropeSection };
}

function parseVision(fields: Fields): Qwen2_5VLVisionConfig {
  const depth = fields.layers('depth', 32);
  const hiddenSize = fields.integer('hidden_size', 3584);
  const heads = fields.integer('num_heads', fields.integer('num_attention_heads', 16));
  const headDim = headSize(fields, hiddenSize, heads, 'num_heads');
  if (headDim % 4 !== 0) {
    throw fields.wrong(
      'num_heads',
      heads,
      `a number that makes the head size (${headDim}) a multiple of 4: its halves rotate with height and width`,
    );
  }
  const patchSize = fields.integer('patch_size', 14);
  const spatialMergeSize = fields.integer('spatial_merge_size', 2);
  const windowSize = fields.integer('window_size', 112);
  if (windowSize < patchSize * spatialMergeSize)
    throw fields.wrong('window_size', windowSize, `at least ${patchSize * spatialMergeSize}, one merged patch`);
  const { rope } = parseConvertedRope(fields, 10_000, { aliases: ['axial'] });
  if (rope.scaling) throw fields.wrong('rope_parameters', rope.scaling.type, 'rope_type "axial", which the tower always has');
  return {
    depth,
    hiddenSize,
    heads,
    headDim,
    intermediateSize: fields.integer('intermediate_size', 3420),
    outHiddenSize: fields.integer('out_hidden_size', 3584),
    patchSize,
    temporalPatchSize: fields.integer('temporal_patch_size', 2),
    spatialMergeSize,
    windowSize,
    fullAttentionBlocks: fields.integers('fullatt_block_indexes', [7, 15, 23, 31]),
    // The hub's files say in_chans, which transformers ignores when in_channels is there too.
    inChannels: fields.integer('in_channels', fields.integer('in_chans', 3)),
    hiddenAct: fields.activation('hidden_act', 'silu', SILU),
    ropeTheta: rope.theta,
    rmsNormEps: 1e-6,
  };
}

function headSize(fields: Fields, hiddenSize: number, heads: number, headsKey: string): number {
  const headDim = dividedHeadSize(fields, hiddenSize, heads, headsKey);
  const stated = fields.integer('head_dim', headDim);
  if (stated !== headDim)
    throw fields.wrong('head_dim', stated, `hidden_size / ${headsKey} = ${headDim}, as this model's attention computes it`);
  return headDim;
}
