/** What the `config.json` of every family says of its attention, with the checks that all of them share. */
import type { LayerType } from './blocks/decoder.ts';
import type { Fields } from './configFields.ts';

/** The widest head that attention is computed for. */
const MAX_HEAD_SIZE = 256;

/**
 * @param known the `model_type`s of the family
 * @param title what its folders are called: "Llama"
 */
export function modelTypeOf<T extends string>(root: Fields, known: readonly T[], title: string): T {
  const found = root.text('model_type', '(nothing)');
  const modelType = known.find((name) => name === found);
  if (modelType === undefined) {
    const names = known.map((name) => `"${name}"`).join(' or ');
    throw root.wrong('model_type', found, `${names}; choose a ${title} model folder`);
  }
  return modelType;
}

/**
 * Heads of keys and values, each of which serves as many heads of queries.
 * @param fallback where the key is missing or null
 */
export function keyValueHeads(fields: Fields, heads: number, fallback: number): number {
  const kvHeads = fields.integer('num_key_value_heads', fallback);
  if (heads % kvHeads !== 0) throw fields.wrong('num_key_value_heads', kvHeads, `a divisor of num_attention_heads (${heads})`);
  return kvHeads;
}

/** The size of a head that `head_dim` may state. @param fallback where it does not */
export function rotatedHeadSize(fields: Fields, fallback: number): number {
  const headDim = fields.integer('head_dim', fallback);
  // Its halves rotate together.
  if (headDim % 2 !== 0 || headDim > MAX_HEAD_SIZE) throw fields.wrong('head_dim', headDim, `an even number of at most ${MAX_HEAD_SIZE}`);
  return headDim;
}

/** The size of a head where the hidden size is shared out among the heads. @param headsKey of how many there are */
export function dividedHeadSize(fields: Fields, hiddenSize: number, heads: number, headsKey: string): number {
  if (hiddenSize % heads !== 0) throw fields.wrong(headsKey, heads, `a divisor of hidden_size (${hiddenSize})`);
  return hiddenSize / heads;
}

/** The same of a model that is computed so whatever `head_dim` states: another one is refused. */
export function fixedHeadSize(fields: Fields, hiddenSize: number, heads: number, headsKey: string): number {
  const headDim = dividedHeadSize(fields, hiddenSize, heads, headsKey);
  const stated = fields.integer('head_dim', headDim);
  if (stated !== headDim)
    throw fields.wrong('head_dim', stated, `hidden_size / ${headsKey} = ${headDim}, as this model's attention computes it`);
  return headDim;
}

/** What a layer drops out of its scores, in transformers, is not computed here. */
export function refuseAttentionDropout(fields: Fields): void {
  const dropout = fields.number('attention_dropout', 0);
  if (dropout !== 0) throw fields.wrong('attention_dropout', dropout, '0; dropout inside attention is not supported');
}

/** Which layers see a window only. @param slides for a file without `layer_types` */
export function parseLayerTypes(fields: Fields, layers: number, slides: (layer: number) => boolean): LayerType[] {
  const listed = fields.list('layer_types');
  if (listed === undefined) return Array.from({ length: layers }, (_, layer) => (slides(layer) ? 'sliding_attention' : 'full_attention'));
  if (listed.length !== layers) throw fields.wrong('layer_types', listed, `one entry for each of the ${layers} layers`);
  return listed.map((type) => {
    if (type !== 'full_attention' && type !== 'sliding_attention')
      throw fields.wrong('layer_types', type, '"full_attention" or "sliding_attention"');
    return type;
  });
}
