/**
 * Where everything is in Qwen2.5-VL, beyond src/models/qwenPositions.ts: the window order of the vision tower, the angles of the tokens.
 */
import { imageTokens } from '../qwenPositions.ts';
import { ropeFrequencies, rotary } from '../rotary.ts';
import type { Rotary } from '../rotary.ts';
import type { Qwen2_5VLTextConfig, Qwen2_5VLVisionConfig } from './config.ts';
import type { Grid } from '../vision.ts';

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
