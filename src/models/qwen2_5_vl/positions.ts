/**
 * Where everything is: M-RoPE positions of the tokens, and for the vision tower the window order, the attention segments and the rotary
 * angles of the patches. Pure functions of the grids; checked against transformers' own on grids of many shapes, because an index that is
 * off by one trains without complaint. `grid` is [t, h, w] in patches; images are concatenated.
 */
import { UserError } from '../../platform.ts';
import { inverseFrequencies, ropeFrequencies, rotary } from '../rotary.ts';
import type { Rotary } from '../rotary.ts';
import type { Qwen2_5VLTextConfig, Qwen2_5VLVisionConfig } from './config.ts';

export type Grid = readonly [t: number, h: number, w: number];

/** Tokens an image takes in the text: its patches after merging. */
export function imageTokens(grid: Grid, spatialMergeSize: number): number {
  return grid[0] * Math.floor(grid[1] / spatialMergeSize) * Math.floor(grid[2] / spatialMergeSize);
}

/**
 * M-RoPE (transformers' get_rope_index). Text advances all three positions by one a token; an image starts where the text stopped, its
 * tokens take (start + t, start + row, start + column), and the text goes on at start + max(rows, columns).
 * @param inputIds (T) with one image placeholder a token of the image
 * @returns positionIds (3, T) row-major; ropeDelta: the next position minus T, for generation
 */
export function mropePositions(
  inputIds: ArrayLike<number>,
  imageTokenId: number,
  grids: readonly Grid[],
  spatialMergeSize: number,
): { positionIds: Int32Array; ropeDelta: number } {
  const length = inputIds.length;
  const positionIds = new Int32Array(3 * length);
  let next = 0;
  let largest = -1;
  let image = 0;
  for (let t = 0; t < length;) {
    if (inputIds[t] !== imageTokenId) {
      for (let axis = 0; axis < 3; axis++) positionIds[axis * length + t] = next;
      largest = Math.max(largest, next++);
      t++;
      continue;
    }
    const grid = grids[image++];
    const wanted = grid === undefined ? 0 : imageTokens(grid, spatialMergeSize);
    let placeholders = 0;
    while (placeholders < wanted && inputIds[t + placeholders] === imageTokenId) placeholders++;
    if (grid === undefined || placeholders < wanted) {
      throw new UserError(
        `Image ${image}: ${wanted} placeholder tokens were expected at position ${t}, ${placeholders} are there (${grids.length} images ` +
          `given).`,
      );
    }
    const rows = Math.floor(grid[1] / spatialMergeSize);
    const columns = Math.floor(grid[2] / spatialMergeSize);
    for (let i = 0; i < wanted; i++, t++) {
      positionIds[t] = next + Math.floor(i / (rows * columns));
      positionIds[length + t] = next + (Math.floor(i / columns) % rows);
      positionIds[2 * length + t] = next + (i % columns);
    }
    largest = Math.max(largest, next + Math.max(grid[0], rows, columns) - 1);
    next += Math.max(rows, columns);
  }
  if (image !== grids.length) throw new UserError(`${grids.length} images were given, the tokens have placeholders for ${image}.`);
  return { positionIds, ropeDelta: largest + 1 - length };
}

/**
 * The order in which the tower sees the merged patches: window after window, row-major inside each.
 * @returns windowIndex (N / merge²): place in window order → merged patch; cuWindowSeqlens: window boundaries in patches, from 0 to N
 */
export function windowOrder(
  grids: readonly Grid[],
  config: Pick<Qwen2_5VLVisionConfig, 'windowSize' | 'spatialMergeSize' | 'patchSize'>,
): { windowIndex: Int32Array; cuWindowSeqlens: Int32Array } {
  const side = Math.floor(Math.floor(config.windowSize / config.spatialMergeSize) / config.patchSize);
  const windowIndex = new Int32Array(grids.reduce((sum, grid) => sum + imageTokens(grid, config.spatialMergeSize), 0));
  const boundaries = [0];
  let filled = 0;
  let imageStart = 0;
  for (const grid of grids) {
    const rows = Math.floor(grid[1] / config.spatialMergeSize);
    const columns = Math.floor(grid[2] / config.spatialMergeSize);
    for (let frame = 0; frame < grid[0]; frame++) {
      for (let top = 0; top < rows; top += side) {
        for (let left = 0; left < columns; left += side) {
          for (let row = top; row < Math.min(top + side, rows); row++) {
            for (let column = left; column < Math.min(left + side, columns); column++) {
              windowIndex[filled++] = imageStart + (frame * rows + row) * columns + column;
            }
          }
          boundaries.push(filled * config.spatialMergeSize ** 2);
        }
      }
    }
    imageStart = filled;
  }
  return { windowIndex, cuWindowSeqlens: Int32Array.from(boundaries) };
}

/** Boundaries of full attention, in patches: every frame of every image by itself. */
export function frameSeqlens(grids: readonly Grid[]): Int32Array {
  const boundaries = [0];
  let end = 0;
  for (const [t, h, w] of grids) {
    for (let frame = 0; frame < t; frame++) boundaries.push((end += h * w));
  }
  return Int32Array.from(boundaries);
}

/**
 * (N, 2) row-major: row and column of every patch, in the processor's order (merge blocks together), before the window order is applied.
 */
export function patchPositions(grids: readonly Grid[], spatialMergeSize: number): Int32Array {
  const positions = new Int32Array(2 * grids.reduce((sum, [t, h, w]) => sum + t * h * w, 0));
  let at = 0;
  for (const [t, h, w] of grids) {
    for (let frame = 0; frame < t; frame++) {
      for (let top = 0; top < h; top += spatialMergeSize) {
        for (let left = 0; left < w; left += spatialMergeSize) {
          for (let inBlock = 0; inBlock < spatialMergeSize ** 2; inBlock++) {
            positions[at++] = top + Math.floor(inBlock / spatialMergeSize);
            positions[at++] = left + (inBlock % spatialMergeSize);
          }
        }
      }
    }
  }
  return positions;
}

/**
 * Rotary angles of the patches in the processor's order, (N, headDim/2): the first half turns with the row, the second with the column. The
 * tower works in window order; it gathers these rows as it gathers the patches.
 */
export function visionRotary(
  grids: readonly Grid[],
  config: Pick<Qwen2_5VLVisionConfig, 'headDim' | 'ropeTheta' | 'spatialMergeSize'>,
): Rotary {
  const frequencies = inverseFrequencies(config.ropeTheta, config.headDim / 2);
  const axis = frequencies.length;
  const positions = patchPositions(grids, config.spatialMergeSize);
  return rotary(positions.length / 2, 2 * axis, (n, d) => [positions[2 * n + (d < axis ? 0 : 1)] ?? 0, frequencies[d % axis] ?? 0]);
}

/**
 * Rotary angles of the tokens, (T, headDim/2): frequency d turns with the time, height or width position, by `mropeSection`.
 * @param positionIds (3, T) row-major
 */
export function textRotary(positionIds: Int32Array, config: Pick<Qwen2_5VLTextConfig, 'headDim' | 'rope' | 'mropeSection'>): Rotary {
  const { frequencies, scale } = ropeFrequencies(config.rope, config.headDim);
  const axes = config.mropeSection.flatMap((size, section) => Array.from({ length: size }, () => section % 3));
  const length = positionIds.length / 3;
  return rotary(length, frequencies.length, (t, d) => [positionIds[(axes[d] ?? 0) * length + t] ?? 0, frequencies[d] ?? 0], scale);
}
