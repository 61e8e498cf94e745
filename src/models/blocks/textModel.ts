/** A model that reads text only: the decoder under the name `model`, and the head. */
import type { Device } from '../../gpu/device.ts';
import type { Example } from '../../data/example.ts';
import { BatchTables, concatPositions, tokenRows } from '../batchTables.ts';
import { describeModel } from '../describe.ts';
import type { Model, ModelDescription, PreparedBatch, PrepareOptions } from '../model.ts';
import type { Modules } from '../modules.ts';
import type { RopeConfig } from '../ropeConfig.ts';
import { sampleText } from '../sampleRow.ts';
import { HIDDEN } from '../stages.ts';
import { decoder, headOf, rotaryByType } from './decoder.ts';
import type { DecoderConfig, LayerType } from './decoder.ts';

export interface TextModelConfig {
  modelType: string;
  text: DecoderConfig;
  /** Of the layers of each kind that the model has. */
  rope: Readonly<Partial<Record<LayerType, RopeConfig>>>;
  tieWordEmbeddings: boolean;
  /** 0: logits are not capped. */
  logitSoftcap?: number;
}

export function describeTextModel(config: TextModelConfig): ModelDescription {
  return describeModel({
    tiedHead: config.tieWordEmbeddings,
    embedding: 'model.embed_tokens.weight',
    build: (m) => textModel(m, config),
    sample: sampleText,
  });
}

function textModel(m: Modules, { modelType, text, rope, logitSoftcap = 0 }: TextModelConfig): Model {
  const stack = decoder(m.at('model'), text);
  return {
    modelType,
    head: headOf(m, text),
    vocabSize: text.vocabSize,
    logitSoftcap,
    finalNorm: stack.finalNorm,
    prepare(device: Device, examples: readonly Example[], options: PrepareOptions = {}): PreparedBatch {
      const tables = new BatchTables(device);
      const rows = tokenRows(examples, { vocabSize: text.vocabSize, features: 0 });
      const rotaryOf = rotaryByType(concatPositions(examples, rows.rowLengths, 1), rope, text.headDim);
      const stages = stack.stages({ tables, rows, rotaryOf }, options);
      return { inputs: { [HIDDEN]: tables.noFeatures(text.hiddenSize) }, stages, tables: tables.tables, tokens: rows.ids.length };
    },
  };
}
