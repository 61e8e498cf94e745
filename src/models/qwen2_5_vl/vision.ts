/**
 * The vision tower of Qwen2.5-VL (transformers' Qwen2_5_VisionTransformer): forward only. Patches are in window order from the embedding to
 * the merger.
 */
import type { Tensor } from '../../gpu/tensor.ts';
import { activation } from '../../ops/activation.ts';
import { add } from '../../ops/add.ts';
import { attention } from '../../ops/attention.ts';
import type { AttentionRanges } from '../../ops/attention.ts';
import { segmentRanges } from '../../ops/attentionRanges.ts';
import { glu } from '../../ops/glu.ts';
import { linear } from '../../ops/linear.ts';
import { permuteRows } from '../../ops/permuteRows.ts';
import { rmsNorm } from '../../ops/rmsNorm.ts';
import { rope } from '../../ops/rope.ts';
import type { RopeTables } from '../../ops/rope.ts';
import { splitColumns } from '../../ops/splitColumns.ts';
import type { Tape } from '../../ops/tape.ts';
import type { VisionStages } from '../blocks/qwenVision.ts';
import type { Modules } from '../modules.ts';
import { frameSeqlens, visionRotary } from '../qwenPositions.ts';
import type { Rotary } from '../rotary.ts';
import { stage } from '../stages.ts';
import type { Qwen2_5VLVisionConfig } from './config.ts';
import { windowOrder } from './positions.ts';

/** @param m `model.visual` */
export function qwen2_5Vision(m: Modules, config: Qwen2_5VLVisionConfig): VisionStages {
  const { hiddenSize: C, patchSize, temporalPatchSize, inChannels } = config;
  const merge = config.spatialMergeSize ** 2;
  const embedding = m.at('patch_embed');
  const patches = embedding.linear('proj', [C, inChannels, temporalPatchSize, patchSize, patchSize]);
  const blocks = Array.from({ length: config.depth }, (_, i) => {
    const at = m.at(`blocks.${i}`);
    return { at, forward: visionBlock(at, config), isFull: config.fullAttentionBlocks.includes(i) };
  });
  const merger = m.at('merger');
  const mergerNorm = merger.norm('ln_q', C);
  const into = merger.linear('mlp.0', [merge * C, merge * C], { bias: true });
  const out = merger.linear('mlp.2', [config.outHiddenSize, merge * C], { bias: true });

  return (tables, grids) => {
    const { windowIndex, cuWindowSeqlens } = windowOrder(grids, config);
    const N = windowIndex.length * merge;
    const angles = tables.rotary(inWindowOrder(visionRotary(grids, config), windowIndex, merge), N);
    const windows = tables.ranges(segmentRanges(Array.from(cuWindowSeqlens)), N);
    const frames = tables.ranges(segmentRanges(Array.from(frameSeqlens(grids))), N);
    // (N/merge²) place in window order → merged patch, and its inverse.
    const order = tables.upload(Uint32Array.from(windowIndex), [windowIndex.length]);
    const back = tables.upload(inverse(windowIndex), [windowIndex.length]);
    return [
      stage(embedding, (t, pixels) => {
        const grouped = t.reshape(linear(t, pixels, patches), [N / merge, merge * C]);
        return t.reshape(permuteRows(t, grouped, order, back), [N, C]);
      }),
      ...blocks.map(({ at, forward, isFull }) => stage(at, (t, x) => forward(t, x, angles, isFull ? frames : windows))),
      stage(merger, (t, x) => {
        const h = t.reshape(rmsNorm(t, x, mergerNorm, config.rmsNormEps), [N / merge, merge * C]);
        return permuteRows(t, linear(t, activation(t, linear(t, h, into), 'gelu'), out), back, order);
      }),
    ];
  };
}

/** x (N, C) → (N, C). */
type Block = (t: Tape, x: Tensor, angles: RopeTables, ranges: AttentionRanges) => Tensor;

function visionBlock(m: Modules, config: Qwen2_5VLVisionConfig): Block {
  const { hiddenSize: C, intermediateSize: F, heads: H, headDim: D, rmsNormEps: eps } = config;
  const norm1 = m.norm('norm1', C);
  const norm2 = m.norm('norm2', C);
  const qkv = m.linear('attn.qkv', [3 * C, C], { bias: true });
  const proj = m.linear('attn.proj', [C, C], { bias: true });
  const gate = m.linear('mlp.gate_proj', [F, C], { bias: true });
  const up = m.linear('mlp.up_proj', [F, C], { bias: true });
  const down = m.linear('mlp.down_proj', [C, F], { bias: true });
  return (t, x, angles, ranges) => {
    const N = x.shape[0]!;
    const parts = splitColumns(t, linear(t, rmsNorm(t, x, norm1, eps), qkv), [C, C, C]).map((part) => t.reshape(part, [N, H, D]));
    const [q, k, v] = parts as [Tensor, Tensor, Tensor];
    const a = attention(t, rope(t, q, angles), rope(t, k, angles), v, ranges, { scale: D ** -0.5 });
    const x1 = add(t, x, linear(t, t.reshape(a, [N, C]), proj));
    const f = rmsNorm(t, x1, norm2, eps);
    return add(t, x1, linear(t, glu(t, linear(t, f, gate), linear(t, f, up), 'silu'), down));
  };
}

function inverse(order: Int32Array): Uint32Array {
  const out = new Uint32Array(order.length);
  order.forEach((from, place) => (out[from] = place));
  return out;
}

/** Rows of the rotary tables gathered as the patches are: groups of `merge` rows in window order. */
function inWindowOrder(rotary: Rotary, windowIndex: Int32Array, merge: number): Rotary {
  const width = (rotary.cos.length / (windowIndex.length * merge)) * merge;
  const gather = (table: Float32Array): Float32Array => {
    const out = new Float32Array(table.length);
    windowIndex.forEach((from, place) => out.set(table.subarray(from * width, (from + 1) * width), place * width));
    return out;
  };
  return { cos: gather(rotary.cos), sin: gather(rotary.sin) };
}
