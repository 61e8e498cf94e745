/**
 * `config.json` of a Llama folder as typed, checked fields, and the part of it that is the text stack of SmolVLM and Idefics3. Both layouts
 * are read: `rope_theta` and `rope_scaling` (transformers 4), `rope_parameters` (5). Keys that a file leaves out take the defaults of
 * transformers' LlamaConfig. What this code cannot compute faithfully is refused by name.
 */
import { dividedHeadSize, keyValueHeads, modelTypeOf, refuseAttentionDropout, rotatedHeadSize } from '../attentionConfig.ts';
import type { DecoderConfig } from '../blocks/decoder.ts';
import { Fields } from '../configFields.ts';
import { parseConvertedRope } from '../ropeConfig.ts';
import type { RopeConfig } from '../ropeConfig.ts';

export interface LlamaTextConfig {
  text: DecoderConfig;
  rope: RopeConfig;
}

export interface LlamaConfig extends LlamaTextConfig {
  tieWordEmbeddings: boolean;
}

const ACTIVATIONS = { silu: 'silu', swish: 'silu', gelu_pytorch_tanh: 'gelu_tanh' } as const;

/** Switches of the training code these files come from; transformers 5.18 has none of them in its Llama, and computes without. */
const UNREAD_SWITCHES = ['qk_layer_norms', 'rope_interleaved', 'use_resampler'] as const;

/**
 * @param json what `config.json` holds
 * @param source its path, for messages
 * @throws UserError for another model, a value of the wrong kind, sizes that contradict each other, or a variant that is not built
 */
export function parseLlamaConfig(json: Readonly<Record<string, unknown>>, source = 'config.json'): LlamaConfig {
  const root = new Fields(json, source, '');
  modelTypeOf(root, ['llama'], 'Llama');
  return { ...parseLlamaText(root), tieWordEmbeddings: root.flag('tie_word_embeddings', false) };
}

/**
 * @param fallbackEps of the norms, where the file states none
 * @throws UserError for a value of the wrong kind, sizes that contradict each other, or a variant that is not built
 */
export function parseLlamaText(fields: Fields, fallbackEps = 1e-6): LlamaTextConfig {
  const hiddenSize = fields.integer('hidden_size', 4096);
  const heads = fields.integer('num_attention_heads', 32);
  // transformers refuses heads that do not share the hidden size evenly, even where head_dim goes before.
  const headDim = rotatedHeadSize(fields, dividedHeadSize(fields, hiddenSize, heads, 'num_attention_heads'));
  const kvHeads = keyValueHeads(fields, heads, heads);
  refuseAttentionDropout(fields);
  for (const key of UNREAD_SWITCHES) {
    if (fields.flag(key, false)) throw fields.wrong(key, true, 'false; transformers does not apply it to this model');
  }
  const layers = fields.layers('num_hidden_layers', 32);
  const hasBias = fields.flag('attention_bias', false);
  const text: DecoderConfig = {
    hiddenSize,
    layers,
    heads,
    kvHeads,
    headDim,
    intermediateSize: fields.integer('intermediate_size', 11_008),
    vocabSize: fields.integer('vocab_size', 32_000),
    rmsNormEps: fields.positive('rms_norm_eps', fallbackEps),
    activation: fields.activation('hidden_act', 'silu', ACTIVATIONS),
    layerTypes: Array.from({ length: layers }, () => 'full_attention'),
    slidingWindow: null,
    qkvBias: hasBias,
    outBias: hasBias,
    forwardBias: fields.flag('mlp_bias', false),
    headNorms: false,
    normsBehind: false,
    normOffset: 0,
    scoreScale: headDim ** -0.5,
    embeddingScale: 1,
  };
  return { text, rope: parseConvertedRope(fields, { theta: 10_000, positions: 2048 }).rope };
}
