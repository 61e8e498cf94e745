/** Figures beside the reference's: intervals by volume, groups by size, cut-offs, and whether the stated pixel size is used. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { rowText, readRow, scoreRow } from '../../src/data/medvision/answerRows.ts';
import type { ScoredRow } from '../../src/data/medvision/answerRows.ts';
import { intervals, scoreIntervals, volumeOf } from '../../src/data/medvision/bootstrap.ts';
import { decisionsOf, readCutoffs } from '../../src/data/medvision/cutoffs.ts';
import { figuresOf, scoreAnswer } from '../../src/data/medvision/metrics.ts';
import { sizeGroup } from '../../src/data/medvision/sizeGroups.ts';
import { spacingFactor, spacingUse, withSpacing } from '../../src/data/medvision/spacingProbe.ts';
import { summaryFiles } from '../../src/data/medvision/summaries.ts';
import type { SampleRecord } from '../../src/data/medvision/record.ts';
import { sampleOf } from '../../src/data/medvision/samples.ts';
import { parseTaskName } from '../../src/data/medvision/tasks.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-metrics-'));
afterAll(() => rmSync(folder, { recursive: true }));

const row = (id: number, truth: number[], response: string, doc: Record<string, unknown> = {}, group = 'kidney tumor @ CT (A)'): ScoredRow =>
  scoreRow({ id, asked: { task: 'TL', taskType: 'TumorLesionSize', group, values: truth }, prompt: '', target: '', response, doc, facts: {} }, 'robust');

describe('intervals', () => {
  const settings = { draws: 2000, seed: 7 };
  const mean = { mean: (value: number) => ({ value, weight: 1 }) };

  test('hold the figure, repeat with the seed, and know no less than two volumes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(4), fc.double({ min: 0, max: 10, noNaN: true })), { minLength: 1, maxLength: 40 }), (pairs) => {
        const rows = pairs.map(([volume, value]) => ({ row: value, volume: String(volume) }));
        const found = intervals(rows, mean, { draws: 200, seed: 1 }).mean;
        const values = pairs.map(([, value]) => value);
        if (new Set(rows.map(({ volume }) => volume)).size < 2) {
          expect(found).toBeUndefined();
          return;
        }
        const [low, high] = found ?? [NaN, NaN];
        expect(low).toBeLessThanOrEqual(high);
        expect(low).toBeGreaterThanOrEqual(Math.min(...values) - 1e-9);
        expect(high).toBeLessThanOrEqual(Math.max(...values) + 1e-9);
        expect(intervals(rows, mean, { draws: 200, seed: 1 }).mean).toEqual(found);
      }),
      { numRuns: 50 },
    );
  });

  test('are as wide as the spread between volumes, however many slices each has', () => {
    // 100 volumes whose means are uniform in 0…1: the standard error of the mean is √(1/12)/10, so 1.96 of them are ±0.0566.
    const volumes = Array.from({ length: 100 }, (_, i) => (i + 0.5) / 100);
    const width = (slices: number): number => {
      const rows = volumes.flatMap((value, v) => Array.from({ length: slices }, () => ({ row: value, volume: `v${v}` })));
      const [low, high] = intervals(rows, mean, settings).mean ?? [NaN, NaN];
      expect((low + high) / 2).toBeCloseTo(0.5, 2);
      return high - low;
    };
    expect(width(1)).toBeCloseTo(2 * 0.0566, 1.5);
    expect(width(30)).toBeCloseTo(width(1), 10);
    const alone = volumes.flatMap((value, v) => Array.from({ length: 30 }, (_, s) => ({ row: value, volume: `v${v} ${s}` })));
    const [low, high] = intervals(alone, mean, settings).mean ?? [NaN, NaN];
    expect(high - low).toBeLessThan(width(1) / 4);
  });

  test('of scores are around their figures, which have the same terms', () => {
    const scores = Array.from({ length: 60 }, (_, i) => ({
      row: scoreAnswer('TumorLesionSize', i % 7 === 0 ? 'none' : `${20 + (i % 5)}, ${10 - (i % 3)}`, [20, 10]),
      volume: `v${i % 12}`,
    }));
    const figures = figuresOf('TumorLesionSize', scores.map(({ row: score }) => score));
    const found = scoreIntervals(false, scores, settings);
    expect(Object.keys(found).sort()).toEqual(['MRE<0.1', 'SuccessRate', 'avgMAE', 'avgMRE', 'nMAE']);
    for (const [name, [low, high]] of Object.entries(found)) {
      expect(figures[name], name).toBeGreaterThan(low);
      expect(figures[name], name).toBeLessThan(high);
    }
    const boxes = ['0, 0, 1, 1', '0, 0, 1, 0.6', 'none'].map((text, i) => ({ row: scoreAnswer('BoxSize', text, [0, 0, 1, 1]), volume: `v${i}` }));
    expect(scoreIntervals(true, boxes, settings)['IoU']).toEqual([0, 1]);
  });

  test('know the volume of a row', () => {
    expect(volumeOf({ id: 3, doc: { image_file: 'Datasets/D/a.nii', case_ID: 'a' } })).toBe('Datasets/D/a.nii');
    expect(volumeOf({ id: 3, doc: { case_ID: 'a', dataset_name: 'D' } })).toBe('D a');
    expect(volumeOf({ id: 3, doc: { images: ['a.png'] } })).toBe('a.png');
    expect(volumeOf({ id: 3, doc: {} })).toBe('row 3');
  });
});

test('sizes: COCO’s areas of boxes, millimetres of lengths, nothing of angles', () => {
  const box = (side: number): string | undefined =>
    sizeGroup({ task: '', taskType: 'BoxSize', group: '', values: [0.1, 0.1, 0.1 + side / 512, 0.1 + side / 512] }, { image_size_2d: [512, 512] });
  expect([31, 32, 95, 96].map(box)).toEqual(['small (area < 32² px)', 'medium (32² to 96² px)', 'medium (32² to 96² px)', 'large (≥ 96² px)']);
  const size = (values: number[]): string | undefined => sizeGroup({ task: '', taskType: 'TumorLesionSize', group: '', values }, {});
  expect([size([9.9, 5]), size([10, 5]), size([5, 30])]).toEqual(['< 10 mm', '10 to 30 mm', '≥ 30 mm']);
  const metric = (kind: string, unit: string): string | undefined =>
    sizeGroup({ task: '', taskType: 'BiometricsFromLandmarks', group: '', values: [2] }, { biometric_profile: { metric_type: kind, metric_unit: unit } });
  expect([metric('distance', 'mm'), metric('distance', 'cm'), metric('angle', 'degree')]).toEqual(['< 10 mm', '10 to 30 mm', undefined]);
});

describe('cut-offs', () => {
  const write = (value: unknown): string => {
    const path = join(folder, 'cutoffs.json');
    writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value));
    return path;
  };
  test('say how often an answer decides as the truth', async () => {
    const [recist, grades] = await readCutoffs(
      nodePlatform,
      write([
        { name: 'RECIST target', task: 'TL', group: 'Kidney', at: [10] },
        { name: 'short axis', task: 'TL', axis: 'minor', at: [5, 15] },
      ]),
    );
    const rows = [
      row(0, [12, 8], '10, 4'), // target, said so; the short axis is said below 5
      row(1, [12, 8], '9.9, 8'), // missed
      row(2, [8, 6], '8, 6'), // none, said so
      row(3, [8, 6], 'none'), // not read
      row(4, [40, 20], '40, 20', {}, 'liver tumor @ CT (A)'), // another group
    ];
    const [first, second] = decisionsOf(rows, [recist!, grades!], { draws: 1000, seed: 0 });
    // Truth: 2 above, 2 below. Answers: 1 above, 2 below, 1 none. Chance: 2/4 · 1/4 + 2/4 · 2/4 = 3/8.
    expect(first).toMatchObject({ num_samples: 4, agreement: 0.5, sensitivity: 0.5, specificity: 0.5, agreement_interval: [0, 1] });
    expect(first?.kappa).toBeCloseTo((0.5 - 3 / 8) / (1 - 3 / 8), 12);
    expect(second).toMatchObject({ num_samples: 5, agreement: 3 / 5, at: [5, 15] });
    expect(second).not.toHaveProperty('sensitivity');
    expect(decisionsOf([], [recist!], { draws: 100, seed: 0 })[0]).toMatchObject({ num_samples: 0, agreement: null, kappa: null });
  });

  test.each([
    ['{}', /cutoffs\.json: a list/],
    [[{ name: 'x', task: 'Detection', at: [1] }], /\[0\]\.task: TL or AD expected, "Detection" found/],
    [[{ name: 'x', task: 'TL', at: [2, 1] }], /\[0\]\.at: limits that rise/],
    [[{ name: 'x', task: 'TL', at: [] }], /limits that rise/],
    [[{ name: 'x', task: 'TL', limit: 3, at: [1] }], /"limit" is unknown/],
    [[{ name: 'x', task: 'TL', at: ['1'] }], /\[0\]\.at\[0\]/],
  ])('%j is refused', async (value, words) => {
    await expect(readCutoffs(nodePlatform, write(value))).rejects.toThrow(words);
  });
});

describe('the stated pixel size', () => {
  const info = { where: '', id: 1, imageModality: 'CT', imageDescription: 'a scan', labelsMap: new Map(), targetLabel: 1, hasTransposedSpacing: false, raw: {} };
  const frame = { height: 100, width: 80, resizedHeight: 100, resizedWidth: 80, pixelHeight: 0.5, pixelWidth: 0.8, isFloat32: false };
  const item: SampleRecord['item'] = { where: '', id: 'a', imageFile: 'a', maskFile: undefined, landmarkFile: undefined, shape: [100, 80, 9], voxelSize: [1, 1, 1] };
  const record = (annotation: SampleRecord['annotation']): SampleRecord => ({
    info, task: parseTaskName('D_TumorLesionSize_Task01_Axial', 'test'), split: 'test', item, frame, sliceIdx: 1, loaderIndex: 4, annotation,
  });

  test('and the lengths grow by one factor; angles and boxes stay', () => {
    const size = sampleOf(withSpacing(record({ kind: 'ellipse', label: 1, labelName: 'cyst', major: 20, minor: 10, unit: 'mm', isSuspect: false }), 1.5), 'corrected');
    expect(size.target).toBe('30.00, 15.00');
    expect(size.prompt).toContain('The pixel size for this image is 1.200 mm (width) x 0.750 mm (height).');
    const metric = { key: 'k', name: 'n', landmarks: ['a', 'b', 'c', 'd'] };
    const distance = sampleOf(withSpacing(record({ kind: 'distance', value: 7, unit: 'mm', ...metric }), 2), 'corrected');
    expect(distance.target).toBe('14.00');
    const angle = sampleOf(withSpacing(record({ kind: 'angle', value: 30, unit: 'degree', ...metric }), 2), 'corrected');
    expect(angle.target).toBe('30.00');
    expect(angle.prompt).toContain('1.600 mm (width) x 1.000 mm (height)');
  });

  test('factors lie between their ends, are those of the seed, and differ', () => {
    const factors = (seed: number): number[] => Array.from({ length: 1000 }, (_, i) => spacingFactor({ low: 0.5, high: 3, seed }, i));
    const found = factors(1);
    expect(Math.min(...found)).toBeGreaterThanOrEqual(0.5);
    expect(Math.max(...found)).toBeLessThanOrEqual(3);
    expect(found.reduce((sum, factor) => sum + factor, 0) / 1000).toBeCloseTo(1.75, 1);
    expect(factors(1)).toEqual(found);
    expect(factors(2)).not.toEqual(found);
  });

  test('slope: 1 of a model that follows, 0 of one that has lengths by heart', () => {
    const rows = (use: number): ScoredRow[] =>
      Array.from({ length: 50 }, (_, i) => {
        const factor = spacingFactor({ low: 0.5, high: 3, seed: 3 }, i);
        const onDisk = [20 + i, 10 + (i % 4)];
        const answer = onDisk.map((value) => value * 1.1 * factor ** use);
        return row(i, onDisk.map((value) => value * factor), answer.map((value) => value.toFixed(6)).join(', '), { pixel_size_factor: factor });
      });
    for (const use of [0, 0.4, 1]) expect(spacingUse(rows(use)).slope).toBeCloseTo(use, 5);
    expect(spacingUse(rows(1)).num_samples).toBe(100);
    expect(spacingUse([row(0, [1, 1], '1, 1')])).toEqual({ num_samples: 0, slope: null });
    expect(spacingUse(Array.from({ length: 9 }, (_, i) => row(i, [2, 2], '2, 2', { pixel_size_factor: 2 }))).slope).toBeNull();
  });
});

describe('summary.json', () => {
  const summary = (rows: readonly ScoredRow[], parser: 'robust' | 'reference' = 'robust'): Record<string, unknown> =>
    JSON.parse(summaryFiles(rows, { model: 'm', parser, minGroupSize: 1 }).find(({ name }) => name === 'summary.json')?.text ?? '') as Record<string, unknown>;

  test('has intervals, sizes, what was left out; the reference’s files have its figures alone', () => {
    const rows = Array.from({ length: 6 }, (_, i) => row(i, [8 + 5 * i, 4], `${8 + 4 * i}, 4`, { image_file: `v${i % 3}` }));
    expect(summary(rows)).toMatchObject({
      bootstrap: { draws: 1000, seed: 0, by: 'volume', level: 0.95 },
      sizes: { TL: { '< 10 mm': { num_samples: 1 }, '10 to 30 mm': { num_samples: 4 }, '≥ 30 mm': { num_samples: 1 } } },
    });
    expect(Object.keys((summary(rows)['intervals'] as Record<string, object>)['TL'] ?? {})).toContain('avgMRE');
    const metrics = (parser: 'robust' | 'reference'): string =>
      summaryFiles(rows, { model: 'm', parser, minGroupSize: 1 }).find(({ name }) => name === 'summary_metrics_TL_Task.json')?.text ?? '';
    expect(metrics('robust')).toContain('nMAE');
    expect(metrics('reference')).not.toContain('nMAE');
  });

  test('angles and distances below 0.1 are written, not scored, and scored again by the reference’s way', () => {
    const asked = { task: 'D_BiometricsFromLandmarks_Task01_Axial', taskType: 'BiometricsFromLandmarks' as const, group: 'D_distance_x', values: [0.09] };
    const tiny = { id: 0, asked, prompt: '', target: '0.09', response: '3', doc: {}, facts: {} };
    const scored = scoreRow(tiny, 'robust');
    expect(scored.score).toBeUndefined();
    const line = rowText(scored, 'robust');
    expect(JSON.parse(line)).toMatchObject({ task: asked.task, task_type: 'AD', group: 'D_distance_x', target: '0.09' });
    expect(scoreRow(readRow(line, 0, 'x'), 'reference')).toMatchObject({ asked, score: { isAnswer: true } });
    expect(summary([scored])).toMatchObject({ left_out: { count: 1 }, kinds: {} });
    expect(scoreRow({ ...tiny, asked: { ...asked, values: [0.1] } }, 'robust').score?.mae).toBeCloseTo(2.9, 12);
  });
});
