/**
 * SmolVLM (Marafioti et al. 2025, arXiv:2504.05299) and Idefics3 (Laurençon et al. 2024, arXiv:2408.12637) as a chain of stages: SigLIP
 * over every tile by itself, a connector that makes one token of a square of patches, Llama layers. The two differ in their names alone.
 */
import type { Example } from '../../data/example.ts';
import type { Device } from '../../gpu/device.ts';
import { linear } from '../../ops/linear.ts';
import { BatchTables, concatPositions } from '../batchTables.ts';
import { beginBatch } from '../beginBatch.ts';
import { decoder, headOf, rotaryByType } from '../blocks/decoder.ts';
import { siglip } from '../blocks/siglip.ts';
import { describeModel } from '../describe.ts';
import type { Model, ModelDescription, PreparedBatch, PrepareOptions } from '../model.ts';
import type { Modules } from '../modules.ts';
import { sampleTokens } from '../sampleRow.ts';
import type { SampleRow } from '../sampleRow.ts';
import { HIDDEN, stage } from '../stages.ts';
import type { Vision } from '../vision.ts';
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
  const { modelType, text, rope, vision: sizes, scaleFactor } = config;
  const seen = m.at('model');
  const tower = siglip(seen.at('vision_model'), sizes);
  const connector = seen.at('connector.modality_projection');
  const square = scaleFactor ** 2;
  const proj = connector.linear('proj', [text.hiddenSize, sizes.hiddenSize * square]);
  const stack = decoder(m.at('model.text_model'), text);
  const vision: Vision = {
    modules: seen,
    imageTokenId: config.imageTokenId,
    gives: [HIDDEN],
    width: text.hiddenSize,
    widest: Math.max(sizes.hiddenSize, sizes.intermediateSize),
    patches: ([, h, w]) => h * w,
    features: ([, h, w]) => (h * w) / square,
    stages(tables, grids, { grad }) {
      // Of a tile, in patches.
      const sides = grids.map(([, height]) => height);
      const starts = sides.reduce((begun, side) => [...begun, begun.at(-1)! + side ** 2], [0]);
      const places = Uint32Array.from(sides.flatMap((side) => [...patchPositions(side, sizes.patchesPerSide, scaleFactor)]));
      return [
        ...tower.stages({ tables, places, starts, grad }),
        // The pixel shuffle: patches come square by square, so those of a token lie side by side, in the order (dy, dx, channel).
        stage(connector, (t, x) => linear(t, t.reshape(x, [places.length / square, sizes.hiddenSize * square]), proj)),
      ];
    },
  };
  return {
    modelType,
    head: headOf(m, text),
    vocabSize: text.vocabSize,
    vision,
    finalNorm: stack.finalNorm,
    prepare(device: Device, examples: readonly Example[], options: PrepareOptions = {}): PreparedBatch {
      const tables = new BatchTables(device);
      const { rows, inputs, stages } = beginBatch(tables, vision, examples, text.vocabSize, options);
      const rotaryOf = rotaryByType(concatPositions(examples, rows.rowLengths, 1), { full_attention: rope }, text.headDim);
      stages.push(...stack.stages({ tables, rows, rotaryOf }, options));
      return { inputs, stages, tables: tables.tables, tokens: rows.ids.length };
    },
  };
}
