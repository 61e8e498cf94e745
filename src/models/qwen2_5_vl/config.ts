/**
 * `config.json` of a Qwen2.5-VL folder as typed, checked fields. Two layouts are met: the hub's (transformers 4.49: text fields at the top,
 * `rope_scaling`) and the nested one (4.52 on: `text_config`, since 5.0 `rope_parameters`). Keys that a file leaves out take the defaults
 * of transformers' Qwen2_5_VLConfig, since its `save_pretrained` may leave them out. What this code cannot compute faithfully is refused
 * here, by name, rather than trained wrong.
 */
import { fixedHeadSize, modelTypeOf } from '../attentionConfig.ts';
import type { DecoderConfig } from '../blocks/decoder.ts';
import { Fields } from '../configFields.ts';
import { parseQwen2Text, SILU } from '../qwen2/config.ts';
import { parseConvertedRope } from '../ropeConfig.ts';
import type { Qwen2TextDefaults } from '../qwen2/config.ts';
import type { RopeConfig } from '../ropeConfig.ts';
import { checkFeatureWidth, parseQwenTower } from '../towerConfig.ts';
import type { QwenTower } from '../towerConfig.ts';

/** Qwen2's layers, with M-RoPE. */
export type Qwen2_5VLTextConfig = DecoderConfig & {
  rope: RopeConfig;
  /** Rotary frequencies (of headDim/2) taken from the time, height and width position, in turn. */
  mropeSection: number[];
};

export interface Qwen2_5VLVisionConfig extends QwenTower {
  /** Side of an attention window, in pixels. */
  windowSize: number;
  /** Blocks in which a patch sees its whole image instead of its window. */
  fullAttentionBlocks: number[];
  inChannels: number;
  hiddenAct: 'silu';
  /** Fixed in the model's code, not in its configuration. */
  rmsNormEps: number;
}

export interface Qwen2_5VLConfig {
  modelType: 'qwen2_5_vl';
  text: Qwen2_5VLTextConfig;
  vision: Qwen2_5VLVisionConfig;
  imageTokenId: number;
  videoTokenId: number;
  tieWordEmbeddings: boolean;
}

/**
 * @param json what `config.json` holds
 * @param source its path, for messages
 * @throws UserError for another model, a value of the wrong kind, sizes that contradict each other, or a variant that is not built
 */
export function parseQwen2_5VLConfig(json: Readonly<Record<string, unknown>>, source = 'config.json'): Qwen2_5VLConfig {
  const root = new Fields(json, source, '');
  const modelType = modelTypeOf(root, ['qwen2_5_vl'], 'Qwen2.5-VL');
  const nested = root.section('text_config');
  const text = parseText(nested ?? root, nested === undefined);
  const visionFields = root.section('vision_config') ?? new Fields({}, source, 'vision_config.');
  const vision = parseVision(visionFields);
  checkFeatureWidth(visionFields, vision, text.hiddenSize);
  return {
    modelType,
    text,
    vision,
    imageTokenId: root.integer('image_token_id', 151655, 0),
    videoTokenId: root.integer('video_token_id', 151656, 0),
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
  positions: 32768,
};

function parseText(fields: Fields, isFlat: boolean): Qwen2_5VLTextConfig {
  const hiddenSize = fields.integer('hidden_size', TEXT_DEFAULTS.hiddenSize);
  const headDim = fixedHeadSize(fields, hiddenSize, fields.integer('num_attention_heads', TEXT_DEFAULTS.heads), 'num_attention_heads');
  const text = parseQwen2Text(fields, headDim, TEXT_DEFAULTS);
  const { rope, settings } = parseConvertedRope(fields, {
    theta: 1_000_000,
    positions: TEXT_DEFAULTS.positions,
    aliases: ['mrope'],
    ownKeys: ['mrope_section'],
    isFlat,
  });
  const mropeSection = settings.integers('mrope_section', [16, 24, 24]);
  if (mropeSection.reduce((sum, size) => sum + size, 0) * 2 !== headDim) {
    throw settings.wrong('mrope_section', mropeSection, `sections that add up to half the head size (${headDim / 2})`);
  }
  return { ...text, rope, mropeSection };
}

function parseVision(fields: Fields): Qwen2_5VLVisionConfig {
  const tower = parseQwenTower(fields, { depth: 32, hiddenSize: 3584, intermediateSize: 3420, patchSize: 14 });
  const windowSize = fields.integer('window_size', 112);
  const merged = tower.patchSize * tower.spatialMergeSize;
  if (windowSize < merged) throw fields.wrong('window_size', windowSize, `at least ${merged}, one merged patch`);
  return {
    ...tower,
    windowSize,
    fullAttentionBlocks: fields.integers('fullatt_block_indexes', [7, 15, 23, 31]),
    // The hub's files say in_chans, which transformers ignores when in_channels is there too.
    inChannels: fields.integer('in_channels', fields.integer('in_chans', 3)),
    hiddenAct: fields.activation('hidden_act', 'silu', SILU),
    rmsNormEps: 1e-6,
  };
}
