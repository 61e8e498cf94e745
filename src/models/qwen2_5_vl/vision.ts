/**
 * The vision tower of Qwen2.5-VL (transformers' Qwen2_5_VisionTransformer): forward only. Patches are in window order from the embedding to
 * the merger.
 */
import type { Tensor } from '../../gpu/tensor.ts';
import { activation } from '../../ops/activation.ts';
import { add } from '../../ops/add.ts';
import { attention } from '../../ops/attention.ts';
import type { AttentionRanges } from '../../ops/attention.ts';
import { glu } from '../../ops/glu.ts';
import { linear } from '../../ops/linear.ts';
import { isTrainable } from '../../ops/parameter.ts';
import type { LinearLayer, Parameter } from '../../ops/parameter.ts';
import { permuteRows } from '../../ops/permuteRows.ts';
import { rmsNorm } from '../../ops/rmsNorm.ts';
import { rope } from '../../ops/rope.ts';
import { splitColumns } from '../../ops/splitColumns.ts';
import type { Tape } from '../../ops/tape.ts';
import type { Stage } from '../stages.ts';
import type { Shape, Weights } from '../weights.ts';
import type { Qwen2_5VLVisionConfig } from './config.ts';

export const VISION = 'model.visual';

export interface VisionBlock {
  norm1: Parameter;
  qkv: LinearLayer;
  proj: LinearLayer;
  norm2: Parameter;
  gate: LinearLayer;
  up: LinearLayer;
  down: LinearLayer;
}

export interface VisionTower {
  patchEmbed: LinearLayer;
  blocks: VisionBlock[];
  mergerNorm: Parameter;
  mergerIn: LinearLayer;
  mergerOut: LinearLayer;
}

/** What a batch gives every block; rope rows are in window order. */
export interface VisionContext {
  rope: { cos: Tensor; sin: Tensor };
  windows: AttentionRanges;
  frames: AttentionRanges;
  /** (N/merge²) place in window order → merged patch, and its inverse. */
  windowIndex: Tensor;
  windowInverse: Tensor;
}

export function visionShapes(config: Qwen2_5VLVisionConfig): [string, Shape][] {
  const { hiddenSize: C, intermediateSize: F, patchSize, temporalPatchSize, spatialMergeSize, inChannels, outHiddenSize } = config;
  const shapes: [string, Shape][] = [[`${VISION}.patch_embed.proj.weight`, [C, inChannels, temporalPatchSize, patchSize, patchSize]]];
  for (let i = 0; i < config.depth; i++) {
    const block = `${VISION}.blocks.${i}`;
    const linears: [string, number, number][] = [
      ['attn.qkv', 3 * C, C],
      ['attn.proj', C, C],
      ['mlp.gate_proj', F, C],
      ['mlp.up_proj', F, C],
      ['mlp.down_proj', C, F],
    ];
    shapes.push([`${block}.norm1.weight`, [C]], [`${block}.norm2.weight`, [C]]);
    for (const [name, out, into] of linears) shapes.push([`${block}.${name}.weight`, [out, into]], [`${block}.${name}.bias`, [out]]);
  }
  const merged = C * spatialMergeSize ** 2;
  shapes.push(
    [`${VISION}.merger.ln_q.weight`, [C]],
    [`${VISION}.merger.mlp.0.weight`, [merged, merged]],
    [`${VISION}.merger.mlp.0.bias`, [merged]],
    [`${VISION}.merger.mlp.2.weight`, [outHiddenSize, merged]],
    [`${VISION}.merger.mlp.2.bias`, [outHiddenSize]],
  );
  return shapes;
}

export function visionTower(weights: Weights, config: Qwen2_5VLVisionConfig): VisionTower {
  return {
    patchEmbed: weights.linear(`${VISION}.patch_embed.proj`),
    blocks: Array.from({ length: config.depth }, (_, i) => {
      const at = `${VISION}.blocks.${i}`;
      return {
        norm1: weights.parameter(`${at}.norm1.weight`),
        qkv: weights.linear(`${at}.attn.qkv`),
        proj: weights.linear(`${at}.attn.proj`),
        norm2: weights.parameter(`${at}.norm2.weight`),
        gate: weights.linear(`${at}.mlp.gate_proj`),
        up: weights.linear(`${at}.mlp.up_proj`),
        down: weights.linear(`${at}.mlp.down_proj`),
      };
    }),
    mergerNorm: weights.parameter(`${VISION}.merger.ln_q.weight`),
    mergerIn: weights.linear(`${VISION}.merger.mlp.0`),
    mergerOut: weights.linear(`${VISION}.merger.mlp.2`),
  };
}

/** Stages from pixels (N, channels·frames·patch²) to image features (N/merge², out). */
export function visionStages(tower: VisionTower, config: Qwen2_5VLVisionConfig, context: VisionContext): Stage[] {
  const merge = config.spatialMergeSize ** 2;
  const full = new Set(config.fullAttentionBlocks);
  return [
    {
      name: `${VISION}.patch_embed`,
      trainable: isTrainable(tower.patchEmbed),
      forward: (t, pixels) => {
        const x = linear(t, pixels, tower.patchEmbed);
        const [N, C] = x.shape as [number, number];
        const grouped = t.reshape(x, [N / merge, merge * C]);
        const y = t.reshape(permuteRows(t, grouped, context.windowIndex, context.windowInverse), [N, C]);
        return y;
      },
    },
    ...tower.blocks.map((block, i) => ({
      name: `${VISION}.blocks.${i}`,
      trainable: visionBlockTrains(block),
      forward: (t: Tape, x: Tensor): Tensor => visionBlock(t, x, block, config, context, full.has(i) ? context.frames : context.windows),
    })),
    {
      name: `${VISION}.merger`,
      trainable: isTrainable(tower.mergerIn) || isTrainable(tower.mergerOut) || tower.mergerNorm.grad !== undefined,
      forward: (t, x) => {
        const [N, C] = x.shape as [number, number];
        const h = t.reshape(rmsNorm(t, x, tower.mergerNorm, config.rmsNormEps), [N / merge, merge * C]);
        const y = linear(t, activation(t, linear(t, h, tower.mergerIn), 'gelu'), tower.mergerOut);
        return permuteRows(t, y, context.windowInverse, context.windowIndex);
      },
    },
  ];
}

function visionBlockTrains(b: VisionBlock): boolean {
  return [b.qkv, b.proj, b.gate, b.up, b.down].some(isTrainable) || b.norm1.grad !== undefined || b.norm2.grad !== undefined;
}

/** x (N, C) → (N, C). */
function visionBlock(
  t: Tape,
  x: Tensor,
  b: VisionBlock,
  config: Qwen2_5VLVisionConfig,
  context: VisionContext,
  ranges: AttentionRanges,
): Tensor {
  const [N, C] = x.shape as [number, number];
  const { heads: H, headDim: D, rmsNormEps: eps } = config;
  const parts = splitColumns(t, linear(t, rmsNorm(t, x, b.norm1, eps), b.qkv), [C, C, C]).map((part) => t.reshape(part, [N, H, D]));
  const [q, k, v] = parts as [Tensor, Tensor, Tensor];
  const a = attention(t, rope(t, q, context.rope), rope(t, k, context.rope), v, ranges, { scale: D ** -0.5 });
  const x1 = add(t, x, linear(t, t.reshape(a, [N, C]), b.proj));
  const m = rmsNorm(t, x1, b.norm2, eps);
  return add(t, x1, linear(t, glu(t, linear(t, m, b.gate), linear(t, m, b.up), 'silu'), b.down));
}
