/**
 * Where Qwen3-VL's patches and tokens are, beyond what it shares with Qwen2.5-VL (M-RoPE positions, patches in merge blocks): rows of the
 * learned position table mixed for every patch, frequencies of the three axes taking turns.
 * Pure functions of the grids, checked against transformers' own on grids of many shapes.
 */
import type { SparseTable } from '../../ops/addRows.ts';
import { patchPositions } from '../qwenPositions.ts';
import { ropeFrequencies, rotary } from '../rotary.ts';
import type { Rotary } from '../rotary.ts';
import type { Qwen3VLTextConfig, Qwen3VLVisionConfig } from './config.ts';
import type { Grid } from '../vision.ts';

/**
 * The position table is a square of `side` × `side` places, stretched over every image so that the corners meet: a patch takes the four
 * places around it (bilinear, aligned corners). Rounded to float32 where torch rounds.
 * @returns (N patches in the processor's order, side²), four entries a row
 */
export function positionMixture(
  grids: readonly Grid[],
  { positions, spatialMergeSize }: Pick<Qwen3VLVisionConfig, 'positions' | 'spatialMergeSize'>,
): SparseTable {
  const side = Math.floor(Math.sqrt(positions));
  const places = patchPositions(grids, spatialMergeSize);
  const patches = places.length / 2;
  const columns = new Uint32Array(4 * patches);
  const weights = new Float32Array(4 * patches);
  let patch = 0;
  for (const [t, h, w] of grids) {
    for (const end = patch + t * h * w; patch < end; patch++) {
      const rows = taps(places[2 * patch] ?? 0, h, side);
      const cols = taps(places[2 * patch + 1] ?? 0, w, side);
      rows.forEach((row, i) => {
        cols.forEach((column, j) => {
          columns[4 * patch + 2 * i + j] = row.place * side + column.place;
          weights[4 * patch + 2 * i + j] = row.weight * column.weight;
        });
      });
    }
  }
  return { offsets: Uint32Array.from({ length: patches + 1 }, (_, i) => 4 * i), columns, weights };
}

/** The places before and after position `index` of `size` on an axis of `side` places, and how much each counts. */
function taps(index: number, size: number, side: number): { place: number; weight: number }[] {
  const f = Math.fround;
  const at = f(f(index * (side - 1)) / Math.max(size - 1, 1));
  const before = Math.floor(at);
  const past = f(at - before);
  return [
    { place: before, weight: f(1 - past) },
    // Past the last place there is none, and its weight is zero.
    { place: Math.min(before + 1, side - 1), weight: f(1 - f(1 - past)) },
  ];
}

/** The position axis (0 time, 1 height, 2 width) with which each of the `count` frequencies turns. */
export function interleavedAxes([, height, width]: Qwen3VLTextConfig['mropeSection'], count: number): number[] {
  return Array.from({ length: count }, (_, d) => {
    if (d % 3 === 1 && d < 3 * height) return 1;
    return d % 3 === 2 && d < 3 * width ? 2 : 0;
  });
}

/**
 * Rotary angles of the tokens, (T, headDim/2).
 * @param positionIds (3, T) row-major
 */
export function interleavedRotary(positionIds: Int32Array, config: Pick<Qwen3VLTextConfig, 'headDim' | 'rope' | 'mropeSection'>): Rotary {
  const { frequencies, scale } = ropeFrequencies(config.rope, config.headDim);
  const axes = interleavedAxes(config.mropeSection, frequencies.length);
  const length = positionIds.length / 3;
  return rotary(length, frequencies.length, (t, d) => [positionIds[(axes[d] ?? 0) * length + t] ?? 0, frequencies[d] ?? 0], scale);
}
