/** Qwen2.5-VL (Bai et al. 2025, arXiv:2502.13923) as a chain of stages: patch embedding, vision blocks, merger, token embedding, text layers. */
import type { Example } from '../../data/example.ts';
import type { Device } from '../../gpu/device.ts';
import type { Tensor } from '../../gpu/tensor.ts';
import { uploadRanges } from '../../ops/attention.ts';
import type { AttentionRanges } from '../../ops/attention.ts';
import { blockCausalRanges, causalRanges, decodeRanges, segmentRanges } from '../../ops/attentionRanges.ts';
import { embed, groupByToken } from '../../ops/embed.ts';
import type { Parameter } from '../../ops/parameter.ts';
import { rmsNorm } from '../../ops/rmsNorm.ts';
import type { Tape } from '../../ops/tape.ts';
import { UserError } from '../../platform.ts';
import { HEAD } from '../model.ts';
import type { Model, ModelDescription, PreparedBatch, PrepareOptions } from '../model.ts';
import type { Stage } from '../stages.ts';
import type { Weights } from '../weights.ts';
import { parseQwen2_5VLConfig } from './config.ts';
import type { Qwen2_5VLConfig } from './config.ts';
import { frameSeqlens, imageTokens, textRotary, visionRotary, windowOrder } from './positions.ts';
import type { Rotary } from './positions.ts';
import { TEXT, textBlock, textLayer, textLayerTrains, textShapes } from './text.ts';
import type { TextContext, TextLayer } from './text.ts';
import { visionShapes, visionStages, visionTower } from './vision.ts';
import type { VisionContext, VisionTower } from './vision.ts';

export function describeQwen2_5VL(json: Readonly<Record<string, unknown>>, source: string): ModelDescription {
  const config = parseQwen2_5VLConfig(json, source);
  const shapes = new Map([...visionShapes(config.vision), ...textShapes(config.text)]);
  if (!config.tieWordEmbeddings) shapes.set(HEAD, [config.text.vocabSize, config.text.hiddenSize]);
  return {
    shapes,
    tiedHead: config.tieWordEmbeddings,
    embedding: `${TEXT}.embed_tokens.weight`,
    build: (weights) => new Qwen2_5VLModel(config, weights),
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
    this.layers = Array.from({ length: config.text.layers }, (_, i) => textLayer(weights, i));
    this.tower = visionTower(weights, config.vision);
  }

  finalNorm(t: Tape, x: Tensor): Tensor {
    return rmsNorm(t, x, this.norm, this.config.text.rmsNormEps);
  }

  prepare(device: Device, examples: readonly Example[], options: PrepareOptions = {}): PreparedBatch {
    const tables: Tensor[] = [];
    const upload = (data: Float32Array | Uint32Array | Int32Array, shape: readonly number[]): Tensor => {
      const tensor = device.upload(data, shape, 'batch');
      tables.push(tensor);
      return tensor;
    };
    const uploadRotary = (rotary: Rotary, rows: number): { cos: Tensor; sin: Tensor } => {
      const shape = [rows, rotary.cos.length / rows];
      return { cos: upload(rotary.cos, shape), sin: upload(rotary.sin, shape) };
    };
    const keepRanges = (ranges: AttentionRanges): AttentionRanges => {
      tables.push(ranges.queryRanges, ranges.keyRanges);
      return ranges;
    };

    const { text, vision, imageTokenId } = this.config;
    const rowLengths = examples.map((example) => example.inputIds.length);
    const T = rowLengths.reduce((a, b) => a + b, 0);
    const ids = concat(Int32Array, examples.map((example) => example.inputIds));
    checkIds(ids, text.vocabSize);
    const grids = examples.flatMap((example) => example.imageGrids);
    const merge = vision.spatialMergeSize ** 2;
    const features = grids.reduce((sum, grid) => sum + imageTokens(grid, vision.spatialMergeSize), 0);

    const slots = new Int32Array(T).fill(-1);
    let slot = 0;
    for (let t = 0; t < T; t++) if (ids[t] === imageTokenId) slots[t] = slot++;
    if (slot !== features) throw new UserError(`The tokens hold ${slot} image placeholders and the images give ${features} features; they must be equal.`);

    const stages: Stage[] = [];
    let input: Tensor;
    if (features > 0) {
      const patches = features * merge;
      const pixels = concat(Float32Array, examples.map((example) => example.pixelValues));
      input = device.upload(pixels, [patches, pixels.length / patches], 'batch');
      const { windowIndex, cuWindowSeqlens } = windowOrder(grids, vision);
      const rotary = inWindowOrder(visionRotary(grids, vision), windowIndex, merge);
      const context: VisionContext = {
        rope: uploadRotary(rotary, patches),
        windows: keepRanges(uploadRanges(device, segmentRanges(Array.from(cuWindowSeqlens)), patches, 'batch')),
        frames: keepRanges(uploadRanges(device, segmentRanges(Array.from(frameSeqlens(grids))), patches, 'batch')),
        windowIndex: upload(Uint32Array.from(windowIndex), [features]),
        windowInverse: upload(inverse(windowIndex), [features]),
      };
      stages.push(...visionStages(this.tower, vision, context));
    } else {
      // The embedding stage takes the features as its input; without images it takes one row that no token points at.
      input = device.upload(new Float32Array(text.hiddenSize), [1, text.hiddenSize], 'batch');
    }

    const positionIds = concatPositions(examples, rowLengths);
    const past = options.cache?.rows(0) ?? 0;
    const context: TextContext = {
      rope: uploadRotary(textRotary(positionIds, text), T),
      ranges: { full_attention: undefined, sliding_attention: undefined },
      ...(options.cache && { cache: options.cache }),
    };
    const rangesFor = (window?: number): AttentionRanges => {
      if (options.cache) return keepRanges(uploadRanges(device, decodeRanges(past, T, window), past + T, 'batch'));
      const table = window === undefined ? causalRanges(rowLengths) : blockCausalRanges(rowLengths, new Int32Array(T).fill(-1), window);
      return keepRanges(uploadRanges(device, table, T, 'batch'));
    };
    if (text.layerTypes.includes('full_attention')) context.ranges.full_attention = rangesFor();
    if (text.layerTypes.includes('sliding_attention')) context.ranges.sliding_attention = rangesFor(text.slidingWindow ?? undefined);

    const idsTensor = upload(Uint32Array.from(ids), [T]);
    const slotsTensor = upload(slots, [T]);
    const groups = this.embedding.grad && options.grad ? groupByToken(ids, slots) : undefined;
    const csr = groups && {
      uniqueIds: upload(groups.uniqueIds, [groups.uniqueIds.length]),
      offsets: upload(groups.offsets, [groups.offsets.length]),
      positions: upload(groups.positions, [groups.positions.length]),
    };
    stages.push({
      name: `${TEXT}.embed_tokens`,
      trainable: this.embedding.grad !== undefined,
      forward: (t, x) => embed(t, idsTensor, this.embedding, { image: { features: x, slots: slotsTensor }, ...(csr && { groups: csr }) }),
    });
    this.layers.forEach((layer, i) => {
      stages.push({
        name: `${TEXT}.layers.${i}`,
        trainable: textLayerTrains(layer),
        forward: (t, x) => textBlock(t, x, layer, i, text, context),
      });
    });
    return { input, stages, tables, tokens: T };
  }
}

function checkIds(ids: Int32Array, vocabSize: number): void {
  for (const id of ids) {
    if (id < 0 || id >= vocabSize) {
      throw new UserError(`Token id ${id} is outside the model's vocabulary of ${vocabSize}; tokenizer and weights are of different models.`);
    }
  }
}

function concat<A extends Int32Array | Float32Array>(Kind: new (length: number) => A, arrays: readonly A[]): A {
  const out = new Kind(arrays.reduce((sum, array) => sum + array.length, 0));
  let at = 0;
  for (const array of arrays) {
    out.set(array, at);
    at += array.length;
  }
  return out;
}

/** (3, ΣT) from each row's (3, T). */
function concatPositions(examples: readonly Example[], rowLengths: readonly number[]): Int32Array {
  const T = rowLengths.reduce((a, b) => a + b, 0);
  const out = new Int32Array(3 * T);
  let at = 0;
  examples.forEach((example, row) => {
    const length = rowLengths[row]!;
    for (let axis = 0; axis < 3; axis++) out.set(example.positionIds.subarray(axis * length, (axis + 1) * length), axis * T + at);
    at += length;
  });
  return out;
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
