/**
 * `config.json` of a Qwen3-VL folder as typed, checked fields. Text and image settings are sections of it; rotary settings come as
 * `rope_scaling` beside `rope_theta` (the hub's files, transformers 4) or as `rope_parameters` (5). Keys that a file leaves out take the
 * defaults of transformers' Qwen3VLConfig. What this code cannot compute faithfully is refused here, by name, rather than trained wrong.
 */
import type { Activation } from '../../ops/activation.ts';
import { modelTypeOf } from '../attentionConfig.ts';
import type { DecoderConfig } from '../blocks/decoder.ts';
import { Fields } from '../configFields.ts';
import { parseConvertedRope } from '../ropeConfig.ts';
import { parseQwen3Text } from '../qwen3/config.ts';
import type { RopeConfig } from '../ropeConfig.ts';
import { checkFeatureWidth, parseQwenTower, TOWER_ACTIVATIONS } from '../towerConfig.ts';
import type { QwenTower } from '../towerConfig.ts';

/** Qwen3's layers, with interleaved M-RoPE. */
export type Qwen3VLTextConfig = DecoderConfig & {
  rope: RopeConfig;
  /** How many frequencies turn with the time, height and width position; they take turns (time, height, width, time, …). */
  mropeSection: [time: number, height: number, width: number];
};

export interface Qwen3VLVisionConfig extends QwenTower {
  inChannels: number;
  hiddenAct: Activation;
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
  tieWordEmbeddings: boolean;
}

/** Qwen3VLTextConfig has room for more than Qwen3Config. */
const POSITIONS = 128_000;

/**
 * @param json what `config.json` holds
 * @param source its path, for messages
 * @throws UserError for another model, a value of the wrong kind, sizes that contradict each other, or a variant that is not built
 */
export function parseQwen3VLConfig(json: Readonly<Record<string, unknown>>, source = 'config.json'): Qwen3VLConfig {
  const root = new Fields(json, source, '');
  const modelType = modelTypeOf(root, ['qwen3_vl'], 'Qwen3-VL');
  const text = parseText(root.section('text_config') ?? new Fields({}, source, 'text_config.'));
  const visionFields = root.section('vision_config') ?? new Fields({}, source, 'vision_config.');
  const vision = parseVision(visionFields, text.layers);
  checkFeatureWidth(visionFields, vision, text.hiddenSize);
  return {
    modelType,
    text,
    vision,
    imageTokenId: root.integer('image_token_id', 151655, 0),
    videoTokenId: root.integer('video_token_id', 151656, 0),
    // The text section repeats the flag, and transformers does not read it there.
    tieWordEmbeddings: root.flag('tie_word_embeddings', false),
  };
}

function parseText(fields: Fields): Qwen3VLTextConfig {
  if (fields.flag('use_sliding_window', false))
    throw fields.wrong('use_sliding_window', true, 'false: every layer of this model sees the whole row');
  const text = parseQwen3Text(fields);
  const { rope, settings } = parseConvertedRope(fields, {
    theta: 500_000,
    positions: POSITIONS,
    ownKeys: ['mrope_section', 'mrope_interleaved'],
  });
  const section = settings.integers('mrope_section', [24, 20, 20]);
  const [time, height, width] = section;
  if (time === undefined || height === undefined || width === undefined || section.length !== 3)
    throw settings.wrong('mrope_section', section, 'three numbers of frequencies, for time, height and width');
  if (!settings.flag('mrope_interleaved', true))
    throw settings.wrong('mrope_interleaved', false, 'true: the frequencies of this model always take turns');
  return { ...text, rope, mropeSection: [time, height, width] };
}

function parseVision(fields: Fields, textLayers: number): Qwen3VLVisionConfig {
  const tower = parseQwenTower(fields, { depth: 27, hiddenSize: 1152, intermediateSize: 4304, patchSize: 16 });
  return {
    ...tower,
    inChannels: fields.integer('in_channels', 3),
    hiddenAct: fields.activation('hidden_act', 'gelu_pytorch_tanh', TOWER_ACTIVATIONS),
    positions: fields.integer('num_position_embeddings', 2304),
    deepBlocks: deepBlocks(fields, tower.depth, textLayers),
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
