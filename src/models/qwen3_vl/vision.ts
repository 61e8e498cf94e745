/**
 * The vision tower of Qwen3-VL (transformers' Qwen3VLVisionModel): forward only. Patches take their place in a learned table beside rotary
 * angles; every patch sees its whole picture; besides the last block, a few others hand on their output, merged (DeepStack, Meng et al.
 * 2024, arXiv:2406.04334).
 */
import type { Tensor } from '../../gpu/tensor.ts';
import { activation } from '../../ops/activation.ts';
import { add } from '../../ops/add.ts';
import { addRows } from '../../ops/addRows.ts';
import { attention } from '../../ops/attention.ts';
import type { AttentionRanges } from '../../ops/attention.ts';
import { segmentRanges } from '../../ops/attentionRanges.ts';
import { layerNorm } from '../../ops/layerNorm.ts';
import { linear } from '../../ops/linear.ts';
import { rope } from '../../ops/rope.ts';
import type { RopeTables } from '../../ops/rope.ts';
import { splitColumns } from '../../ops/splitColumns.ts';
import type { Tape } from '../../ops/tape.ts';
import type { VisionStages } from '../blocks/qwenVision.ts';
import type { Modules } from '../modules.ts';
import { frameSeqlens, visionRotary } from '../qwenPositions.ts';
import { HIDDEN, namedStage, stage } from '../stages.ts';
import type { Stage } from '../stages.ts';
import type { Qwen3VLVisionConfig } from './config.ts';
import { positionMixture } from './positions.ts';

/** Names of the deep features in the order of the text layers that take them: as their blocks follow each other. */
export function deepNames({ deepBlocks }: Qwen3VLVisionConfig): string[] {
  return deepBlocks.toSorted((a, b) => a - b).map(deepName);
}

function deepName(block: number): string {
  return `features of block ${block}`;
}

/** @param m `model.visual` */
export function qwen3Vision(m: Modules, config: Qwen3VLVisionConfig): VisionStages {
  const { hiddenSize: C, patchSize, temporalPatchSize, inChannels, positions, deepBlocks } = config;
  const patchEmbedding = m.at('patch_embed');
  const patches = patchEmbedding.linear('proj', [C, inChannels, temporalPatchSize, patchSize, patchSize], { bias: true });
  const positionEmbedding = m.at('pos_embed');
  const table = positionEmbedding.embedding('', [positions, C]);
  const blocks = Array.from({ length: config.depth }, (_, i) => {
    const at = m.at(`blocks.${i}`);
    return { at, forward: visionBlock(at, config) };
  });
  const merger = m.at('merger');
  const merge = mergerOf(merger, config, C);
  const deep = deepBlocks.map((block, i) => {
    const at = m.at(`deepstack_merger_list.${i}`);
    return { block, at, forward: mergerOf(at, config, config.spatialMergeSize ** 2 * C) };
  });

  return (tables, grids) => {
    const frames = Array.from(frameSeqlens(grids));
    const N = frames.at(-1)!;
    const angles = tables.rotary(visionRotary(grids, config), N);
    const ranges = tables.ranges(segmentRanges(frames), N);
    const places = tables.mixture(positionMixture(grids, config), positions);
    const blockStages = blocks.flatMap(({ at, forward }, i): Stage[] => {
      const block = stage(at, (t, x) => forward(t, x, angles, ranges));
      const merged = deep.find((each) => each.block === i);
      if (!merged) return [block];
      const name = deepName(i);
      return [
        block,
        namedStage(merged.at, { reads: [HIDDEN], writes: [name] }, (t, given) => ({ [name]: merged.forward(t, given[HIDDEN]) })),
      ];
    });
    return [
      stage(patchEmbedding, (t, pixels) => linear(t, pixels, patches)),
      stage(positionEmbedding, (t, x) => addRows(t, x, table, places)),
      ...blockStages,
      stage(merger, merge),
    ];
  };
}

/** x (N, C) → (N/merge², text C), normalised over `width` values: a patch, or, for deep features, the patches that become one. */
function mergerOf(m: Modules, config: Qwen3VLVisionConfig, width: number): (t: Tape, x: Tensor) => Tensor {
  const merged = config.hiddenSize * config.spatialMergeSize ** 2;
  const norm = m.layerNorm('norm', width);
  const into = m.linear('linear_fc1', [merged, merged], { bias: true });
  const out = m.linear('linear_fc2', [config.outHiddenSize, merged], { bias: true });
  return (t, x) => {
    const normed = layerNorm(t, t.reshape(x, [x.size / width, width]), norm.weight, norm.bias, config.layerNormEps);
    return linear(t, activation(t, linear(t, t.reshape(normed, [x.size / merged, merged]), into), 'gelu'), out);
  };
}

/** x (N, C) → (N, C). */
type Block = (t: Tape, x: Tensor, angles: RopeTables, ranges: AttentionRanges) => Tensor;

function visionBlock(m: Modules, config: Qwen3VLVisionConfig): Block {
  const { hiddenSize: C, intermediateSize: F, heads: H, headDim: D, layerNormEps: eps, hiddenAct } = config;
  const norm1 = m.layerNorm('norm1', C);
  const norm2 = m.layerNorm('norm2', C);
  const qkv = m.linear('attn.qkv', [3 * C, C], { bias: true });
  const proj = m.linear('attn.proj', [C, C], { bias: true });
  const fc1 = m.linear('mlp.linear_fc1', [F, C], { bias: true });
  const fc2 = m.linear('mlp.linear_fc2', [C, F], { bias: true });
  return (t, x, angles, ranges) => {
    const N = x.shape[0]!;
    const h = layerNorm(t, x, norm1.weight, norm1.bias, eps);
    const parts = splitColumns(t, linear(t, h, qkv), [C, C, C]).map((part) => t.reshape(part, [N, H, D]));
    const [q, k, v] = parts as [Tensor, Tensor, Tensor];
    const a = attention(t, rope(t, q, angles), rope(t, k, angles), v, ranges, { scale: D ** -0.5 });
    const x1 = add(t, x, linear(t, t.reshape(a, [N, C]), proj));
    const f = layerNorm(t, x1, norm2.weight, norm2.bias, eps);
    return add(t, x1, linear(t, activation(t, linear(t, f, fc1), hiddenAct), fc2));
  };
}
