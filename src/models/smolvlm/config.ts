/**
 * `config.json` of a SmolVLM or Idefics3 folder as typed, checked fields. SmolVLM is Idefics3 under another name: transformers' two
 * configuration classes differ in nothing. The hub's files keep many keys of the training code that nothing reads. What this code cannot
 * compute faithfully is refused by name.
 */
import type { SiglipConfig } from '../blocks/siglip.ts';
import { Fields } from '../configFields.ts';
import { parseLlamaText } from '../llama/config.ts';
import type { LlamaTextConfig } from '../llama/config.ts';

/** What is left of the image beside whole patches falls away (384 pixels by 14: 27 patches a side, and 6 pixels). */
export interface SmolVLMVisionConfig extends SiglipConfig {
  /** Side of the square that the positions were learnt on, in pixels. */
  imageSize: number;
}

export interface SmolVLMConfig extends LlamaTextConfig {
  modelType: 'smolvlm' | 'idefics3';
  vision: SmolVLMVisionConfig;
  /** Patches to a side of the square that becomes one token. */
  scaleFactor: number;
  imageTokenId: number;
  tieWordEmbeddings: boolean;
}

const ACTIVATIONS = { gelu_pytorch_tanh: 'gelu_tanh', gelu: 'gelu', quick_gelu: 'quick_gelu', silu: 'silu', swish: 'silu' } as const;
const VISION_TYPES = ['smolvlm_vision', 'idefics3_vision', 'smolvlm', 'idefics3', 'siglip_vision_model'];

/**
 * @param json what `config.json` holds
 * @param source its path, for messages
 * @throws UserError for another model, a value of the wrong kind, sizes that contradict each other, or a variant that is not built
 */
export function parseSmolVLMConfig(json: Readonly<Record<string, unknown>>, source = 'config.json'): SmolVLMConfig {
  const root = new Fields(json, source, '');
  const modelType = root.text('model_type', '(nothing)');
  if (modelType !== 'smolvlm' && modelType !== 'idefics3')
    throw root.wrong('model_type', modelType, '"smolvlm" or "idefics3"; choose a SmolVLM or Idefics3 model folder');
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
  const hiddenSize = fields.integer('hidden_size', 1152);
  const heads = fields.integer('num_attention_heads', 16);
  if (hiddenSize % heads !== 0) throw fields.wrong('num_attention_heads', heads, `a divisor of hidden_size (${hiddenSize})`);
  const dropout = fields.number('attention_dropout', 0);
  if (dropout !== 0) throw fields.wrong('attention_dropout', dropout, '0; dropout inside attention is not supported');
  const imageSize = fields.integer('image_size', 224);
  const patchSize = fields.integer('patch_size', 32);
  if (patchSize > imageSize) throw fields.wrong('patch_size', patchSize, `at most image_size (${imageSize})`);
  const channels = fields.integer('num_channels', 3);
  if (channels !== 3) throw fields.wrong('num_channels', channels, '3: images are RGB');
  return {
    hiddenSize,
    layers: fields.layers('num_hidden_layers', 12),
    heads,
    headDim: hiddenSize / heads,
    intermediateSize: fields.integer('intermediate_size', 3072),
    channels,
    imageSize,
    patchSize,
    patchesPerSide: Math.floor(imageSize / patchSize),
    layerNormEps: fields.positive('layer_norm_eps', 1e-6),
    activation: fields.activation('hidden_act', 'gelu_pytorch_tanh', ACTIVATIONS),
  };
}
