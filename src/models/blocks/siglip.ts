/**
 * SigLIP's tower (Zhai et al. 2023; transformers' SiglipVisionTransformer, Idefics3VisionTransformer) without its pooling head: patches
 * with learnt positions, blocks in which every patch sees its whole picture, a norm. Forward only.
 */
import type { Tensor } from '../../gpu/tensor.ts';
import { activation } from '../../ops/activation.ts';
import type { Activation } from '../../ops/activation.ts';
import { add } from '../../ops/add.ts';
import { attention } from '../../ops/attention.ts';
import type { AttentionRanges } from '../../ops/attention.ts';
import { segmentRanges } from '../../ops/attentionRanges.ts';
import { embed, groupByToken } from '../../ops/embed.ts';
import { layerNorm } from '../../ops/layerNorm.ts';
import { linear } from '../../ops/linear.ts';
import type { LinearLayer } from '../../ops/parameter.ts';
import type { Tape } from '../../ops/tape.ts';
import type { BatchTables } from '../batchTables.ts';
import type { Modules } from '../modules.ts';
import { stage } from '../stages.ts';
import type { Stage } from '../stages.ts';

export interface SiglipConfig {
  hiddenSize: number;
  layers: number;
  heads: number;
  headDim: number;
  intermediateSize: number;
  channels: number;
  patchSize: number;
  /** Patches to a side of the square that the positions are learnt for. */
  patchesPerSide: number;
  layerNormEps: number;
  activation: Activation;
}

export interface SiglipBatch {
  tables: BatchTables;
  /** (N) of every patch, which of the learnt positions is its. */
  places: Uint32Array;
  /** First patch of each picture, and N at the end. */
  starts: readonly number[];
  /** A backward pass follows. */
  grad: boolean;
}

export interface Siglip {
  /** From pixels (N, channels · patch²) to (N, C): a stage for the embedding, one for each block, one for the norm. */
  stages(batch: SiglipBatch): Stage[];
}

/** @param m the tower: `model.vision_tower.vision_model`, `model.vision_model` */
export function siglip(m: Modules, config: SiglipConfig): Siglip {
  const { hiddenSize: C, channels, patchSize, patchesPerSide, layerNormEps } = config;
  const embeddings = m.at('embeddings');
  const patchEmbedding = embeddings.linear('patch_embedding', [C, channels, patchSize, patchSize], { bias: true });
  const positions = embeddings.embedding('position_embedding', [patchesPerSide ** 2, C]);
  const blocks = Array.from({ length: config.layers }, (_, i) => {
    const at = m.at(`encoder.layers.${i}`);
    return { at, forward: siglipBlock(at, config) };
  });
  const post = m.at('post_layernorm');
  const postNorm = post.layerNorm('', C);
  return {
    stages({ tables, places, starts, grad }) {
      const groups = positions.grad && grad ? tables.groups(groupByToken(places)) : undefined;
      const uploaded = tables.upload(places, [places.length]);
      const ranges = tables.ranges(segmentRanges([...starts]), places.length);
      return [
        stage(embeddings, (t, pixels) => {
          const learnt = embed(t, uploaded, positions, { ...(groups && { groups }) });
          return add(t, linear(t, pixels, patchEmbedding), learnt);
        }),
        ...blocks.map(({ at, forward }) => stage(at, (t, x) => forward(t, x, ranges))),
        stage(post, (t, x) => layerNorm(t, x, postNorm.weight, postNorm.bias, layerNormEps)),
      ];
    },
  };
}

function siglipBlock(m: Modules, config: SiglipConfig): (t: Tape, x: Tensor, ranges: AttentionRanges) => Tensor {
  const { hiddenSize: C, heads: H, headDim: D, intermediateSize: F, layerNormEps: eps } = config;
  const norm1 = m.layerNorm('layer_norm1', C);
  const [k_proj, v_proj, q_proj, out_proj] = ['k_proj', 'v_proj', 'q_proj', 'out_proj'].map((name) =>
    m.linear(`self_attn.${name}`, [C, C], { bias: true }),
  ) as [LinearLayer, LinearLayer, LinearLayer, LinearLayer];
  const norm2 = m.layerNorm('layer_norm2', C);
  const fc1 = m.linear('mlp.fc1', [F, C], { bias: true });
  const fc2 = m.linear('mlp.fc2', [C, F], { bias: true });
  return (t, x, ranges) => {
    const N = x.shape[0]!;
    const h = layerNorm(t, x, norm1.weight, norm1.bias, eps);
    const heads = (layer: LinearLayer): Tensor => t.reshape(linear(t, h, layer), [N, H, D]);
    const a = attention(t, heads(q_proj), heads(k_proj), heads(v_proj), ranges, { scale: D ** -0.5 });
    const x1 = add(t, x, linear(t, t.reshape(a, [N, C]), out_proj));
    const f = layerNorm(t, x1, norm2.weight, norm2.bias, eps);
    return add(t, x1, linear(t, activation(t, linear(t, f, fc1), config.activation), fc2));
  };
}
