/**
 * Gemma 3 (Gemma Team 2025, arXiv:2503.19786), which MedGemma is, as a chain of stages: patch embedding, SigLIP blocks, projector, token
 * embedding, text layers. The text-only checkpoints (`gemma3_text`) are the second half of it under shorter names.
 */
import type { Example } from '../../data/example.ts';
import type { Device } from '../../gpu/device.ts';
import { BatchTables, concatPositions } from '../batchTables.ts';
import { beginBatch } from '../beginBatch.ts';
import type { TokenRows } from '../batchTables.ts';
import { decoder, headOf, rotaryByType } from '../blocks/decoder.ts';
import { describeTextModel } from '../blocks/textModel.ts';
import { describeModel } from '../describe.ts';
import type { DescribeOptions, Model, ModelDescription, PreparedBatch, PrepareOptions } from '../model.ts';
import type { Modules } from '../modules.ts';
import { sampleTokens } from '../sampleRow.ts';
import type { SampleRow } from '../sampleRow.ts';
import { parseGemma3Config, parseGemma3TextConfig } from './config.ts';
import type { Gemma3Config } from './config.ts';
import { gemma3Vision } from './vision.ts';

type Json = Readonly<Record<string, unknown>>;

export function describeGemma3(json: Json, source: string, options: DescribeOptions = {}): ModelDescription {
  const config = parseGemma3Config(json, source);
  return describeModel({
    tiedHead: config.tieWordEmbeddings,
    embedding: 'model.language_model.embed_tokens.weight',
    build: (m) => gemma3(m, config, options.imageAttention !== 'causal'),
    sample: (row) => sampleExample(row, config),
  });
}

export function describeGemma3Text(json: Json, source: string): ModelDescription {
  const { text, tieWordEmbeddings } = parseGemma3TextConfig(json, source);
  return describeTextModel({ modelType: 'gemma3_text', text, rope: text.rope, tieWordEmbeddings, logitSoftcap: text.finalSoftcap });
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

/** @param isBidirectional the tokens of an image see each other both ways, as the model was made; else they see what text sees */
function gemma3(m: Modules, config: Gemma3Config, isBidirectional: boolean): Model {
  const { text } = config;
  const vision = gemma3Vision(m.at('model'), config);
  const stack = decoder(m.at('model.language_model'), text);
  return {
    modelType: 'gemma3',
    head: headOf(m, text),
    vocabSize: text.vocabSize,
    logitSoftcap: text.finalSoftcap,
    vision,
    finalNorm: stack.finalNorm,
    prepare(device: Device, examples: readonly Example[], options: PrepareOptions = {}): PreparedBatch {
      const tables = new BatchTables(device);
      const { rows, inputs, stages } = beginBatch(tables, vision, examples, text.vocabSize, options);
      const rotaryOf = rotaryByType(concatPositions(examples, rows.rowLengths, 1), text.rope, text.headDim);
      const blockIds = isBidirectional ? imageBlocks(rows) : undefined;
      stages.push(...stack.stages({ tables, rows, rotaryOf, blockIds }, options));
      return { inputs, stages, tables: tables.tables, tokens: rows.ids.length };
    },
  };
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
