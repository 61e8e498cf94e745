/** Positions, window order and rotary angles against transformers' own (test/golden/qwen_vision_indices.py) and the golden cases. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../../src/platform.ts';
import { textRotary, windowOrder } from '../../../src/models/qwen2_5_vl/positions.ts';
import { frameSeqlens, imageTokens, mropePositions, patchPositions, visionRotary } from '../../../src/models/qwenPositions.ts';
import type { Grid } from '../../../src/models/vision.ts';
import type { Rotary } from '../../../src/models/rotary.ts';

type Rows = Record<string, number[]>;
interface VisionCase {
  grids: Grid[];
  window_size: number;
  merge: number;
  patch: number;
  head_dim: number;
  window_index: number[];
  cu_window_seqlens: number[];
  cu_seqlens: number[];
  positions: number[];
  cos: Rows;
  sin: Rows;
}
interface TextCase {
  hidden: number;
  heads: number;
  section: number[];
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

const dump = JSON.parse(readFileSync(new URL('../../golden/qwen_vision_indices.json', import.meta.url), 'utf8')) as {
  vision: VisionCase[];
  text: TextCase[];
};

/** Torch's float32 pow may be one unit in the last place off ours; an angle grows with the position, so the tolerance does. */
function expectRows(rotary: Rotary, width: number, expected: { cos: Rows; sin: Rows }, largestPosition: number): void {
  const tolerance = 2e-7 * Math.max(1, largestPosition);
  for (const table of ['cos', 'sin'] as const) {
    for (const [row, values] of Object.entries(expected[table])) {
      values.forEach((value, d) => {
        expect(Math.abs((rotary[table][Number(row) * width + d] ?? NaN) - value), `${table} of row ${row}, ${d}`).toBeLessThanOrEqual(tolerance);
      });
    }
  }
}

describe('vision', () => {
  test.each(dump.vision.map((c) => [JSON.stringify(c.grids), c] as const))('window order and angles of %s', (_, c) => {
    const { windowIndex, cuWindowSeqlens } = windowOrder(c.grids, { windowSize: c.window_size, spatialMergeSize: c.merge, patchSize: c.patch });
    expect([...windowIndex]).toEqual(c.window_index);
    expect([...cuWindowSeqlens]).toEqual(c.cu_window_seqlens);
    expect([...frameSeqlens(c.grids)]).toEqual(c.cu_seqlens);
    expect([...patchPositions(c.grids, c.merge)]).toEqual(c.positions);
    const rotary = visionRotary(c.grids, { headDim: c.head_dim, ropeTheta: 10_000, spatialMergeSize: c.merge });
    expect(rotary.cos.length).toBe((c.positions.length / 2) * (c.head_dim / 2));
    expectRows(rotary, c.head_dim / 2, c, Math.max(...c.positions));
  });

  test('the window order is a permutation and its boundaries cover it, for any grid', () => {
    const grid = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }));
    fc.assert(
      fc.property(fc.array(grid, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 5 }), (halves, side) => {
        const grids = halves.map(([t, h, w]): Grid => [t, 2 * h, 2 * w]);
        const { windowIndex, cuWindowSeqlens } = windowOrder(grids, { windowSize: side * 28, spatialMergeSize: 2, patchSize: 14 });
        expect([...windowIndex].sort((a, b) => a - b)).toEqual(Array.from(windowIndex, (_, i) => i));
        expect(cuWindowSeqlens.at(-1)).toBe(grids.reduce((sum, [t, h, w]) => sum + t * h * w, 0));
        cuWindowSeqlens.slice(1).forEach((end, i) => {
          expect(end - (cuWindowSeqlens[i] ?? 0)).toBeGreaterThan(0);
          expect(end - (cuWindowSeqlens[i] ?? 0)).toBeLessThanOrEqual(side * side * 4);
        });
      }),
      { seed: 1, numRuns: 100 },
    );
  });
});

describe('text', () => {
  test.each(dump.text.map((c) => [JSON.stringify(c.grids), c] as const))('M-RoPE of images %s', (_, c) => {
    const ids = c.runs.flatMap((run, i) => {
      const grid = c.grids[i];
      const image = grid === undefined ? [] : [3, ...Array.from({ length: imageTokens(grid, 2) }, () => c.image_id), 4];
      return [...Array.from({ length: run }, () => 1), ...image];
    });
    const { positionIds, ropeDelta } = mropePositions(ids, c.image_id, c.grids, 2);
    expect(positionIds.length).toBe(3 * c.length);
    expect(createHash('sha256').update(new Uint8Array(positionIds.buffer)).digest('hex')).toBe(c.positions_sha256);
    expect(ropeDelta).toBe(c.delta);
    const headDim = c.hidden / c.heads;
    expectRows(textRotary(positionIds, { headDim, rope: { theta: c.theta }, mropeSection: c.section }), headDim / 2, c, Math.max(...positionIds));
  });

  test('placeholders that do not match the images are refused', () => {
    expect(() => mropePositions([1, 7, 7, 7, 1], 7, [[1, 4, 4]], 2)).toThrow(UserError);
    expect(() => mropePositions([1, 7, 7, 7, 1], 7, [[1, 4, 4]], 2)).toThrow('4 placeholder tokens were expected at position 1, 3 are there');
    expect(() => mropePositions([1, 7], 7, [], 2)).toThrow('0 images given');
    expect(() => mropePositions([1, 2], 7, [[1, 2, 2]], 2)).toThrow('1 images were given');
  });

  test('two images back to back, without a token between them, keep their own grids', () => {
    const { positionIds } = mropePositions(
      [7, 7, 7, 1],
      7,
      [
        [1, 2, 4],
        [1, 2, 2],
      ],
      2,
    );
    expect([...positionIds]).toEqual([0, 0, 2, 3, 0, 0, 2, 3, 0, 1, 2, 3]);
  });
});
