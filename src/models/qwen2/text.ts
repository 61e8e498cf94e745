/**
 * The decoder layers of Qwen2 (transformers' Qwen2DecoderLayer), which are those of Qwen2.5-VL too: forward only, the tape differentiates
 * them. `prefix` is the module name of the stack: `model` by itself, `model.language_model` beside a vision tower.
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
import type { Tape } from '../../ops/tape.ts';
import type { BatchTables, TokenRows } from '../batchTables.ts';
import type { KeyValueCache } from '../keyValueCache.ts';
import type { Stage } from '../stages.ts';
import type { Shape, Weights } from '../weights.ts';
import type { LayerType, Qwen2TextConfig } from './config.ts';

export interface TextLayer {
  inputNorm: Parameter;
  q: LinearLayer;
  k: LinearLayer;
  v: LinearLayer;
  o: LinearLayer;
  postAttentionNorm: Parameter;
  gate: LinearLayer;
  up: LinearLayer;
  down: LinearLayer;
}

/** What a batch gives every layer. */
export interface TextContext {
  rope: { cos: Tensor; sin: Tensor };
  ranges: Partial<Record<LayerType, AttentionRanges>>;
  /** Generation: keys and values of the tokens before. */
  cache?: KeyValueCache;
}

export function textShapes(config: Qwen2TextConfig, prefix: string): [string, Shape][] {
  const { hiddenSize: C, heads, kvHeads, headDim: D, intermediateSize: F } = config;
  const shapes: [string, Shape][] = [[`${prefix}.embed_tokens.weight`, [config.vocabSize, C]]];
  for (let i = 0; i < config.layers; i++) {
    const layer = `${prefix}.layers.${i}`;
    shapes.push(
      [`${layer}.self_attn.q_proj.weight`, [heads * D, C]],
      [`${layer}.self_attn.q_proj.bias`, [heads * D]],
      [`${layer}.self_attn.k_proj.weight`, [kvHeads * D, C]],
      [`${layer}.self_attn.k_proj.bias`, [kvHeads * D]],
      [`${layer}.self_attn.v_proj.weight`, [kvHeads * D, C]],
      [`${layer}.self_attn.v_proj.bias`, [kvHeads * D]],
      [`${layer}.self_attn.o_proj.weight`, [C, heads * D]],
      [`${layer}.mlp.gate_proj.weight`, [F, C]],
      [`${layer}.mlp.up_proj.weight`, [F, C]],
      [`${layer}.mlp.down_proj.weight`, [C, F]],
      [`${layer}.input_layernorm.weight`, [C]],
      [`${layer}.post_attention_layernorm.weight`, [C]],
    );
  }
  shapes.push([`${prefix}.norm.weight`, [C]]);
  return shapes;
}

function textLayer(weights: Weights, prefix: string, index: number): TextLayer {
  const at = `${prefix}.layers.${index}`;
  return {
    inputNorm: weights.parameter(`${at}.input_layernorm.weight`),
    q: weights.linear(`${at}.self_attn.q_proj`),
    k: weights.linear(`${at}.self_attn.k_proj`),
    v: weights.linear(`${at}.self_attn.v_proj`),
    o: weights.linear(`${at}.self_attn.o_proj`),
    postAttentionNorm: weights.parameter(`${at}.post_attention_layernorm.weight`),
    gate: weights.linear(`${at}.mlp.gate_proj`),
    up: weights.linear(`${at}.mlp.up_proj`),
    down: weights.linear(`${at}.mlp.down_proj`),
  };
}

export function textLayers(weights: Weights, prefix: string, config: Qwen2TextConfig): TextLayer[] {
  return Array.from({ length: config.layers }, (_, i) => textLayer(weights, prefix, i));
}

/** What the tokens of a batch see in each kind of layer that the model has. */
export function textAttention(
  tables: BatchTables,
  rows: TokenRows,
  config: Qwen2TextConfig,
  cache: KeyValueCache | undefined,
): TextContext['ranges'] {
  const ranges: TextContext['ranges'] = {};
  for (const type of new Set(config.layerTypes)) {
    const window = type === 'sliding_attention' ? config.slidingWindow : null;
    ranges[type] = tables.textRanges(rows, cache, { ...(window !== null && { window }) });
  }
  return ranges;
}

/** A stage a layer, hidden states (T, C) → (T, C). */
export function textStages(layers: readonly TextLayer[], prefix: string, config: Qwen2TextConfig, context: TextContext): Stage[] {
  return layers.map((layer, i) => ({
    name: `${prefix}.layers.${i}`,
    trainable: textLayerTrains(layer),
    forward: (t, x) => textBlock(t, x, layer, i, config, context),
  }));
}

function textLayerTrains(l: TextLayer): boolean {
  return (
    [l.q, l.k, l.v, l.o, l.gate, l.up, l.down].some(isTrainable) || l.inputNorm.grad !== undefined || l.postAttentionNorm.grad !== undefined
  );
}

/** x (T, C) → (T, C). */
function textBlock(t: Tape, x: Tensor, l: TextLayer, index: number, config: Qwen2TextConfig, context: TextContext): Tensor {
  const T = x.shape[0]!;
  const { heads: H, kvHeads: KV, headDim: D, rmsNormEps: eps } = config;
  const h = rmsNorm(t, x, l.inputNorm, eps);
  const q = rope(t, t.reshape(linear(t, h, l.q), [T, H, D]), context.rope);
  let k = rope(t, t.reshape(linear(t, h, l.k), [T, KV, D]), context.rope);
  let v = t.reshape(linear(t, h, l.v), [T, KV, D]);
  if (context.cache) ({ k, v } = context.cache.extend(t, index, k, v));
  const ranges = context.ranges[config.layerTypes[index] ?? 'full_attention'];
  if (!ranges) throw new Error(`no attention ranges for layer ${index}`);
  const a = attention(t, q, k, v, ranges, { scale: D ** -0.5 });
  const x1 = add(t, x, linear(t, t.reshape(a, [T, H * D]), l.o));
  const m = rmsNorm(t, x1, l.postAttentionNorm, eps);
  return add(t, x1, linear(t, glu(t, linear(t, m, l.gate), linear(t, m, l.up), 'silu'), l.down));
}
