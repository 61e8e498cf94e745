/**
 * The decoder layers of Llama and its descendants (transformers' LlamaDecoderLayer, Qwen2DecoderLayer, Qwen3DecoderLayer,
 * Gemma3DecoderLayer): a norm, attention with rotary positions, a norm, a gated feed-forward, each added to what went in; with the norms,
 * biases and head norms that a family has. Forward only: the tape differentiates them.
 */
import type { Tensor } from '../../gpu/tensor.ts';
import { add } from '../../ops/add.ts';
import { addRows } from '../../ops/addRows.ts';
import type { RowMixture } from '../../ops/addRows.ts';
import { attention } from '../../ops/attention.ts';
import type { AttentionRanges } from '../../ops/attention.ts';
import { glu } from '../../ops/glu.ts';
import { linear } from '../../ops/linear.ts';
import type { Parameter } from '../../ops/parameter.ts';
import { rmsNorm } from '../../ops/rmsNorm.ts';
import { rope } from '../../ops/rope.ts';
import type { RopeTables } from '../../ops/rope.ts';
import type { Tape } from '../../ops/tape.ts';
import { embeddingStage } from '../batchTables.ts';
import type { BatchTables, TokenRows } from '../batchTables.ts';
import type { KeyValueCache } from '../keyValueCache.ts';
import { HEAD } from '../model.ts';
import type { Model, PrepareOptions } from '../model.ts';
import type { Modules } from '../modules.ts';
import { ropeFrequencies, rotary } from '../rotary.ts';
import type { Rotary } from '../rotary.ts';
import type { RopeConfig } from '../ropeConfig.ts';
import { HIDDEN, namedStage, stage } from '../stages.ts';
import type { Stage } from '../stages.ts';

export type LayerType = 'full_attention' | 'sliding_attention';

/** Sizes, from a model's configuration. */
export interface DecoderSizes {
  hiddenSize: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  intermediateSize: number;
  vocabSize: number;
  rmsNormEps: number;
  /** One a layer. */
  layerTypes: readonly LayerType[];
  /** Keys a query of a sliding layer sees, itself included; null where no layer slides. */
  slidingWindow: number | null;
}

/** What tells one family's layers from another's. */
export interface DecoderForm {
  /** Biases of the queries, keys and values. */
  qkvBias: boolean;
  outBias: boolean;
  /** Biases of the feed-forward. */
  forwardBias: boolean;
  /** Queries and keys are normalised head by head, before they are turned. */
  headNorms: boolean;
  /** A norm behind attention and behind the feed-forward too, as Gemma has them, and names them. */
  normsBehind: boolean;
  /** Norms multiply by this plus the weight. */
  normOffset: 0 | 1;
  activation: 'silu' | 'gelu_tanh';
  /** Factor on q·k. */
  scoreScale: number;
  /** Factor on the embeddings of text tokens. */
  embeddingScale: number;
}

export type DecoderConfig = DecoderSizes & DecoderForm;

/** What a batch gives the layers. */
interface LayerContext {
  tables: ReadonlyMap<LayerType, { angles: RopeTables; ranges: AttentionRanges }>;
  /** Generation: keys and values of the tokens before. */
  cache: KeyValueCache | undefined;
}

/** x (T, C) → (T, C). */
type Layer = (t: Tape, x: Tensor, context: LayerContext) => Tensor;

function decoderLayer(m: Modules, index: number, config: DecoderConfig): Layer {
  const { hiddenSize: C, heads: H, kvHeads: KV, headDim: D, intermediateSize: F, qkvBias, outBias, headNorms, normsBehind } = config;
  const type = config.layerTypes[index] ?? 'full_attention';
  const q_proj = m.linear('self_attn.q_proj', [H * D, C], { bias: qkvBias });
  const k_proj = m.linear('self_attn.k_proj', [KV * D, C], { bias: qkvBias });
  const v_proj = m.linear('self_attn.v_proj', [KV * D, C], { bias: qkvBias });
  const o_proj = m.linear('self_attn.o_proj', [C, H * D], { bias: outBias });
  const gate_proj = m.linear('mlp.gate_proj', [F, C], { bias: config.forwardBias });
  const up_proj = m.linear('mlp.up_proj', [F, C], { bias: config.forwardBias });
  const down_proj = m.linear('mlp.down_proj', [C, F], { bias: config.forwardBias });
  const queryNorm = headNorms ? m.norm('self_attn.q_norm', D) : undefined;
  const keyNorm = headNorms ? m.norm('self_attn.k_norm', D) : undefined;
  const attentionNorm = m.norm('input_layernorm', C);
  const behindAttention = normsBehind ? m.norm('post_attention_layernorm', C) : undefined;
  const forwardNorm = m.norm(normsBehind ? 'pre_feedforward_layernorm' : 'post_attention_layernorm', C);
  const behindForward = normsBehind ? m.norm('post_feedforward_layernorm', C) : undefined;

  return (t, x, { tables, cache }) => {
    const T = x.shape[0]!;
    const { angles, ranges } = tables.get(type)!;
    const norm = (y: Tensor, weight: Parameter | undefined): Tensor =>
      weight ? rmsNorm(t, y, weight, config.rmsNormEps, config.normOffset) : y;
    const h = norm(x, attentionNorm);
    const q = rope(t, norm(t.reshape(linear(t, h, q_proj), [T, H, D]), queryNorm), angles);
    let k = rope(t, norm(t.reshape(linear(t, h, k_proj), [T, KV, D]), keyNorm), angles);
    let v = t.reshape(linear(t, h, v_proj), [T, KV, D]);
    if (cache) ({ k, v } = cache.extend(t, index, k, v));
    const a = attention(t, q, k, v, ranges, { scale: config.scoreScale });
    const x1 = add(t, x, norm(linear(t, t.reshape(a, [T, H * D]), o_proj), behindAttention));
    const f = norm(x1, forwardNorm);
    const gated = glu(t, linear(t, f, gate_proj), linear(t, f, up_proj), config.activation);
    return add(t, x1, norm(linear(t, gated, down_proj), behindForward));
  };
}

/** What a batch gives the whole stack. */
export interface TextBatch {
  tables: BatchTables;
  rows: TokenRows;
  /** Angles of the tokens in layers of one kind. */
  rotaryOf: (type: LayerType) => Rotary;
  /** (T): the tokens of one number see all of each other; −1: none. Default: none do. */
  blockIds?: Int32Array | undefined;
  /** What the first layers, one each, add to their output: rows of what an earlier stage gave under a name. */
  joins?: readonly Join[];
}

export interface Join {
  name: string;
  /** (T, rows of what is joined) */
  mixture: RowMixture;
}

/** Token embedding, layers, last norm. */
export interface Decoder {
  embedding: Parameter;
  finalNorm: Model['finalNorm'];
  /** From image features (N, C) to hidden states (T, C): a stage for the embedding and one for each layer. */
  stages(batch: TextBatch, options: PrepareOptions): Stage[];
}

/** @param m `model` by itself, `model.language_model` and the like beside a vision tower */
export function decoder(m: Modules, config: DecoderConfig): Decoder {
  const embedding = m.embedding('embed_tokens', [config.vocabSize, config.hiddenSize]);
  const layers = Array.from({ length: config.layers }, (_, i) => {
    const at = m.at(`layers.${i}`);
    return { at, forward: decoderLayer(at, i, config) };
  });
  const lastNorm = m.norm('norm', config.hiddenSize);
  return {
    embedding,
    finalNorm: (t, x) => rmsNorm(t, x, lastNorm, config.rmsNormEps, config.normOffset),
    stages({ tables, rows, rotaryOf, blockIds, joins = [] }, { cache, grad = false }) {
      const embed = embeddingStage(`${m.name}.embed_tokens`, tables, rows, embedding, { grad, scale: config.embeddingScale });
      const uploaded = new Map<Rotary, RopeTables>();
      const anglesOf = (type: LayerType): RopeTables => {
        const angles = rotaryOf(type);
        if (!uploaded.has(angles)) uploaded.set(angles, tables.rotary(angles, rows.ids.length));
        return uploaded.get(angles)!;
      };
      const context: LayerContext = {
        cache,
        tables: new Map(
          [...new Set(config.layerTypes)].map((type) => {
            const window = type === 'sliding_attention' ? config.slidingWindow : null;
            const rules = { ...(blockIds && { blockIds }), ...(window !== null && { window }) };
            return [type, { angles: anglesOf(type), ranges: tables.textRanges(rows, cache, rules) }] as const;
          }),
        ),
      };
      const stages = layers.map(({ at, forward }, i) => {
        const join = joins[i];
        if (!join) return stage(at, (t, x) => forward(t, x, context));
        const names = { reads: [HIDDEN, join.name], writes: [HIDDEN] };
        return namedStage(at, names, (t, given) => ({
          [HIDDEN]: addRows(t, forward(t, given[HIDDEN]!, context), given[join.name]!, join.mixture),
        }));
      });
      return [embed, ...stages];
    },
  };
}

/** The output head, (V, C), which `describeModel` leaves out where it is tied. */
export function headOf(m: Modules, { vocabSize, hiddenSize }: DecoderSizes): Parameter {
  return m.linear(HEAD.replace(/\.weight$/, ''), [vocabSize, hiddenSize]).weight;
}

/** Angles of tokens with one position each, for layers of each kind. @param positionIds (T) */
export function rotaryByType(
  positionIds: Int32Array,
  rope: Readonly<Partial<Record<LayerType, RopeConfig>>>,
  headDim: number,
): (type: LayerType) => Rotary {
  const made = new Map<RopeConfig, Rotary>();
  return (type) => {
    const settings = rope[type];
    if (!settings) throw new Error(`no rotary settings for ${type}`);
    let found = made.get(settings);
    if (!found) {
      const { frequencies, scale } = ropeFrequencies(settings, headDim);
      found = rotary(positionIds.length, frequencies.length, (t, d) => [positionIds[t] ?? 0, frequencies[d] ?? 0], scale);
      made.set(settings, found);
    }
    return found;
  };
}
