/**
 * SigLIP (Zhai et al. 2023; transformers' SiglipVisionModel) and Gemma 3's projector: patches with learnt positions, blocks in which every
 * patch sees its whole image, a norm, an average over squares of patches, a norm and a matrix into the text's width. Forward only.
 */
import type { Tensor } from '../../gpu/tensor.ts';
import { activation } from '../../ops/activation.ts';
import { add } from '../../ops/add.ts';
import { attention } from '../../ops/attention.ts';
import type { AttentionRanges } from '../../ops/attention.ts';
import { averagePool } from '../../ops/averagePool.ts';
import { embed } from '../../ops/embed.ts';
import type { TokenGroups } from '../../ops/embed.ts';
import { layerNorm } from '../../ops/layerNorm.ts';
import { linear } from '../../ops/linear.ts';
import { isTrainable } from '../../ops/parameter.ts';
import type { LinearLayer, Parameter } from '../../ops/parameter.ts';
import { project } from '../../ops/project.ts';
import { rmsNorm } from '../../ops/rmsNorm.ts';
import type { Tape } from '../../ops/tape.ts';
import type { Stage } from '../stages.ts';
import type { Shape, Weights } from '../weights.ts';
import type { Gemma3Config, Gemma3VisionConfig } from './config.ts';

export const VISION = 'model.vision_tower.vision_model';
export const PROJECTOR = 'model.multi_modal_projector';

/** nn.LayerNorm: weight and bias. */
interface LayerNorm {
  weight: Parameter;
  bias: Parameter;
}

interface VisionBlock {
  norm1: LayerNorm;
  q: LinearLayer;
  k: LinearLayer;
  v: LinearLayer;
  out: LinearLayer;
  norm2: LayerNorm;
  fc1: LinearLayer;
  fc2: LinearLayer;
}

export interface VisionTower {
  patchEmbedding: LinearLayer;
  /** (N, C) a row for each patch of an image */
  positions: Parameter;
  blocks: VisionBlock[];
  postNorm: LayerNorm;
  softNorm: Parameter;
  /** (vision C, text C), applied from the right: not a linear layer, so no LoRA reaches it */
  projection: Parameter;
}

/** What a batch gives the tower. */
export interface VisionContext {
  images: number;
  /** (images · N) u32: the patch's place in its image */
  places: Tensor;
  /** The same by place, where positions train. */
  placeGroups?: TokenGroups<Tensor>;
  ranges: AttentionRanges;
}

export function visionShapes({ vision, text }: Gemma3Config): [string, Shape][] {
  const { hiddenSize: C, intermediateSize: F, channels, patchSize, patchesPerSide } = vision;
  const shapes: [string, Shape][] = [];
  const withBias = (name: string, ...shape: number[]): void => {
    shapes.push([`${name}.weight`, shape], [`${name}.bias`, [shape[0]!]]);
  };
  withBias(`${VISION}.embeddings.patch_embedding`, C, channels, patchSize, patchSize);
  shapes.push([`${VISION}.embeddings.position_embedding.weight`, [patchesPerSide ** 2, C]]);
  for (let i = 0; i < vision.layers; i++) {
    const block = `${VISION}.encoder.layers.${i}`;
    withBias(`${block}.layer_norm1`, C);
    for (const name of ['k_proj', 'v_proj', 'q_proj', 'out_proj']) withBias(`${block}.self_attn.${name}`, C, C);
    withBias(`${block}.layer_norm2`, C);
    withBias(`${block}.mlp.fc1`, F, C);
    withBias(`${block}.mlp.fc2`, C, F);
  }
  withBias(`${VISION}.post_layernorm`, C);
  if (vision.hasHead) {
    // Never run here, but a part of the checkpoint: all-linear reaches it in PEFT too, and a fully trained model is saved with it.
    const head = `${VISION}.head`;
    shapes.push(
      [`${head}.probe`, [1, 1, C]],
      [`${head}.attention.in_proj_weight`, [3 * C, C]],
      [`${head}.attention.in_proj_bias`, [3 * C]],
    );
    withBias(`${head}.attention.out_proj`, C, C);
    withBias(`${head}.layernorm`, C);
    withBias(`${head}.mlp.fc1`, F, C);
    withBias(`${head}.mlp.fc2`, C, F);
  }
  shapes.push([`${PROJECTOR}.mm_input_projection_weight`, [C, text.hiddenSize]], [`${PROJECTOR}.mm_soft_emb_norm.weight`, [C]]);
  return shapes;
}

export function visionTower(weights: Weights, config: Gemma3VisionConfig): VisionTower {
  const norm = (name: string): LayerNorm => ({ weight: weights.parameter(`${name}.weight`), bias: weights.parameter(`${name}.bias`) });
  return {
    patchEmbedding: weights.linear(`${VISION}.embeddings.patch_embedding`),
    positions: weights.parameter(`${VISION}.embeddings.position_embedding.weight`),
    blocks: Array.from({ length: config.layers }, (_, i) => {
      const at = `${VISION}.encoder.layers.${i}`;
      return {
        norm1: norm(`${at}.layer_norm1`),
        q: weights.linear(`${at}.self_attn.q_proj`),
        k: weights.linear(`${at}.self_attn.k_proj`),
        v: weights.linear(`${at}.self_attn.v_proj`),
        out: weights.linear(`${at}.self_attn.out_proj`),
        norm2: norm(`${at}.layer_norm2`),
        fc1: weights.linear(`${at}.mlp.fc1`),
        fc2: weights.linear(`${at}.mlp.fc2`),
      };
    }),
    postNorm: norm(`${VISION}.post_layernorm`),
    softNorm: weights.parameter(`${PROJECTOR}.mm_soft_emb_norm.weight`),
    projection: weights.parameter(`${PROJECTOR}.mm_input_projection_weight`),
  };
}

/** Stages from pixels (images · N, channels · patch²) to image features (images · tokens, text C). */
export function visionStages(tower: VisionTower, config: Gemma3Config, context: VisionContext): Stage[] {
  const { vision } = config;
  const { images, places, placeGroups } = context;
  return [
    {
      name: `${VISION}.embeddings`,
      trainable: isTrainable(tower.patchEmbedding) || trains(tower.positions),
      forward: (t, pixels) => {
        const positions = embed(t, places, tower.positions, { ...(placeGroups && { groups: placeGroups }) });
        return add(t, linear(t, pixels, tower.patchEmbedding), positions);
      },
    },
    ...tower.blocks.map((block, i) => ({
      name: `${VISION}.encoder.layers.${i}`,
      trainable: visionBlockTrains(block),
      forward: (t: Tape, x: Tensor): Tensor => visionBlock(t, x, block, vision, context.ranges),
    })),
    {
      name: `${VISION}.post_layernorm`,
      trainable: trains(tower.postNorm.weight, tower.postNorm.bias),
      forward: (t, x) => layerNorm(t, x, tower.postNorm.weight, tower.postNorm.bias, vision.layerNormEps),
    },
    {
      name: PROJECTOR,
      trainable: trains(tower.softNorm, tower.projection),
      forward: (t, x) => {
        const pooled = averagePool(t, x, { images, side: vision.patchesPerSide, kernel: config.poolSize });
        return project(t, rmsNorm(t, pooled, tower.softNorm, vision.layerNormEps, 1), tower.projection);
      },
    },
  ];
}

function trains(...parameters: Parameter[]): boolean {
  return parameters.some(({ grad }) => grad !== undefined);
}

function visionBlockTrains(b: VisionBlock): boolean {
  return [b.q, b.k, b.v, b.out, b.fc1, b.fc2].some(isTrainable) || trains(b.norm1.weight, b.norm1.bias, b.norm2.weight, b.norm2.bias);
}

/** x (N, C) → (N, C). */
function visionBlock(t: Tape, x: Tensor, b: VisionBlock, config: Gemma3VisionConfig, ranges: AttentionRanges): Tensor {
  const [N, C] = x.shape as [number, number];
  const { heads: H, headDim: D, layerNormEps: eps } = config;
  const h = layerNorm(t, x, b.norm1.weight, b.norm1.bias, eps);
  const heads = (layer: LinearLayer): Tensor => t.reshape(linear(t, h, layer), [N, H, D]);
  const a = attention(t, heads(b.q), heads(b.k), heads(b.v), ranges, { scale: D ** -0.5 });
  const x1 = add(t, x, linear(t, t.reshape(a, [N, C]), b.out));
  const m = layerNorm(t, x1, b.norm2.weight, b.norm2.bias, eps);
  return add(t, x1, linear(t, activation(t, linear(t, m, b.fc1), config.activation), b.fc2));
}
