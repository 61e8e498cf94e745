/**
 * Qwen2.5-VL (Bai et al. 2025, arXiv:2502.13923) as a chain of stages: patch embedding, vision blocks, merger, token embedding, text
 * layers.
 */
import type { Example } from '../../data/example.ts';
import { smartResize } from '../../data/image.ts';
import type { Device } from '../../gpu/device.ts';
import { BatchTables, concatPositions, tokenRows } from '../batchTables.ts';
import { decoder, headOf } from '../blocks/decoder.ts';
import { describeModel } from '../describe.ts';
import type { Model, ModelDescription, PreparedBatch, PrepareOptions } from '../model.ts';
import type { Modules } from '../modules.ts';
import { sampleTokens } from '../sampleRow.ts';
import type { SampleRow } from '../sampleRow.ts';
import { HIDDEN } from '../stages.ts';
import { DEFAULT_MAX_PIXELS, DEFAULT_MIN_PIXELS, parseQwen2_5VLConfig } from './config.ts';
import type { Qwen2_5VLConfig } from './config.ts';
import { imageTokens, mropePositions, textRotary } from './positions.ts';
import { qwen2_5Vision } from './vision.ts';

export function describeQwen2_5VL(json: Readonly<Record<string, unknown>>, source: string): ModelDescription {
  const config = parseQwen2_5VLConfig(json, source);
  return describeModel({
    tiedHead: config.tieWordEmbeddings,
    embedding: 'model.language_model.embed_tokens.weight',
    build: (m) => qwen2_5VL(m, config),
    sample: (row) => sampleExample(row, config),
  });
}

function sampleExample(row: SampleRow, { vision, imageTokenId }: Qwen2_5VLConfig): Example {
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

function qwen2_5VL(m: Modules, { text, vision, imageTokenId }: Qwen2_5VLConfig): Model {
  const visionStages = qwen2_5Vision(m.at('model.visual'), vision);
  const stack = decoder(m.at('model.language_model'), text);
  return {
    modelType: 'qwen2_5_vl',
    head: headOf(m, text),
    vocabSize: text.vocabSize,
    finalNorm: stack.finalNorm,
    prepare(device: Device, examples: readonly Example[], options: PrepareOptions = {}): PreparedBatch {
      const tables = new BatchTables(device);
      const grids = examples.flatMap((example) => example.imageGrids);
      const features = grids.reduce((sum, grid) => sum + imageTokens(grid, vision.spatialMergeSize), 0);
      // A model that writes the image token itself, in an answer, reads it as text.
      const image = features > 0 || !options.cache ? { imageTokenId } : {};
      const rows = tokenRows(examples, { vocabSize: text.vocabSize, features, ...image });
      const input = features > 0 ? tables.pixels(examples, features * vision.spatialMergeSize ** 2) : tables.noFeatures(text.hiddenSize);
      const stages = features > 0 ? visionStages(tables, grids) : [];
      const angles = textRotary(concatPositions(examples, rows.rowLengths, 3), text);
      stages.push(...stack.stages({ tables, rows, rotaryOf: () => angles }, options));
      return { inputs: { [HIDDEN]: input }, stages, tables: tables.tables, tokens: rows.ids.length };
    },
  };
}
