/**
 * What a model family gives the trainer: the shapes of its parameters, a way to build itself from loaded weights, and for every micro-batch
 * the chain of stages with the tables they read. Everything else (loss, checkpointing, generation) is the same for all families.
 */
import type { Device } from '../gpu/device.ts';
import type { Tensor } from '../gpu/tensor.ts';
import type { Example, Processor } from '../data/example.ts';
import type { Parameter } from '../ops/parameter.ts';
import type { Tape } from '../ops/tape.ts';
import type { Platform } from '../platform.ts';
import type { KeyValueCache } from './keyValueCache.ts';
import type { PictureFeatures } from './pictureFeatures.ts';
import type { SampleRow } from './sampleRow.ts';
import type { Spellings } from '../io/names.ts';
import type { ModuleKind } from '../io/peftTargets.ts';
import type { Stage, Tensors } from './stages.ts';
import type { Vision } from './vision.ts';
import type { Shape, Weights } from './weights.ts';

/** One micro-batch on the GPU. */
export interface PreparedBatch {
  /** What the stages are given, by name; the chain takes it over. */
  inputs: Tensors;
  stages: Stage[];
  /** Tables that the stages read; released after the micro-batch. */
  tables: Tensor[];
  /** Rows of all examples together. */
  tokens: number;
}

export interface PrepareOptions {
  /**
   * Generation: keys and values of the tokens before. The examples continue the sequences that the cache has begun; it gives the attention
   * ranges.
   */
  cache?: KeyValueCache;
  /** Full fine-tuning needs gradients of repeated token ids added in a fixed order. */
  grad?: boolean;
  /** Of the pictures, by name, where they are there already: the stages are those of the text, which take them over. */
  features?: Tensors;
}

export interface Model {
  readonly modelType: string;
  /** The output head (V, C); the embedding table itself when tied. */
  readonly head: Parameter;
  readonly vocabSize: number;
  /** Logits are capped softly at ±this (Gemma 2's final_logit_softcapping); 0 or absent: they are not. */
  readonly logitSoftcap?: number;
  /** Absent where the model reads text only. */
  readonly vision?: Vision;
  /** Where nothing trains that sees: what it has made of pictures, and makes of others. */
  readonly pictures?: PictureFeatures;
  prepare(device: Device, examples: readonly Example[], options?: PrepareOptions): PreparedBatch;
  /** Last hidden state → what the head multiplies. */
  finalNorm(t: Tape, x: Tensor): Tensor;
}

/**
 * What the tokens of an image see of each other: all, as Gemma 3 was made, or those before them, as FlashAttention-2 lets them in the
 * reference.
 */
export type ImageAttention = 'bidirectional' | 'causal';

export interface DescribeOptions {
  /** Default bidirectional; of no meaning to a family whose images are causal anyway. */
  imageAttention?: ImageAttention;
}

/** The size that images are brought to; each replaces what the model folder says. */
export interface PixelBounds {
  /** Bounds on the area, in pixels. */
  minPixels?: number;
  maxPixels?: number;
  /** Images are cut into tiles, where the family can. */
  isSplit?: boolean;
  /** Longer side before they are cut, in pixels. */
  longestEdge?: number;
}

/** Of what a run is told, that. */
export function pixelBounds({ minPixels, maxPixels, isSplit, longestEdge }: PixelBounds): PixelBounds {
  return {
    ...(minPixels !== undefined && { minPixels }),
    ...(maxPixels !== undefined && { maxPixels }),
    ...(isSplit !== undefined && { isSplit }),
    ...(longestEdge !== undefined && { longestEdge }),
  };
}

/** A family, by Hugging Face `model_type`; src/models/families.ts lists them. */
export interface ModelFamily {
  /** What people call it. */
  title: string;
  /** Repositories of the hub that are of it. */
  examples: readonly string[];
  /** It reads no pictures. */
  isTextOnly: boolean;
  spellings: Spellings;
  /** Canonical parameter names and shapes, in the order of the module tree; throws a UserError for a configuration it cannot compute. */
  describe(config: Readonly<Record<string, unknown>>, source: string, options?: DescribeOptions): ModelDescription;
  processor(platform: Platform, dir: string, pixels: PixelBounds): Promise<Processor>;
  /** It cuts images into tiles: `isSplit` and `longestEdge` mean something. */
  cutsTiles?: true;
  /** transformers' `max_position_embeddings` of the text model, for a configuration that states none. */
  defaultPositions: number;
}

export interface ModelDescription {
  /** Every parameter but a tied head, in the order of the module tree. */
  shapes: Map<string, Shape>;
  /** What each module is to PEFT. */
  kinds: ReadonlyMap<string, ModuleKind>;
  /** The head shares the embedding's weights; what `describe` says of the configuration, `withHeadOf` (head.ts) says of the weights. */
  tiedHead: boolean;
  /** The head stands alone although the configuration ties it; a model written from this one must say so. */
  untiesConfig?: boolean;
  /** Canonical name of the embedding table, which a tied head is. */
  embedding: string;
  build(weights: Weights): Model;
  /** A row with one picture, where the model sees pictures, for planning memory. */
  sample(row: SampleRow): Example;
}

export const HEAD = 'lm_head.weight';
