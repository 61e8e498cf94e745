/** Position table, rotary angles and M-RoPE positions against transformers' own (test/golden/qwen3_vl_indices.py). */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ownRows } from '../../../src/models/blocks/qwenVision.ts';
import { textRotary } from '../../../src/models/qwen2_5_vl/positions.ts';
import { interleavedAxes, interleavedRotary, positionMixture } from '../../../src/models/qwen3_vl/positions.ts';
import { imageTokens, mropePositions, visionRotary } from '../../../src/models/qwenPositions.ts';
import type { Grid } from '../../../src/models/vision.ts';
import type { Rotary } from '../../../src/models/rotary.ts';

type Rows = Record<string, number[]>;
interface VisionCase {
  grids: Grid[];
  merge: number;
  positions: number;
  head_dim: number;
  indices_sha256: string;
  weights_sha256: string;
  indices: number[];
  weights: number[];
  cos: Rows;
  sin: Rows;
}
interface TextCase {
  head_dim: number;
  section: [number, number, number];
  theta: number;
  grids: Grid[];
  runs: number[];
  image_id: number;
  length: number;
  positions_sha256: string;
  delta: number;
  cos: Rows;
  sin: Rows;
}

const dump = JSON.parse(readFileSync(new URL('../../golden/qwen3_vl_indices.json', import.meta.url), 'utf8')) as {
  vision: VisionCase[];
  text: TextCase[];
};
const sha256 = (data: Uint32Array | Int32Array | Float32Array): string =>
  createHash('sha256')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex');

/** Largest error of the stored rows. Torch's float32 pow may be one unit in the last place off ours; an angle grows with the position, so the bound does. */
function distance(rotary: Rotary, width: number, expected: { cos: Rows; sin: Rows }): number {
  const errors = (['cos', 'sin'] as const).flatMap((table) =>
    Object.entries(expected[table]).flatMap(([row, values]) =>
      values.map((value, d) => Math.abs((rotary[table][Number(row) * width + d] ?? NaN) - value)),
    ),
  );
  return Math.max(...errors);
}

describe('vision', () => {
  test.each(dump.vision.map((c) => [JSON.stringify(c.grids), c] as const))('the position table and the angles of %s', (_, c) => {
    const { offsets, columns, weights } = positionMixture(c.grids, { positions: c.positions, spatialMergeSize: c.merge });
    const patches = c.grids.reduce((sum, [t, h, w]) => sum + t * h * w, 0);
    expect([...offsets]).toEqual(Array.from({ length: patches + 1 }, (__, i) => 4 * i));
    expect([...columns.subarray(0, c.indices.length)]).toEqual(c.indices);
    expect([...weights.subarray(0, c.weights.length)]).toEqual(c.weights);
    expect(sha256(columns)).toBe(c.indices_sha256);
    expect(sha256(weights)).toBe(c.weights_sha256);
    const rotary = visionRotary(c.grids, { headDim: c.head_dim, ropeTheta: 10_000, spatialMergeSize: c.merge });
    expect(distance(rotary, c.head_dim / 2, c)).toBeLessThanOrEqual(2e-7 * Math.max(1, ...c.grids.flat()));
  });
});

describe('text', () => {
  const idsOf = (c: TextCase): number[] =>
    c.runs.flatMap((run, i) => {
      const grid = c.grids[i];
      const image = grid === undefined ? [] : [3, ...Array.from({ length: imageTokens(grid, 2) }, () => c.image_id), 4];
      return [...Array.from({ length: run }, () => 1), ...image];
    });

  test.each(dump.text.map((c) => [JSON.stringify(c.grids), c] as const))('interleaved M-RoPE of images %s', (_, c) => {
    const { positionIds, ropeDelta } = mropePositions(idsOf(c), c.image_id, c.grids, 2);
    expect(positionIds.length).toBe(3 * c.length);
    expect(sha256(positionIds)).toBe(c.positions_sha256);
    expect(ropeDelta).toBe(c.delta);
    const config = { headDim: c.head_dim, rope: { theta: c.theta }, mropeSection: c.section };
    const bound = 2e-7 * Math.max(1, ...positionIds);
    expect(distance(interleavedRotary(positionIds, config), c.head_dim / 2, c)).toBeLessThanOrEqual(bound);
  });

  test('sections one after the other, as in Qwen2.5-VL, are other angles', () => {
    const [c] = dump.text;
    const { positionIds } = mropePositions(idsOf(c!), c!.image_id, c!.grids, 2);
    const config = { headDim: c!.head_dim, rope: { theta: c!.theta }, mropeSection: c!.section };
    expect(distance(textRotary(positionIds, config), c!.head_dim / 2, c!)).toBeGreaterThan(0.1);
  });

  test('the axes take turns while height and width have frequencies left', () => {
    expect(interleavedAxes([4, 3, 3], 10)).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);
    expect(interleavedAxes([2, 3, 3], 8)).toEqual([0, 1, 2, 0, 1, 2, 0, 1]);
    expect(interleavedAxes([7, 1, 2], 10)).toEqual([0, 1, 2, 0, 0, 2, 0, 0, 0, 0]);
  });

  test('deep features join the tokens of their image, and no other', () => {
    const { offsets, columns, weights } = ownRows(Int32Array.of(-1, 0, 1, -1, 2));
    expect([...offsets]).toEqual([0, 0, 1, 2, 2, 3]);
    expect([...columns]).toEqual([0, 1, 2]);
    expect([...weights]).toEqual([1, 1, 1]);
  });
});
