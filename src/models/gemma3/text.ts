/**
 * The text stack of Gemma 3 (transformers' Gemma3DecoderLayer): forward only, the tape differentiates it. A norm stands before and after
 * attention and feed-forward, every norm multiplies by 1 + w, and queries and keys are normalised head by head.
 */
import type { Tensor } from '../../gpu/tensor.ts';
import { add } from '../../ops/add.ts';
import { attention } from '../../ops/attention.ts';
import type { AttentionRanges } from '../../ops/attention.ts';
import { glu } from '../../ops/glu.ts';
import { linear } from '../../ops/linear.ts';
import { isTrainable } from '../../ops/parameter.ts';
import type { LinearLayer, Parameter } from '../../ops/parameter.ts';
import { rmsNorm } from '../../ops/rmsNorm.ts';
import { rope } from '../../ops/rope.ts';
import type { RopeTables } from '../../ops/rope.ts';
import type { Tape } from '../../ops/tape.ts';
import type { KeyValueCache } from '../keyValueCache.ts';
import { ropeFrequencies, rotary } from '../rotary.ts';
import type { Rotary } from '../rotary.ts';
import type { Shape, Weights } from '../weights.ts';
import type { Gemma3TextConfig, LayerType } from './config.ts';

const LINEARS = [
  'self_attn.q_proj',
  'self_attn.k_proj',
  'self_attn.v_proj',
  'self_attn.o_proj',
  'mlp.gate_proj',
  'mlp.up_proj',
  'mlp.down_proj',
] as const;
const BLOCK_NORMS = ['input_layernorm', 'post_attention_layernorm', 'pre_feedforward_layernorm', 'post_feedforward_layernorm'] as const;
const HEAD_NORMS = ['self_attn.q_norm', 'self_attn.k_norm'] as const;

export interface TextLayer {
  linears: Record<(typeof LINEARS)[number], LinearLayer>;
  norms: Record<(typeof BLOCK_NORMS)[number] | (typeof HEAD_NORMS)[number], Parameter>;
}

/** What a batch gives every layer. */
export interface TextContext {
  rope: Partial<Record<LayerType, RopeTables>>;
  ranges: Partial<Record<LayerType, AttentionRanges>>;
  /** Generation: keys and values of the tokens before. */
  cache?: KeyValueCache;
}

/** @param prefix module name of the stack: `model.language_model` beside a vision tower, `model` alone */
export function textShapes(config: Gemma3TextConfig, prefix: string): [string, Shape][] {
  const { hiddenSize: C, heads, kvHeads, headDim: D, intermediateSize: F } = config;
  const sizes: Record<(typeof LINEARS)[number], [out: number, into: number]> = {
    'self_attn.q_proj': [heads * D, C],
    'self_attn.k_proj': [kvHeads * D, C],
    'self_attn.v_proj': [kvHeads * D, C],
    'self_attn.o_proj': [C, heads * D],
    'mlp.gate_proj': [F, C],
    'mlp.up_proj': [F, C],
    'mlp.down_proj': [C, F],
  };
  const shapes: [string, Shape][] = [[`${prefix}.embed_tokens.weight`, [config.vocabSize, C]]];
  for (let i = 0; i < config.layers; i++) {
    const layer = `${prefix}.layers.${i}`;
    for (const name of LINEARS) {
      shapes.push([`${layer}.${name}.weight`, sizes[name]]);
      if (config.attentionBias && name.startsWith('self_attn')) shapes.push([`${layer}.${name}.bias`, [sizes[name][0]]]);
    }
    for (const name of HEAD_NORMS) shapes.push([`${layer}.${name}.weight`, [D]]);
    for (const name of BLOCK_NORMS) shapes.push([`${layer}.${name}.weight`, [C]]);
  }
  shapes.push([`${prefix}.norm.weight`, [C]]);
  return shapes;
}

export function textLayer(weights: Weights, prefix: string, index: number): TextLayer {
  const at = `${prefix}.layers.${index}`;
  return {
    linears: record(LINEARS, (name) => weights.linear(`${at}.${name}`)),
    norms: record([...BLOCK_NORMS, ...HEAD_NORMS], (name) => weights.parameter(`${at}.${name}.weight`)),
  };
}

export function record<K extends string, V>(keys: readonly K[], value: (key: K) => V): Record<K, V> {
  return Object.fromEntries(keys.map((key) => [key, value(key)])) as Record<K, V>;
}

export function textLayerTrains({ linears, norms }: TextLayer): boolean {
  return Object.values(linears).some(isTrainable) || Object.values(norms).some(({ grad }) => grad !== undefined);
}

/** Angles of the tokens in layers of one type. @param positionIds (T) */
export function textRotary(positionIds: Int32Array, type: LayerType, { headDim, rope: { [type]: rope } }: Gemma3TextConfig): Rotary {
  const { frequencies, scale } = ropeFrequencies(rope, headDim);
  return rotary(positionIds.length, frequencies.length, (t, d) => [positionIds[t] ?? 0, frequencies[d] ?? 0], scale);
}

/** x (T, C) → (T, C). */
export function textBlock(
  t: Tape,
  x: Tensor,
  { linears: l, norms }: TextLayer,
  index: number,
  config: Gemma3TextConfig,
  context: TextContext,
): Tensor {
  const T = x.shape[0]!;
  const { heads: H, kvHeads: KV, headDim: D } = config;
  const type = config.layerTypes[index]!;
  const { [type]: angles } = context.rope;
  const { [type]: ranges } = context.ranges;
  if (!angles || !ranges) throw new Error(`no tables for layer ${index}, ${type}`);
  const norm = (y: Tensor, name: keyof typeof norms): Tensor => rmsNorm(t, y, norms[name], config.rmsNormEps, 1);

  const h = norm(x, 'input_layernorm');
  const q = rope(t, norm(t.reshape(linear(t, h, l['self_attn.q_proj']), [T, H, D]), 'self_attn.q_norm'), angles);
  let k = rope(t, norm(t.reshape(linear(t, h, l['self_attn.k_proj']), [T, KV, D]), 'self_attn.k_norm'), angles);
  let v = t.reshape(linear(t, h, l['self_attn.v_proj']), [T, KV, D]);
  if (context.cache) ({ k, v } = context.cache.extend(t, index, k, v));
  const a = attention(t, q, k, v, ranges, { scale: config.queryPreAttnScalar ** -0.5 });
  const attended = linear(t, t.reshape(a, [T, H * D]), l['self_attn.o_proj']);
  const x1 = add(t, x, norm(attended, 'post_attention_layernorm'));

  const m = norm(x1, 'pre_feedforward_layernorm');
  const gated = glu(t, linear(t, m, l['mlp.gate_proj']), linear(t, m, l['mlp.up_proj']), config.activation);
  return add(t, x1, norm(linear(t, gated, l['mlp.down_proj']), 'post_feedforward_layernorm'));
}
