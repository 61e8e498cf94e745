/**
 * Where the tokens and patches of Qwen's vision-language models are: M-RoPE positions of the tokens, places, attention segments and rotary
 * angles of the patches. Pure functions of the grids; checked against transformers' own on grids of many shapes, because an index that is
 * off by one trains without complaint. `grid` is [t, h, w] in patches; images are concatenated.
 */
import { UserError } from '../platform.ts';
import { inverseFrequencies, rotary } from './rotary.ts';
import type { Rotary } from './rotary.ts';
import type { Grid } from './vision.ts';

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
export function visionRotary(grids: readonly Grid[], config: { headDim: number; ropeTheta: number; spatialMergeSize: number }): Rotary {
  const frequencies = inverseFrequencies(config.ropeTheta, config.headDim / 2);
  const axis = frequencies.length;
  const positions = patchPositions(grids, config.spatialMergeSize);
  return rotary(positions.length / 2, 2 * axis, (n, d) => [positions[2 * n + (d < axis ? 0 : 1)] ?? 0, frequencies[d % axis] ?? 0]);
}
