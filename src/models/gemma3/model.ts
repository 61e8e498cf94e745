/**
 * Gemma 3 (Gemma Team 2025, arXiv:2503.19786), which MedGemma is, as a chain of stages: patch embedding, SigLIP blocks, projector, token
 * embedding, text layers. The text-only checkpoints (`gemma3_text`) are the second half of it under shorter names.
 */
import type { Example } from '../../data/example.ts';
import type { Device } from '../../gpu/device.ts';
import type { Tensor } from '../../gpu/tensor.ts';
import { segmentRanges } from '../../ops/attentionRanges.ts';
import { groupByToken } from '../../ops/embed.ts';
import type { Parameter } from '../../ops/parameter.ts';
import { rmsNorm } from '../../ops/rmsNorm.ts';
import type { Tape } from '../../ops/tape.ts';
import { BatchTables, concatPositions, embeddingStage, tokenRows } from '../batchTables.ts';
import type { TokenRows } from '../batchTables.ts';
import { HEAD } from '../model.ts';
import type { DescribeOptions, Model, ModelDescription, PreparedBatch, PrepareOptions } from '../model.ts';
import { sampleText, sampleTokens } from '../sampleRow.ts';
import type { SampleRow } from '../sampleRow.ts';
import type { Stage } from '../stages.ts';
import type { Weights } from '../weights.ts';
import { parseGemma3Config, parseGemma3TextConfig } from './config.ts';
import type { Gemma3Config, Gemma3TextConfig } from './config.ts';
import { textBlock, textLayer, textLayerTrains, textRotary, textShapes } from './text.ts';
import type { TextContext, TextLayer } from './text.ts';
import { visionShapes, visionStages, visionTower } from './vision.ts';
import type { VisionTower } from './vision.ts';

type Json = Readonly<Record<string, unknown>>;

/** The text stack's module name beside a vision tower, and by itself. */
const BESIDE_VISION = 'model.language_model';
const ALONE = 'model';

export function describeGemma3(json: Json, source: string, options: DescribeOptions = {}): ModelDescription {
  const config = parseGemma3Config(json, source);
  const isBidirectional = options.imageAttention !== 'causal';
  const description = describe(config, BESIDE_VISION, visionShapes(config), (weights) => {
    const images = { config, tower: visionTower(weights, config.vision), isBidirectional };
    return new Gemma3Model('gemma3', config.text, BESIDE_VISION, weights, images);
  });
  return { ...description, sample: (row) => sampleExample(row, config) };
}

function sampleExample(row: SampleRow, { vision, tokensPerSide, imageTokenId }: Gemma3Config): Example {
  const side = vision.patchesPerSide;
  const tokens = sampleTokens(row, { id: imageTokenId, features: tokensPerSide ** 2 });
  return {
    ...tokens,
    positionIds: Int32Array.from(tokens.inputIds.keys()),
    imageGrids: [[1, side, side]],
    pixelValues: new Float32Array(vision.imageSize ** 2 * vision.channels),
  };
}

export function describeGemma3Text(json: Json, source: string): ModelDescription {
  const config = parseGemma3TextConfig(json, source);
  return describe(config, ALONE, [], (weights) => new Gemma3Model('gemma3_text', config.text, ALONE, weights));
}

function describe(
  { text, tieWordEmbeddings }: { text: Gemma3TextConfig; tieWordEmbeddings: boolean },
  prefix: string,
  before: ReturnType<typeof textShapes>,
  build: ModelDescription['build'],
): ModelDescription {
  const shapes = new Map([...before, ...textShapes(text, prefix)]);
  if (!tieWordEmbeddings) shapes.set(HEAD, [text.vocabSize, text.hiddenSize]);
  return { shapes, tiedHead: tieWordEmbeddings, embedding: `${prefix}.embed_tokens.weight`, build, sample: sampleText };
}

interface Images {
  config: Gemma3Config;
  tower: VisionTower;
  /** The tokens of an image see each other both ways, as the model was made; else they see what text sees. */
  isBidirectional: boolean;
}

class Gemma3Model implements Model {
  readonly modelType: string;
  readonly head: Parameter;
  readonly vocabSize: number;
  readonly logitSoftcap: number;
  private readonly config: Gemma3TextConfig;
  private readonly prefix: string;
  private readonly embedding: Parameter;
  private readonly norm: Parameter;
  private readonly layers: TextLayer[];
  private readonly images: Images | undefined;

  constructor(modelType: string, config: Gemma3TextConfig, prefix: string, weights: Weights, images?: Images) {
    this.modelType = modelType;
    this.config = config;
    this.prefix = prefix;
    this.vocabSize = config.vocabSize;
    this.logitSoftcap = config.finalSoftcap;
    this.embedding = weights.parameter(`${prefix}.embed_tokens.weight`);
    this.head = weights.parameter(HEAD);
    this.norm = weights.parameter(`${prefix}.norm.weight`);
    this.layers = Array.from({ length: config.layers }, (_, i) => textLayer(weights, prefix, i));
    this.images = images;
  }

  finalNorm(t: Tape, x: Tensor): Tensor {
    return rmsNorm(t, x, this.norm, this.config.rmsNormEps, 1);
  }

  prepare(device: Device, examples: readonly Example[], options: PrepareOptions = {}): PreparedBatch {
    const tables = new BatchTables(device);
    const { config, images } = this;
    const count = examples.reduce((sum, { imageGrids }) => sum + imageGrids.length, 0);
    const features = images ? count * images.config.tokensPerSide ** 2 : 0;
    // A model that writes the image token itself, in an answer, reads it as text.
    const imageTokenId = features > 0 || !options.cache ? images?.config.imageTokenId : undefined;
    const rows = tokenRows(examples, { vocabSize: config.vocabSize, features, ...(imageTokenId !== undefined && { imageTokenId }) });
    const grad = options.grad ?? false;

    const stages = images && count > 0 ? this.visionStages(tables, images, count, grad) : [];
    const input =
      images && count > 0
        ? tables.pixels(examples, count * images.config.vision.patchesPerSide ** 2)
        : tables.noFeatures(config.hiddenSize);
    // Torch keeps the factor in the precision it computes in: float32 here, whatever the checkpoint's.
    const scale = Math.fround(Math.sqrt(config.hiddenSize));
    stages.push(embeddingStage(`${this.prefix}.embed_tokens`, tables, rows, this.embedding, { grad, scale }));
    const context = this.textContext(tables, examples, rows, options);
    this.layers.forEach((layer, i) => {
      stages.push({
        name: `${this.prefix}.layers.${i}`,
        trainable: textLayerTrains(layer),
        forward: (t, x) => textBlock(t, x, layer, i, config, context),
      });
    });
    return { input, stages, tables: tables.tables, tokens: rows.ids.length };
  }

  private visionStages(tables: BatchTables, { config, tower }: Images, count: number, grad: boolean): Stage[] {
    const perImage = config.vision.patchesPerSide ** 2;
    const places = Uint32Array.from({ length: count * perImage }, (_, i) => i % perImage);
    const groups = tower.positions.grad && grad ? groupByToken(places) : undefined;
    return visionStages(tower, config, {
      images: count,
      places: tables.upload(places, [places.length]),
      ...(groups && { placeGroups: tables.groups(groups) }),
      ranges: tables.ranges(segmentRanges(Array.from({ length: count + 1 }, (_, image) => image * perImage)), places.length),
    });
  }

  private textContext(tables: BatchTables, examples: readonly Example[], rows: TokenRows, { cache }: PrepareOptions): TextContext {
    const { config } = this;
    const context: TextContext = { rope: {}, ranges: {}, ...(cache && { cache }) };
    const positionIds = concatPositions(examples, rows.rowLengths, 1);
    const blockIds = this.images?.isBidirectional ? imageBlocks(rows) : undefined;
    for (const type of new Set(config.layerTypes)) {
      const window = type === 'sliding_attention' ? config.slidingWindow : null;
      context.rope[type] = tables.rotary(textRotary(positionIds, type, config), rows.ids.length);
      context.ranges[type] = tables.textRanges(rows, cache, { ...(blockIds && { blockIds }), ...(window !== null && { window }) });
    }
    return context;
  }
}

/** (T): a number for each run of image tokens of a row, −1 for text: get_block_sequence_ids_for_mask of transformers. */
export function imageBlocks({ slots, rowLengths }: Pick<TokenRows, 'slots' | 'rowLengths'>): Int32Array {
  const blocks = new Int32Array(slots.length).fill(-1);
  let block = -1;
  let t = 0;
  for (const length of rowLengths) {
    for (let at = 0; at < length; at++, t++) {
      if (slots[t]! < 0) continue;
      if (at === 0 || slots[t - 1]! < 0) block++;
      blocks[t] = block;
    }
  }
  return blocks;
}
