/**
 * Qwen2.5-VL (Bai et al. 2025, arXiv:2502.13923) as a chain of stages: patch embedding, vision blocks, merger, token embedding, text
 * layers.
 */
import type { Example } from '../../data/example.ts';
import { smartResize } from '../../data/image.ts';
import type { Device } from '../../gpu/device.ts';
import type { Tensor } from '../../gpu/tensor.ts';
import { segmentRanges } from '../../ops/attentionRanges.ts';
import type { Parameter } from '../../ops/parameter.ts';
import { rmsNorm } from '../../ops/rmsNorm.ts';
import type { Tape } from '../../ops/tape.ts';
import { BatchTables, concatPositions, embeddingStage, tokenRows } from '../batchTables.ts';
import { HEAD } from '../model.ts';
import type { Model, ModelDescription, PreparedBatch, PrepareOptions } from '../model.ts';
import { textAttention, textLayers, textShapes, textStages } from '../qwen2/text.ts';
import type { TextContext, TextLayer } from '../qwen2/text.ts';
import type { Rotary } from '../rotary.ts';
import { sampleTokens } from '../sampleRow.ts';
import type { SampleRow } from '../sampleRow.ts';
import type { Stage } from '../stages.ts';
import type { Weights } from '../weights.ts';
import { DEFAULT_MAX_PIXELS, DEFAULT_MIN_PIXELS, parseQwen2_5VLConfig } from './config.ts';
import type { Qwen2_5VLConfig } from './config.ts';
import { frameSeqlens, imageTokens, mropePositions, textRotary, visionRotary, windowOrder } from './positions.ts';
import { visionShapes, visionStages, visionTower } from './vision.ts';
import type { VisionContext, VisionTower } from './vision.ts';

/** The text stack's module name. */
const TEXT = 'model.language_model';

export function describeQwen2_5VL(json: Readonly<Record<string, unknown>>, source: string): ModelDescription {
  const config = parseQwen2_5VLConfig(json, source);
  const shapes = new Map([...visionShapes(config.vision), ...textShapes(config.text, TEXT)]);
  if (!config.tieWordEmbeddings) shapes.set(HEAD, [config.text.vocabSize, config.text.hiddenSize]);
  return {
    shapes,
    tiedHead: config.tieWordEmbeddings,
    embedding: `${TEXT}.embed_tokens.weight`,
    build: (weights) => new Qwen2_5VLModel(config, weights),
    sample: (row) => sampleExample(row, config),
  };
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

class Qwen2_5VLModel implements Model {
  readonly modelType = 'qwen2_5_vl';
  readonly head: Parameter;
  readonly vocabSize: number;
  private readonly config: Qwen2_5VLConfig;
  private readonly embedding: Parameter;
  private readonly norm: Parameter;
  private readonly layers: TextLayer[];
  private readonly tower: VisionTower;

  constructor(config: Qwen2_5VLConfig, weights: Weights) {
    this.config = config;
    this.vocabSize = config.text.vocabSize;
    this.embedding = weights.parameter(`${TEXT}.embed_tokens.weight`);
    this.head = weights.parameter(HEAD);
    this.norm = weights.parameter(`${TEXT}.norm.weight`);
    this.layers = textLayers(weights, TEXT, config.text);
    this.tower = visionTower(weights, config.vision);
  }

  finalNorm(t: Tape, x: Tensor): Tensor {
    return rmsNorm(t, x, this.norm, this.config.text.rmsNormEps);
  }

  prepare(device: Device, examples: readonly Example[], options: PrepareOptions = {}): PreparedBatch {
    const tables = new BatchTables(device);
    const { text, vision, imageTokenId } = this.config;
    const grids = examples.flatMap((example) => example.imageGrids);
    const merge = vision.spatialMergeSize ** 2;
    const features = grids.reduce((sum, grid) => sum + imageTokens(grid, vision.spatialMergeSize), 0);
    // A model that writes the image token itself, in an answer, reads it as text.
    const rows = tokenRows(examples, { vocabSize: text.vocabSize, features, ...((features > 0 || !options.cache) && { imageTokenId }) });
    const T = rows.ids.length;

    const stages: Stage[] = [];
    let input: Tensor;
    if (features > 0) {
      const patches = features * merge;
      input = tables.pixels(examples, patches);
      const { windowIndex, cuWindowSeqlens } = windowOrder(grids, vision);
      const context: VisionContext = {
        rope: tables.rotary(inWindowOrder(visionRotary(grids, vision), windowIndex, merge), patches),
        windows: tables.ranges(segmentRanges(Array.from(cuWindowSeqlens)), patches),
        frames: tables.ranges(segmentRanges(Array.from(frameSeqlens(grids))), patches),
        windowIndex: tables.upload(Uint32Array.from(windowIndex), [features]),
        windowInverse: tables.upload(inverse(windowIndex), [features]),
      };
      stages.push(...visionStages(this.tower, vision, context));
    } else {
      input = tables.noFeatures(text.hiddenSize);
    }

    const context: TextContext = {
      rope: tables.rotary(textRotary(concatPositions(examples, rows.rowLengths, 3), text), T),
      ranges: textAttention(tables, rows, text, options.cache),
      ...(options.cache && { cache: options.cache }),
    };
    stages.push(embeddingStage(`${TEXT}.embed_tokens`, tables, rows, this.embedding, { grad: options.grad ?? false }));
    stages.push(...textStages(this.layers, TEXT, text, context));
    return { input, stages, tables: tables.tables, tokens: T };
  }
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
