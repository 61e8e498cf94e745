/**
 * `config.json` of a Qwen3-VL folder as typed, checked fields. Text and image settings are sections of it; rotary settings come as
 * `rope_scaling` beside `rope_theta` (the hub's files, transformers 4) or as `rope_parameters` (5). Keys that a file leaves out take the
 * defaults of transformers' Qwen3VLConfig. What this code cannot compute faithfully is refused here, by name, rather than trained wrong.
 */
import type { Activation } from '../../ops/activation.ts';
import { UserError } from '../../platform.ts';
import type { DecoderConfig } from '../blocks/decoder.ts';
import { Fields } from '../configFields.ts';
import { dividedHeadSize } from '../qwen2/config.ts';
import { parseConvertedRope } from '../ropeConfig.ts';
import { parseQwen3Text } from '../qwen3/config.ts';
import type { RopeConfig } from '../ropeConfig.ts';

/** Qwen3's layers, with interleaved M-RoPE. */
export type Qwen3VLTextConfig = DecoderConfig & {
  rope: RopeConfig;
  /** How many frequencies turn with the time, height and width position; they take turns (time, height, width, time, …). */
  mropeSection: [time: number, height: number, width: number];
};

export interface Qwen3VLVisionConfig {
  depth: number;
  hiddenSize: number;
  heads: number;
  headDim: number;
  intermediateSize: number;
  outHiddenSize: number;
  patchSize: number;
  temporalPatchSize: number;
  spatialMergeSize: number;
  inChannels: number;
  hiddenAct: Activation;
  ropeTheta: number;
  /** Rows of the learned position table; a square of them is used. */
  positions: number;
  /** Block k's output goes through deep merger i and into a text layer, where deepBlocks[i] = k. Text layers take them by rising block. */
  deepBlocks: number[];
  /** Fixed in the model's code, not in its configuration. */
  layerNormEps: number;
}

export interface Qwen3VLConfig {
  modelType: 'qwen3_vl';
  text: Qwen3VLTextConfig;
  vision: Qwen3VLVisionConfig;
  imageTokenId: number;
  videoTokenId: number;
  visionStartTokenId: number;
  visionEndTokenId: number;
  tieWordEmbeddings: boolean;
}

/** Qwen3VLTextConfig has room for more than Qwen3Config. */
const MAX_POSITIONS = 128_000;

const VISION_ACTIVATIONS: Readonly<Record<string, Activation>> = {
  gelu_pytorch_tanh: 'gelu_tanh',
  gelu: 'gelu',
  quick_gelu: 'quick_gelu',
  silu: 'silu',
  swish: 'silu',
};

/**
 * @param json what `config.json` holds
 * @param source its path, for messages
 * @throws UserError for another model, a value of the wrong kind, sizes that contradict each other, or a variant that is not built
 */
export function parseQwen3VLConfig(json: Readonly<Record<string, unknown>>, source = 'config.json'): Qwen3VLConfig {
  const root = new Fields(json, source, '');
  const modelType = root.text('model_type', '(nothing)');
  if (modelType !== 'qwen3_vl')
    throw new UserError(`${source}: model_type is "${modelType}", "qwen3_vl" was expected. Choose a Qwen3-VL model folder.`);
  const section = root.section('text_config')?.json ?? {};
  const text = parseText(new Fields({ max_position_embeddings: MAX_POSITIONS, ...section }, source, 'text_config.'));
  const vision = parseVision(root.section('vision_config') ?? new Fields({}, source, 'vision_config.'), text.layers);
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
    // The text section repeats the flag, and transformers does not read it there.
    tieWordEmbeddings: root.flag('tie_word_embeddings', false),
  };
}

function parseText(fields: Fields): Qwen3VLTextConfig {
  if (fields.flag('use_sliding_window', false))
    throw fields.wrong('use_sliding_window', true, 'false: every layer of this model sees the whole row');
  const text = parseQwen3Text(fields);
  const { rope, settings } = parseConvertedRope(fields, 500_000, { ownKeys: ['mrope_section', 'mrope_interleaved'] });
  const section = settings.integers('mrope_section', [24, 20, 20]);
  const [time, height, width] = section;
  if (time === undefined || height === undefined || width === undefined || section.length !== 3)
    throw settings.wrong('mrope_section', section, 'three numbers of frequencies, for time, height and width');
  if (!settings.flag('mrope_interleaved', true))
    throw settings.wrong('mrope_interleaved', false, 'true: the frequencies of this model always take turns');
  return { ...text, rope, mropeSection: [time, height, width] };
}

function parseVision(fields: Fields, textLayers: number): Qwen3VLVisionConfig {
  const depth = fields.layers('depth', 27);
  const hiddenSize = fields.integer('hidden_size', 1152);
  const heads = fields.integer('num_heads', fields.integer('num_attention_heads', 16));
  const headDim = dividedHeadSize(fields, hiddenSize, heads, 'num_heads');
  const stated = fields.integer('head_dim', headDim);
  if (stated !== headDim)
    throw fields.wrong('head_dim', stated, `hidden_size / num_heads = ${headDim}, as this model's attention computes it`);
  if (headDim % 4 !== 0) {
    throw fields.wrong(
      'num_heads',
      heads,
      `a number that makes the head size (${headDim}) a multiple of 4: its halves rotate with height and width`,
    );
  }
  const { rope } = parseConvertedRope(fields, 10_000, { aliases: ['axial'] });
  if (rope.scaling) throw fields.wrong('rope_parameters', rope.scaling.type, 'rope_type "axial", which the tower always has');
  return {
    depth,
    hiddenSize,
    heads,
    headDim,
    intermediateSize: fields.integer('intermediate_size', 4304),
    outHiddenSize: fields.integer('out_hidden_size', 3584),
    patchSize: fields.integer('patch_size', 16),
    temporalPatchSize: fields.integer('temporal_patch_size', 2),
    spatialMergeSize: fields.integer('spatial_merge_size', 2),
    inChannels: fields.integer('in_channels', 3),
    hiddenAct: fields.activation('hidden_act', 'gelu_pytorch_tanh', VISION_ACTIVATIONS),
    ropeTheta: rope.theta,
    positions: fields.integer('num_position_embeddings', 2304),
    deepBlocks: deepBlocks(fields, depth, textLayers),
    layerNormEps: 1e-6,
  };
}

function deepBlocks(fields: Fields, depth: number, textLayers: number): number[] {
  const key = 'deepstack_visual_indexes';
  const blocks = fields.integers(key, [8, 16, 24]);
  if (blocks.some((block) => block >= depth)) throw fields.wrong(key, blocks, `blocks of the tower, 0 to ${depth - 1}`);
  if (new Set(blocks).size !== blocks.length) throw fields.wrong(key, blocks, 'every block once: a second merger of a block is never run');
  if (blocks.length > textLayers)
    throw fields.wrong(key, blocks, `at most one for each of the ${textLayers} text layers: what is beyond them is never read`);
  return blocks;
}
