/**
 * The part of a model that turns pictures into features, which take the places of their placeholder tokens in the text. What it makes of a
 * picture depends on that picture alone, so that it may be run with the batch or before it (src/models/pictureFeatures.ts).
 */
import type { BatchTables } from './batchTables.ts';
import type { Modules } from './modules.ts';
import type { Stage } from './stages.ts';

/** Of a picture, or of a tile where a picture is cut into some, in patches. */
export type Grid = readonly [t: number, h: number, w: number];

export interface Vision {
  /** The tower, and what brings its features into the text's width. */
  modules: Pick<Modules, 'trains'>;
  /** The token that stands for a row of features. */
  imageTokenId: number;
  /** Under which names the stages give features, HIDDEN among them. */
  gives: readonly string[];
  /** C of the features. */
  width: number;
  /** Values that the tower's widest activation has for a patch. */
  widest: number;
  /** Rows of pixels that a picture is. */
  patches(grid: Grid): number;
  /** Rows of features that it becomes. */
  features(grid: Grid): number;
  /** From pixels (Σ patches, …) of pictures, one after the other, to their features (Σ features, width). */
  stages(tables: BatchTables, grids: readonly Grid[], options: { grad: boolean }): Stage[];
}
