/**
 * `config.json` of a Qwen3 folder as typed, checked fields, and the part of it that Qwen3-VL's text stack shares: Qwen2's layers with a
 * head size of their own, norms on queries and keys, and biases only where the file asks for them. Keys that a file leaves out take the
 * defaults of transformers' Qwen3Config. What this code cannot compute faithfully is refused here, by name, rather than trained wrong.
 */
import { modelTypeOf, rotatedHeadSize } from '../attentionConfig.ts';
import type { DecoderConfig } from '../blocks/decoder.ts';
import { Fields } from '../configFields.ts';
import { parseQwen2Text } from '../qwen2/config.ts';
import { parseConvertedRope } from '../ropeConfig.ts';
import type { Qwen2TextDefaults } from '../qwen2/config.ts';
import type { RopeConfig } from '../ropeConfig.ts';

export interface Qwen3Config {
  text: DecoderConfig;
  rope: RopeConfig;
  tieWordEmbeddings: boolean;
}

/** Of Qwen3Config and Qwen3VLTextConfig. */
const DEFAULTS: Qwen2TextDefaults = {
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

/**
 * @param json what `config.json` holds
 * @param source its path, for messages
 * @throws UserError for another model, a value of the wrong kind, sizes that contradict each other, or a variant that is not built
 */
export function parseQwen3Config(json: Readonly<Record<string, unknown>>, source = 'config.json'): Qwen3Config {
  const root = new Fields(json, source, '');
  modelTypeOf(root, ['qwen3'], 'Qwen3');
  return {
    text: parseQwen3Text(root),
    rope: parseConvertedRope(root, { theta: 10_000, positions: DEFAULTS.positions }).rope,
    tieWordEmbeddings: root.flag('tie_word_embeddings', false),
  };
}

/** The fields of the decoder layers. */
export function parseQwen3Text(fields: Fields): DecoderConfig {
  // Not the hidden size shared out among the heads: the class has a number of its own.
  const headDim = rotatedHeadSize(fields, 128);
  const bias = fields.flag('attention_bias', false);
  return { ...parseQwen2Text(fields, headDim, DEFAULTS), qkvBias: bias, outBias: bias, headNorms: true };
}
