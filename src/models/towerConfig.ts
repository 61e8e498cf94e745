/** What the `config.json` of several families says of the tower that sees, with the checks that they share. */
import type { Activation } from '../ops/activation.ts';
import { dividedHeadSize, fixedHeadSize, refuseAttentionDropout } from './attentionConfig.ts';
import type { SiglipConfig } from './blocks/siglip.ts';
import type { Fields } from './configFields.ts';
import { parseAxialTheta } from './ropeConfig.ts';

export const TOWER_ACTIVATIONS: Readonly<Record<string, Activation>> = {
  gelu_pytorch_tanh: 'gelu_tanh',
  gelu: 'gelu',
  quick_gelu: 'quick_gelu',
  silu: 'silu',
  swish: 'silu',
};

/** SigLIP's tower for square images, of which `patchesPerSide` is left to the family. */
export interface SquareTower extends Omit<SiglipConfig, 'patchesPerSide'> {
  /** Side of the image, in pixels. */
  imageSize: number;
}

/** Where the classes of transformers that have SigLIP's fields differ. */
export interface SquareTowerDefaults {
  hiddenSize: number;
  heads: number;
  patchSize: number;
}

export function parseSquareTower(fields: Fields, defaults: SquareTowerDefaults): SquareTower {
  const hiddenSize = fields.integer('hidden_size', defaults.hiddenSize);
  const heads = fields.integer('num_attention_heads', defaults.heads);
  const headDim = dividedHeadSize(fields, hiddenSize, heads, 'num_attention_heads');
  refuseAttentionDropout(fields);
  const channels = fields.integer('num_channels', 3);
  if (channels !== 3) throw fields.wrong('num_channels', channels, '3: images are RGB');
  return {
    hiddenSize,
    layers: fields.layers('num_hidden_layers', 12),
    heads,
    headDim,
    intermediateSize: fields.integer('intermediate_size', 3072),
    channels,
    imageSize: fields.integer('image_size', 224),
    patchSize: fields.integer('patch_size', defaults.patchSize),
    layerNormEps: fields.positive('layer_norm_eps', 1e-6),
    activation: fields.activation('hidden_act', 'gelu_pytorch_tanh', TOWER_ACTIVATIONS),
  };
}

/** Qwen's tower, which takes pictures of any size in patches. */
export interface QwenTower {
  depth: number;
  hiddenSize: number;
  heads: number;
  headDim: number;
  intermediateSize: number;
  /** Of a feature: the text's hidden size. */
  outHiddenSize: number;
  patchSize: number;
  temporalPatchSize: number;
  spatialMergeSize: number;
  ropeTheta: number;
}

/** Where the classes of transformers differ. */
export type QwenTowerDefaults = Pick<QwenTower, 'depth' | 'hiddenSize' | 'intermediateSize' | 'patchSize'>;

export function parseQwenTower(fields: Fields, defaults: QwenTowerDefaults): QwenTower {
  const hiddenSize = fields.integer('hidden_size', defaults.hiddenSize);
  const heads = fields.integer('num_heads', fields.integer('num_attention_heads', 16));
  const headDim = fixedHeadSize(fields, hiddenSize, heads, 'num_heads');
  if (headDim % 4 !== 0) {
    const expected = `a number that makes the head size (${headDim}) a multiple of 4: its halves rotate with height and width`;
    throw fields.wrong('num_heads', heads, expected);
  }
  return {
    depth: fields.layers('depth', defaults.depth),
    hiddenSize,
    heads,
    headDim,
    intermediateSize: fields.integer('intermediate_size', defaults.intermediateSize),
    outHiddenSize: fields.integer('out_hidden_size', 3584),
    patchSize: fields.integer('patch_size', defaults.patchSize),
    temporalPatchSize: fields.integer('temporal_patch_size', 2),
    spatialMergeSize: fields.integer('spatial_merge_size', 2),
    ropeTheta: parseAxialTheta(fields),
  };
}

/** @param width the text's hidden size @throws UserError where features do not have it: they take the place of embeddings */
export function checkFeatureWidth(fields: Fields, { outHiddenSize }: QwenTower, width: number): void {
  if (outHiddenSize === width) return;
  const expected = `the text's hidden_size (${width}): image features take the place of token embeddings`;
  throw fields.wrong('out_hidden_size', outHiddenSize, expected);
}
