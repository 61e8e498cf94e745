/**
 * SmolVLM (Marafioti et al. 2025, arXiv:2504.05299) and Idefics3 (Laurençon et al. 2024, arXiv:2408.12637) as a chain of stages: SigLIP
 * over every tile by itself, a connector that makes one token of a square of patches, Llama layers. The two differ in their names alone.
 */
import type { Example } from '../../data/example.ts';
import type { Device } from '../../gpu/device.ts';
import { linear } from '../../ops/linear.ts';
import { BatchTables, concatPositions, tokenRows } from '../batchTables.ts';
import { decoder, headOf, rotaryByType } from '../blocks/decoder.ts';
import { siglip } from '../blocks/siglip.ts';
import { describeModel } from '../describe.ts';
import type { Model, ModelDescription, PreparedBatch, PrepareOptions } from '../model.ts';
import type { Modules } from '../modules.ts';
import { sampleTokens } from '../sampleRow.ts';
import type { SampleRow } from '../sampleRow.ts';
import { HIDDEN, stage } from '../stages.ts';
import type { Stage } from '../stages.ts';
import { parseSmolVLMConfig } from './config.ts';
import type { SmolVLMConfig } from './config.ts';
import { patchPositions } from './positions.ts';
import { tiling } from './tiling.ts';

export function describeSmolVLM(json: Readonly<Record<string, unknown>>, source: string): ModelDescription {
  const config = parseSmolVLMConfig(json, source);
  return describeModel({
    tiedHead: config.tieWordEmbeddings,
    embedding: 'model.text_model.embed_tokens.weight',
    build: (m) => smolvlm(m, config),
    sample: (row) => sampleExample(row, config),
  });
}

/** As the released folders have it: the longer side becomes four tiles. */
function sampleExample(row: SampleRow, { vision, scaleFactor, imageTokenId }: SmolVLMConfig): Example {
  const { imageSize: side, patchesPerSide: patches, patchSize, channels } = vision;
  const { rows, columns } = tiling(row, { first: { longestEdge: 4 * side }, isSplit: true, side });
  const tiles = rows * columns + 1;
  // Beside the features a tile has two tokens of its own, a row a newline.
  const around = 2 * tiles + rows + 2;
  const features = tiles * (patches / scaleFactor) ** 2;
  const tokens = sampleTokens({ ...row, textTokens: row.textTokens + around }, { id: imageTokenId, features });
  return {
    ...tokens,
    positionIds: Int32Array.from(tokens.inputIds.keys()),
    imageGrids: Array.from({ length: tiles }, () => [1, patches, patches]),
    pixelValues: new Float32Array(tiles * (patches * patchSize) ** 2 * channels),
  };
}

function smolvlm(m: Modules, config: SmolVLMConfig): Model {
  const { modelType, text, rope, vision, scaleFactor } = config;
  const tower = siglip(m.at('model.vision_model'), vision);
  const connector = m.at('model.connector.modality_projection');
  const square = scaleFactor ** 2;
  const proj = connector.linear('proj', [text.hiddenSize, vision.hiddenSize * square]);
  const stack = decoder(m.at('model.text_model'), text);
  /** @param sides of the tiles, in patches @param starts first patch of each, and their number at the end */
  const visionStages = (tables: BatchTables, sides: readonly number[], starts: readonly number[], grad: boolean): Stage[] => {
    const places = Uint32Array.from(sides.flatMap((side) => [...patchPositions(side, vision.patchesPerSide, scaleFactor)]));
    return [
      ...tower.stages({ tables, places, starts, grad }),
      // The pixel shuffle: patches come square by square, so those of a token lie side by side, in the order (dy, dx, channel).
      stage(connector, (t, x) => linear(t, t.reshape(x, [places.length / square, vision.hiddenSize * square]), proj)),
    ];
  };
  return {
    modelType,
    head: headOf(m, text),
    vocabSize: text.vocabSize,
    finalNorm: stack.finalNorm,
    prepare(device: Device, examples: readonly Example[], options: PrepareOptions = {}): PreparedBatch {
      const tables = new BatchTables(device);
      // Of a tile, in patches.
      const sides = examples.flatMap(({ imageGrids }) => imageGrids.map(([, height]) => height));
      const starts = sides.reduce((begun, side) => [...begun, begun.at(-1)! + side ** 2], [0]);
      const patches = starts.at(-1)!;
      // A model that writes the image token itself, in an answer, reads it as text.
      const image = patches > 0 || !options.cache ? { imageTokenId: config.imageTokenId } : {};
      const rows = tokenRows(examples, { vocabSize: text.vocabSize, features: patches / square, ...image });
      const input = patches > 0 ? tables.pixels(examples, patches) : tables.noFeatures(text.hiddenSize);
      const stages = patches > 0 ? visionStages(tables, sides, starts, options.grad ?? false) : [];
      const rotaryOf = rotaryByType(concatPositions(examples, rows.rowLengths, 1), { full_attention: rope }, text.headDim);
      stages.push(...stack.stages({ tables, rows, rotaryOf }, options));
      return { inputs: { [HIDDEN]: input }, stages, tables: tables.tables, tokens: rows.ids.length };
    },
  };
}
