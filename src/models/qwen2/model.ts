/**
 * Qwen2 and Qwen2.5 (Yang et al. 2024, arXiv:2407.10671), which read text only, as a chain of stages: token embedding and the layers that
 * Qwen2.5-VL has too.
 */
import type { Example } from '../../data/example.ts';
import type { Device } from '../../gpu/device.ts';
import type { Tensor } from '../../gpu/tensor.ts';
import type { Parameter } from '../../ops/parameter.ts';
import { rmsNorm } from '../../ops/rmsNorm.ts';
import type { Tape } from '../../ops/tape.ts';
import { BatchTables, concatPositions, embeddingStage, tokenRows } from '../batchTables.ts';
import { HEAD } from '../model.ts';
import type { Model, ModelDescription, PreparedBatch, PrepareOptions } from '../model.ts';
import { ropeFrequencies, rotary } from '../rotary.ts';
import type { Rotary } from '../rotary.ts';
import { sampleText } from '../sampleRow.ts';
import type { Weights } from '../weights.ts';
import { parseQwen2Config } from './config.ts';
import type { Qwen2Config } from './config.ts';
import { textAttention, textLayers, textShapes, textStages } from './text.ts';
import type { TextContext, TextLayer } from './text.ts';

/** The text stack's module name. */
const TEXT = 'model';
const EMBEDDING = `${TEXT}.embed_tokens`;

export function describeQwen2(json: Readonly<Record<string, unknown>>, source: string): ModelDescription {
  const config = parseQwen2Config(json, source);
  const { text, tieWordEmbeddings } = config;
  const shapes = new Map(textShapes(text, TEXT));
  if (!tieWordEmbeddings) shapes.set(HEAD, [text.vocabSize, text.hiddenSize]);
  return {
    shapes,
    tiedHead: tieWordEmbeddings,
    embedding: `${EMBEDDING}.weight`,
    build: (weights) => new Qwen2Model(config, weights),
    sample: sampleText,
  };
}

class Qwen2Model implements Model {
  readonly modelType = 'qwen2';
  readonly head: Parameter;
  readonly vocabSize: number;
  private readonly config: Qwen2Config;
  private readonly embedding: Parameter;
  private readonly norm: Parameter;
  private readonly layers: TextLayer[];

  constructor(config: Qwen2Config, weights: Weights) {
    this.config = config;
    this.vocabSize = config.text.vocabSize;
    this.embedding = weights.parameter(`${EMBEDDING}.weight`);
    this.head = weights.parameter(HEAD);
    this.norm = weights.parameter(`${TEXT}.norm.weight`);
    this.layers = textLayers(weights, TEXT, config.text);
  }

  finalNorm(t: Tape, x: Tensor): Tensor {
    return rmsNorm(t, x, this.norm, this.config.text.rmsNormEps);
  }

  prepare(device: Device, examples: readonly Example[], { cache, grad = false }: PrepareOptions = {}): PreparedBatch {
    const tables = new BatchTables(device);
    const { text } = this.config;
    const rows = tokenRows(examples, { vocabSize: text.vocabSize, features: 0 });
    const context: TextContext = {
      rope: tables.rotary(textRotary(concatPositions(examples, rows.rowLengths, 1), this.config), rows.ids.length),
      ranges: textAttention(tables, rows, text, cache),
      ...(cache && { cache }),
    };
    const stages = [embeddingStage(EMBEDDING, tables, rows, this.embedding, { grad }), ...textStages(this.layers, TEXT, text, context)];
    return { input: tables.noFeatures(text.hiddenSize), stages, tables: tables.tables, tokens: rows.ids.length };
  }
}

/** Rotary angles of the tokens, (T, headDim/2), for positions (T). */
function textRotary(positionIds: Int32Array, { text, rope }: Qwen2Config): Rotary {
  const { frequencies, scale } = ropeFrequencies(rope, text.headDim);
  return rotary(positionIds.length, frequencies.length, (t, d) => [positionIds[t] ?? 0, frequencies[d] ?? 0], scale);
}
