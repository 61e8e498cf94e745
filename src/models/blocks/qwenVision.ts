/**
 * Qwen's vision-language models as a chain of stages: a family's own tower, whose features take the place of their tokens' embeddings, then
 * the decoder with three positions a token. Where the tower gives deep features too, the first text layers take them.
 */
import type { Example } from '../../data/example.ts';
import { smartResize } from '../../data/image.ts';
import type { Device } from '../../gpu/device.ts';
import type { SparseTable } from '../../ops/addRows.ts';
import { BatchTables, concatPositions } from '../batchTables.ts';
import { beginBatch } from '../beginBatch.ts';
import { describeModel } from '../describe.ts';
import type { Model, ModelDescription, PreparedBatch, PrepareOptions } from '../model.ts';
import type { Modules } from '../modules.ts';
import { imageTokens, mropePositions } from '../qwenPositions.ts';
import { DEFAULT_MAX_PIXELS, DEFAULT_MIN_PIXELS } from '../qwenVisionProcessor.ts';
import type { Rotary } from '../rotary.ts';
import { sampleTokens } from '../sampleRow.ts';
import type { SampleRow } from '../sampleRow.ts';
import { HIDDEN } from '../stages.ts';
import type { Vision } from '../vision.ts';
import { decoder, headOf } from './decoder.ts';
import type { DecoderConfig } from './decoder.ts';

export interface QwenVisionConfig {
  modelType: string;
  text: DecoderConfig;
  vision: {
    patchSize: number;
    temporalPatchSize: number;
    spatialMergeSize: number;
    inChannels: number;
    hiddenSize: number;
    intermediateSize: number;
  };
  imageTokenId: number;
  tieWordEmbeddings: boolean;
}

/** Stages from pixels (N, channels·frames·patch²) to image features (N/merge², text C). */
export type VisionStages = Vision['stages'];

export interface QwenVisionParts {
  /** @param m `model.visual` */
  tower(m: Modules): VisionStages;
  /** Angles of the tokens. @param positionIds (3, T) row-major */
  angles(positionIds: Int32Array): Rotary;
  /** Names under which the tower's stages give deep features, (N/merge², text C) each: the first text layers take one each. */
  deep?: readonly string[];
}

export function describeQwenVision(config: QwenVisionConfig, parts: QwenVisionParts): ModelDescription {
  return describeModel({
    tiedHead: config.tieWordEmbeddings,
    embedding: 'model.language_model.embed_tokens.weight',
    build: (m) => qwenVisionModel(m, config, parts),
    sample: (row) => sampleExample(row, config),
  });
}

function sampleExample(row: SampleRow, { vision, imageTokenId }: QwenVisionConfig): Example {
  const { patchSize, temporalPatchSize, spatialMergeSize, inChannels } = vision;
  const { minPixels = DEFAULT_MIN_PIXELS, maxPixels = DEFAULT_MAX_PIXELS } = row;
  const size = smartResize(row.height, row.width, { factor: patchSize * spatialMergeSize, minPixels, maxPixels });
  const grid: [number, number, number] = [1, size.height / patchSize, size.width / patchSize];
  const tokens = sampleTokens(row, { id: imageTokenId, features: imageTokens(grid, spatialMergeSize) });
  const { positionIds } = mropePositions(tokens.inputIds, imageTokenId, [grid], spatialMergeSize);
  return {
    ...tokens,
    positionIds,
    imageGrids: [grid],
    pixelValues: new Float32Array(size.height * size.width * inChannels * temporalPatchSize),
  };
}

function qwenVisionModel(m: Modules, config: QwenVisionConfig, { tower, angles, deep = [] }: QwenVisionParts): Model {
  const { modelType, text, imageTokenId } = config;
  const visual = m.at('model.visual');
  const merge = config.vision.spatialMergeSize;
  const vision: Vision = {
    modules: visual,
    imageTokenId,
    gives: [HIDDEN, ...deep],
    width: text.hiddenSize,
    // Queries, keys and values are one product.
    widest: Math.max(3 * config.vision.hiddenSize, config.vision.intermediateSize),
    patches: ([t, h, w]) => t * h * w,
    features: (grid) => imageTokens(grid, merge),
    stages: tower(visual),
  };
  const stack = decoder(m.at('model.language_model'), text);
  return {
    modelType,
    head: headOf(m, text),
    vocabSize: text.vocabSize,
    vision,
    finalNorm: stack.finalNorm,
    prepare(device: Device, examples: readonly Example[], options: PrepareOptions = {}): PreparedBatch {
      const tables = new BatchTables(device);
      const { rows, features, inputs, stages } = beginBatch(tables, vision, examples, text.vocabSize, options);
      const turned = angles(concatPositions(examples, rows.rowLengths, 3));
      const mixture = features > 0 && deep.length > 0 ? tables.mixture(ownRows(rows.slots), features) : undefined;
      const joins = mixture ? deep.map((name) => ({ name, mixture })) : [];
      stages.push(...stack.stages({ tables, rows, rotaryOf: () => turned, joins }, options));
      return { inputs, stages, tables: tables.tables, tokens: rows.ids.length };
    },
  };
}

/**
 * The features (N, C) of each token (T, C) that stands for a part of an image.
 * @param slots (T): −1 for a text token, else the row of the features
 */
export function ownRows(slots: Int32Array): SparseTable {
  const offsets = new Uint32Array(slots.length + 1);
  const columns: number[] = [];
  slots.forEach((slot, t) => {
    if (slot >= 0) columns.push(slot);
    offsets[t + 1] = columns.length;
  });
  return { offsets, columns: Uint32Array.from(columns), weights: new Float32Array(columns.length).fill(1) };
}
