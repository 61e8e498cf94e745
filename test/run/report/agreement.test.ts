/** Statistics of reports against published and hand-computed values. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scoreRow } from '../../../src/data/medvision/answerRows.ts';
import type { ScoredRow } from '../../../src/data/medvision/answerRows.ts';
import type { TaskType } from '../../../src/data/medvision/tasks.ts';
import { agreementOf, quantile } from '../../../src/run/report/agreement.ts';
import { agreementFigures, spread } from '../../../src/run/report/agreementPlots.ts';
import { measureSets, unitOf, withUnit } from '../../../src/run/report/measures.ts';
import { structuresOf } from '../../../src/run/report/structures.ts';

/** Peak expiratory flow (l/min) of 17 subjects by Wright and mini Wright meter, first readings: table 1 of Bland and Altman 1986. */
const WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427];
const MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451];

describe('agreement', () => {
  it('is that of Bland and Altman on their own data', () => {
    const found = agreementOf(WRIGHT.map((predicted, i) => ({ predicted, truth: MINI[i]! })))!;
    expect(found.count).toBe(17);
    // The paper: mean difference −2.1, SD 38.8, standard errors 9.4 and 16.3.
    expect(found.bias).toBeCloseTo(-2.1176, 3);
    expect(found.deviation).toBeCloseTo(38.765, 2);
    expect(found.biasError).toBeCloseTo(9.4, 1);
    expect(found.limitError).toBeCloseTo(16.3, 1);
    // With 1.96 in place of the paper's 2.
    expect(found.lower).toBeCloseTo(-2.1176 - 1.96 * 38.7651, 2);
    expect(found.upper).toBeCloseTo(-2.1176 + 1.96 * 38.7651, 2);
  });

  it('takes the sign from predicted − true, leaves out what is not finite, and needs two', () => {
    const found = agreementOf([{ truth: 10, predicted: 12 }, { truth: 20, predicted: 24 }, { truth: 1, predicted: NaN }, { truth: 1, predicted: Infinity }])!;
    expect(found).toMatchObject({ count: 2, bias: 3, meanError: 3 });
    expect(found.deviation).toBeCloseTo(Math.SQRT2, 12);
    expect(agreementOf([{ truth: 1, predicted: 2 }])).toBeUndefined();
    expect(agreementOf([])).toBeUndefined();
  });

  it('moves with a shift, and holds its limits around the bias', () => {
    const number = fc.integer({ min: -1000, max: 1000 });
    fc.assert(
      fc.property(fc.array(fc.record({ truth: number, predicted: number }), { minLength: 2, maxLength: 60 }), number, (pairs, shift) => {
        const found = agreementOf(pairs)!;
        const moved = agreementOf(pairs.map(({ truth, predicted }) => ({ truth, predicted: predicted + shift })))!;
        expect(moved.bias - found.bias).toBeCloseTo(shift, 6);
        expect(moved.deviation).toBeCloseTo(found.deviation, 6);
        expect((found.lower + found.upper) / 2).toBeCloseTo(found.bias, 6);
      }),
    );
  });

  it('has quantiles as numpy has them', () => {
    expect(quantile([4, 1, 3, 2], 0.25)).toBe(1.75);
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([7], 0.99)).toBe(7);
    expect(quantile([], 0.5)).toBeNaN();
  });

  it('draws every point, those far out as a triangle at the edge, and says how many could not be read', () => {
    const pairs = Array.from({ length: 200 }, (_, i) => ({ truth: 10 + (i % 50), predicted: 11 + (i % 50) }));
    const svg = agreementFigures({ name: 'Distance', unit: 'mm', pairs: [...pairs, { truth: 20, predicted: 1e9 }], unread: 3 });
    expect(svg.match(/<circle class="dot"/g)!.length + svg.match(/<path class="off"/g)!.length).toBe(2 * 201);
    expect(svg.match(/<path class="off"/g)!.length).toBeGreaterThanOrEqual(2);
    expect(svg).toContain('3 more could not be read');
    expect(svg).toMatch(/Bias [\d.e+]+ mm/);
    expect(svg).toContain('n = 201');
    expect(agreementFigures({ name: 'Angle', unit: '°', pairs: [], unread: 4 })).toBe('');
    expect(agreementFigures({ name: 'Angle', unit: '°', pairs: [{ truth: 3, predicted: 3 }], unread: 0 })).toContain('no limits of agreement');
  });

  it('spreads over the whole list', () => {
    const list = Array.from({ length: 1000 }, (_, i) => i);
    const few = spread(list, 10);
    expect(few).toHaveLength(10);
    expect(new Set(few).size).toBe(10);
    expect(few[0]).toBeLessThan(100);
    expect(few.at(-1)).toBeGreaterThan(899);
    expect(spread([1, 2], 10)).toEqual([1, 2]);
  });
});

const row = (id: number, taskType: TaskType, group: string, values: number[], response: string, doc: Record<string, unknown> = {}, prompt = ''): ScoredRow =>
  scoreRow({ id, asked: { task: 'X', taskType, group, values }, prompt, target: '', response, doc, facts: {} }, 'robust');
const profile = (kind: string, unit: string): Record<string, unknown> => ({ biometric_profile: { metric_type: kind, metric_unit: unit } });

describe('measures', () => {
  it('are apart by what is measured and in which unit', () => {
    const sets = measureSets([
      row(0, 'BiometricsFromLandmarks', 'a', [10], '12', profile('distance', 'mm')),
      row(1, 'BiometricsFromLandmarks', 'a', [30], 'no idea', profile('distance', 'millimeters')),
      row(2, 'BiometricsFromLandmarks', 'b', [90], '80', profile('angle', 'degree')),
      row(3, 'TumorLesionSize', 'c', [20, 10], '22, 9', {}, 'estimate the major and minor axis lengths of the ellipse, in mm.'),
      row(4, 'BoxSize', 'd', [0, 0, 1, 1], '0, 0, 1, 1'),
      { id: 5, prompt: '', target: 'x', response: 'y', doc: {}, facts: {} },
    ]);
    expect(sets.map(({ name, unit, pairs, unread }) => [name, unit, pairs, unread])).toEqual([
      ['Distance', 'mm', [{ truth: 10, predicted: 12 }], 1],
      ['Angle', '°', [{ truth: 90, predicted: 80 }], 0],
      ['Major axis', 'mm', [{ truth: 20, predicted: 22 }], 0],
      ['Minor axis', 'mm', [{ truth: 10, predicted: 9 }], 0],
    ]);
  });

  it('have the unit of the record, of the question, or none', () => {
    expect(unitOf({ doc: profile('distance', 'cm'), prompt: 'in mm' })).toBe('cm');
    expect(unitOf({ doc: {}, prompt: 'the distance in millimeters between' })).toBe('mm');
    expect(unitOf({ doc: {}, prompt: 'How long is it?' })).toBe('');
    expect([withUnit(-1.234, 'mm'), withUnit(12, '°'), withUnit(3, ''), withUnit(NaN, 'mm')]).toEqual(['−1.23 mm', '12.00°', '3.00', '– mm']);
  });
});

describe('structures', () => {
  it('are sorted by how bad the answers are, those that could not be read first', () => {
    const found = structuresOf(
      [
        row(0, 'BiometricsFromLandmarks', 'good', [10], '10', profile('distance', 'mm')),
        row(1, 'BiometricsFromLandmarks', 'bad', [10], '30', profile('distance', 'mm')),
        row(2, 'BiometricsFromLandmarks', 'bad', [20], '20', profile('distance', 'mm')),
        row(3, 'BiometricsFromLandmarks', 'silent', [20], '?', profile('distance', 'mm')),
        row(4, 'BiometricsFromLandmarks', 'other', [20], '20', profile('angle', 'degree')),
      ],
      'distance',
    );
    expect(found.map(({ group }) => group)).toEqual(['silent', 'bad', 'good']);
    expect(found[1]!.figures['avgMAE']).toBe(10);
    expect(found[1]!.figures['avgMRE']).toBeCloseTo(1, 12);
    expect(found[0]!.figures['SuccessRate']).toBe(0);
    expect(found[0]!.unit).toBe('mm');
  });

  it('of boxes go by overlap', () => {
    const boxes = [row(0, 'BoxSize', 'half', [0, 0, 1, 1], '0, 0, 1, 0.5'), row(1, 'BoxSize', 'none', [0, 0, 0.1, 0.1], '0.5, 0.5, 1, 1')];
    expect(structuresOf(boxes, 'box').map(({ group, figures }) => [group, figures['IoU']])).toEqual([['none', 0], ['half', 0.5]]);
  });
});
