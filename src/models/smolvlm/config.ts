/**
 * `config.json` of a SmolVLM or Idefics3 folder as typed, checked fields. SmolVLM is Idefics3 under another name: transformers' two
 * configuration classes differ in nothing. The hub's files keep many keys of the training code that nothing reads. What this code cannot
 * compute faithfully is refused by name.
 */
import { modelTypeOf } from '../attentionConfig.ts';
import { Fields } from '../configFields.ts';
import { parseLlamaText } from '../llama/config.ts';
import type { LlamaTextConfig } from '../llama/config.ts';
import { parseSquareTower } from '../towerConfig.ts';
import type { SquareTower } from '../towerConfig.ts';

/** What is left of the image beside whole patches falls away (384 pixels by 14: 27 patches a side, and 6 pixels). */
export interface SmolVLMVisionConfig extends SquareTower {
  /** Of the square that the positions were learnt on. */
  patchesPerSide: number;
}

export interface SmolVLMConfig extends LlamaTextConfig {
  modelType: 'smolvlm' | 'idefics3';
  vision: SmolVLMVisionConfig;
  /** Patches to a side of the square that becomes one token. */
  scaleFactor: number;
  imageTokenId: number;
  tieWordEmbeddings: boolean;
}

const VISION_TYPES = ['smolvlm_vision', 'idefics3_vision', 'smolvlm', 'idefics3', 'siglip_vision_model'];

/**
 * @param json what `config.json` holds
 * @param source its path, for messages
 * @throws UserError for another model, a value of the wrong kind, sizes that contradict each other, or a variant that is not built
 */
export function parseSmolVLMConfig(json: Readonly<Record<string, unknown>>, source = 'config.json'): SmolVLMConfig {
  const root = new Fields(json, source, '');
  const modelType = modelTypeOf(root, ['smolvlm', 'idefics3'], 'SmolVLM or Idefics3');
  const textFields = root.section('text_config');
  const textType = textFields?.text('model_type', 'llama') ?? 'llama';
  if (textFields && textType !== 'llama') throw textFields.wrong('model_type', textType, '"llama"; other text stacks are not built here');
  const vision = parseVision(root.section('vision_config') ?? new Fields({}, source, 'vision_config.'));
  const scaleFactor = root.integer('scale_factor', 2);
  if (vision.patchesPerSide % scaleFactor !== 0)
    throw root.wrong('scale_factor', scaleFactor, `a divisor of ${vision.patchesPerSide}, the patches to a side of an image`);
  return {
    modelType,
    // Without a text_config at all, transformers takes a Llama with this epsilon.
    ...(textFields ? parseLlamaText(textFields) : parseLlamaText(new Fields({}, source, 'text_config.'), 1e-5)),
    vision,
    scaleFactor,
    imageTokenId: root.integer('image_token_id', 128_257, 0),
    // Not text_config's, which transformers saves and does not read.
    tieWordEmbeddings: root.flag('tie_word_embeddings', false),
  };
}

function parseVision(fields: Fields): SmolVLMVisionConfig {
  const modelType = fields.text('model_type', 'smolvlm_vision');
  if (!VISION_TYPES.includes(modelType))
    throw fields.wrong('model_type', modelType, `one of ${VISION_TYPES.join(', ')}; other vision towers are not built`);
  const tower = parseSquareTower(fields, { hiddenSize: 1152, heads: 16, patchSize: 32 });
  const { imageSize, patchSize } = tower;
  if (patchSize > imageSize) throw fields.wrong('patch_size', patchSize, `at most image_size (${imageSize})`);
  return { ...tower, patchesPerSide: Math.floor(imageSize / patchSize) };
}
