/** How the chain of a batch begins, in a family that sees: its tokens, and its pictures or what was made of them beforehand. */
import type { Example } from '../data/example.ts';
import { tokenRows } from './batchTables.ts';
import type { BatchTables, TokenRows } from './batchTables.ts';
import type { PrepareOptions } from './model.ts';
import { HIDDEN } from './stages.ts';
import type { Stage, Tensors } from './stages.ts';
import type { Grid, Vision } from './vision.ts';

export interface Beginning {
  rows: TokenRows;
  /** Rows of features that the pictures become. */
  features: number;
  inputs: Tensors;
  /** Those of the pictures; none where there are no pictures, or their features are there already. */
  stages: Stage[];
}

/** @param vocabSize of the text */
export function beginBatch(
  tables: BatchTables,
  vision: Vision,
  examples: readonly Example[],
  vocabSize: number,
  { cache, grad = false, features: made }: PrepareOptions,
): Beginning {
  const grids = examples.flatMap(({ imageGrids }) => imageGrids);
  const sum = (of: (grid: Grid) => number): number => grids.reduce((total, grid) => total + of(grid), 0);
  const features = sum((grid) => vision.features(grid));
  // A model that writes the image token itself, in an answer, reads it as text.
  const image = features > 0 || !cache ? { imageTokenId: vision.imageTokenId } : {};
  const rows = tokenRows(examples, { vocabSize, features, ...image });
  if (features === 0) return { rows, features, inputs: { [HIDDEN]: tables.noFeatures(vision.width) }, stages: [] };
  if (made) return { rows, features, inputs: made, stages: [] };
  const patches = sum((grid) => vision.patches(grid));
  const pixels = examples.map(({ pixelValues }) => pixelValues);
  const inputs = { [HIDDEN]: tables.pixels(pixels, patches) };
  return { rows, features, inputs, stages: vision.stages(tables, grids, { grad }) };
}
