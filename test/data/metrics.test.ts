/** The parser and the metrics against the reference's, on its hand-made answers; and what the robust parser reads differently. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAnswer, referenceFiltered } from '../../src/data/medvision/answers.ts';
import { boxScores, figuresOf, scoreAnswer } from '../../src/data/medvision/metrics.ts';
import { ANSWER_LENGTH } from '../../src/data/medvision/sample.ts';
import type { TaskType } from '../../src/data/medvision/tasks.ts';

const outside = process.env['VERNIER_DATA_DIR'];
const files = [
  resolve(import.meta.dirname, '../golden/medvision/expected_metrics.jsonl'),
  ...['Colin27', 'Colin27Mini'].map((name) => join(outside ?? '', name, 'expected_metrics.jsonl')),
].filter((file, i) => i === 0 || (outside !== undefined && existsSync(file)));

/** What the reference's parse_outputs.py made of the same answers. */
const summaryFile = files.map((file) => file.replace('metrics.jsonl', 'parse_outputs_summary.json')).find(existsSync);

type Figure = number | 'inf' | '-inf' | null;
interface Row {
  task: 'AD' | 'TL' | 'Detection';
  response: string;
  target: string;
  parsed: string;
  cal_metrics: Record<string, Record<string, Figure | boolean>>;
  cal_metrics_detection_task?: Record<string, Record<string, Figure | boolean>>;
}

const taskTypes: Record<Row['task'], TaskType> = { AD: 'BiometricsFromLandmarks', TL: 'TumorLesionSize', Detection: 'BoxSize' };
const figure = (value: unknown): number => (value === null ? NaN : value === 'inf' ? Infinity : value === '-inf' ? -Infinity : Number(value));

describe.each(files)('%s', (file) => {
  const rows = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);

  test('what the reference parses', () => {
    expect(rows.length).toBeGreaterThan(200);
    for (const row of rows) {
      const k = ANSWER_LENGTH[taskTypes[row.task]];
      expect(referenceFiltered(row.response, k), row.response).toBe(row.parsed);
      expect(parseAnswer(row.response, k, 'reference')?.length ?? 0, row.response).toBe(row.parsed === '' ? 0 : k);
    }
  });

  test('what the reference measures, to the last bit', () => {
    for (const row of rows) {
      const taskType = taskTypes[row.task];
      const target = [JSON.parse(row.target) as number | number[]].flat();
      const score = scoreAnswer(taskType, row.response, target, 'reference');
      const expected = row.cal_metrics_detection_task ?? row.cal_metrics;
      expect(score.isAnswer, row.response).toBe(expected['SuccessRate']?.['success']);
      expect(score.mae, row.response).toBe(figure(expected['avgMAE']?.['MAE']));
      if (taskType === 'BoxSize') {
        expect(score.box, row.response).toEqual({
          iou: figure(expected['avgIoU']?.['IoU']),
          f1: figure(expected['F1']?.['F1']),
          precision: figure(expected['Precision']?.['Precision']),
          recall: figure(expected['Recall']?.['Recall']),
        });
      } else expect(score.mre, row.response).toBe(figure(expected['avgMRE']?.['MRE']));
    }
  });
});

describe('robust parser', () => {
  test.each<[string, number, number[] | undefined]>([
    ['1e2', 1, [100]],
    ['3.52e-1', 1, [0.352]],
    ['1,234.5', 1, [1234.5]],
    ['1,234,567.89 mm', 1, [1234567.89]],
    ['.5', 1, [0.5]],
    ['-.5', 1, [-0.5]],
    ['−35.2', 1, [-35.2]],
    ['35-37', 1, [37]],
    ['35–37 mm', 1, [37]],
    ['35 to 37', 1, [37]],
    ['30-34, 15-18', 2, [34, 18]],
    ['32.0 to 34.0, 16.0 to 17.0', 2, [34, 17]],
    ['32-16', 2, [32, 16]],
    ['0.1-0.2-0.3-0.4', 4, [0.1, 0.2, 0.3, 0.4]],
    ['0.1 to 0.3, 0.2 to 0.4', 4, [0.1, 0.3, 0.2, 0.4]],
    ['-35 to -30', 1, [-30]],
    ['35.2 (landmarks 1 and 2)', 1, [35.2]],
    ['The distance is 35.2 mm (about 3.5 cm).', 1, [35.2]],
    ['(35.2 mm)', 1, [35.2]],
    ['(32.0) (16.5) [slice 12]', 2, [32, 16.5]],
    ['The box is 0.1, 0.2, 0.3, 0.4 (confidence 0.9)', 4, [0.1, 0.2, 0.3, 0.4]],
    ['Lower-left: (0.1, 0.2)\nUpper-right: (0.3, 0.4)', 4, [0.1, 0.2, 0.3, 0.4]],
    ['3.5 × 10^2 mm', 1, [350]],
    ['3.5*10^{-1}', 1, [0.35]],
    ["1'234.5", 1, [1234.5]],
    ['32x16', 2, [32, 16]],
    ['32.0x16.5 mm', 2, [32, 16.5]],
    ['35,2', 1, [35.2]],
    ['32,0; 16,5', 2, [32, 16.5]],
    ['0,1, 0,2, 0,3, 0,4', 4, [0.1, 0.2, 0.3, 0.4]],
    ['32,16', 2, [32, 16]],
    ['34,18,49,30', 4, [34, 18, 49, 30]],
    ['12\u202f345.6', 1, [12345.6]],
    ['３５．２', 1, [35.2]],
    ['x1=0.1, y1=0.2, x2=0.3, y2=0.4', 4, [0.1, 0.2, 0.3, 0.4]],
    ['{"bbox_2d": [0.1, 0.2, 0.3, 0.4]}', 4, [0.1, 0.2, 0.3, 0.4]],
    ['100,200', 2, [100, 200]],
    ['100,200', 1, [100200]],
    ['[34,180,49,300]', 4, [34, 180, 49, 300]],
    ['32.0±0.5, 16.5±0.2', 2, [32, 16.5]],
    ['1. 32.0\n2. 16.5', 2, [32, 16.5]],
    ['1) 0.1\n2) 0.2\n3) 0.3\n4) 0.4', 4, [0.1, 0.2, 0.3, 0.4]],
    ['The image is 3D. 32.0, 16.5 (in 2D)', 2, [32, 16.5]],
    ['<think>3 4</think><answer>32.0, 16.5</answer> 7', 2, [32, 16.5]],
    ['<answer>32.0</answer> 16.5', 2, undefined],
    ['3.2e1, 1.65e1', 2, [32, 16.5]],
    ['[0.1 0.2 0.3 0.4]', 4, [0.1, 0.2, 0.3, 0.4]],
    ['٣٥.٢', 1, [35.2]],
    ['𝟑𝟓.𝟐', 1, [35.2]],
    ['35.', 1, [35]],
    ['nan', 1, undefined],
    ['1e400', 1, undefined],
    ['', 1, undefined],
  ])('%s', (text, k, expected) => {
    expect(parseAnswer(text, k)).toEqual(expected);
  });

  test('reads back any numbers, however they are written', () => {
    const digits = fc.integer({ min: 1, max: 9_999_999 }).map((thousandths) => thousandths / 1000);
    const written = fc.constantFrom<(x: number) => string>(
      (x) => String(x),
      (x) => x.toFixed(3),
      (x) => x.toLocaleString('en-US', { maximumFractionDigits: 3 }),
      (x) => x.toExponential(),
      (x) => x.toExponential().replace('e', 'E').replace('E+', 'E+0'),
      (x) => `+${x}`,
      (x) => x.toFixed(3).replace(/^0\./, '.'),
      (x) => `${x} × 10^0`,
    );
    const unit = fc.constantFrom('', ' mm', 'mm', '°', ' degrees', ' millimeters');
    const frame = fc.constantFrom<(answer: string) => string>(
      (answer) => answer,
      (answer) => `The answer is ${answer}.`,
      (answer) => `**${answer}**`,
      (answer) => `[${answer}]`,
      (answer) => `\\boxed{${answer}}`,
      (answer) => `P1 to P2 in this 2D slice: ${answer} (landmarks 1 and 2)`,
      (answer) => `<think>maybe 3 or 4</think> <answer>${answer}</answer> 17`,
    );
    const separator = fc.constantFrom(', ', '; ', ' and ', '\n', ' x ', ' by ');
    const numbers = fc.constantFrom(1, 2, 4).chain((k) => fc.array(fc.record({ x: digits, write: written, unit }), { minLength: k, maxLength: k }));
    fc.assert(
      fc.property(numbers, frame, separator, (parts, put, between) => {
        const text = put(parts.map(({ x, write, unit: behind }) => write(x) + behind).join(between));
        expect(parseAnswer(text, parts.length), text).toEqual(parts.map(({ x }) => x));
      }),
      { numRuns: 2000 },
    );
  });

  test('reads a range as its end', () => {
    const number = fc.integer({ min: 1, max: 99_999 }).map((hundredths) => hundredths / 100);
    const dash = fc.constantFrom('-', ' - ', '–', ' to ', ' – ');
    fc.assert(
      fc.property(fc.array(fc.tuple(number, number), { minLength: 2, maxLength: 2 }), dash, fc.constantFrom('', ' mm'), (ranges, to, unit) => {
        const text = ranges.map(([a, b]) => `${a}${to}${b}${unit}`);
        expect(parseAnswer(text[0]!, 1), text[0]).toEqual([ranges[0]![1]]);
        expect(parseAnswer(text.join(', '), 2), text.join(', ')).toEqual(ranges.map(([, end]) => end));
      }),
    );
  });

  test('long nonsense takes no time', () => {
    const start = performance.now();
    for (const unit of ['1', '1,111', '-', '.', '1.', '<answer>', '1 ', '(', '(1', '[a', '1-', '1 to ', '1,', '×10^', '1e']) parseAnswer(unit.repeat(20_000), 4);
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});

describe('scores', () => {
  test('boxes', () => {
    expect(boxScores([0, 0, 1, 1], [0, 0, 1, 1])).toEqual({ iou: 1, f1: 1, precision: 1, recall: 1 });
    expect(boxScores([0, 0, 0.5, 1], [0, 0, 1, 1])).toEqual({ iou: 0.5, f1: 2 / 3, precision: 1, recall: 0.5 });
    expect(boxScores([1, 1, 0, 0], [0, 0, 0.5, 0.5])).toEqual({ iou: 0.25, f1: 0.4, precision: 0.25, recall: 1 });
    expect(boxScores([0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]).iou).toBe(0);
    expect(boxScores([0.2, 0.2, 0.2, 0.2], [0, 0, 1, 1]).iou).toBe(0);
  });

  test('a summary counts failures where the reference does', () => {
    const figures = figuresOf('BiometricsFromLandmarks', ['10', '12', 'none'].map((text) => scoreAnswer('BiometricsFromLandmarks', text, [10])));
    expect(figures).toMatchObject({ num_samples: 3, avgMAE: 1, 'MRE<0.1': 1 / 3, 'MRE<0.3': 2 / 3, 'MRE<1.0': 2 / 3 });
    expect(figures['SuccessRate']).toBeCloseTo(2 / 3, 15);
    expect(figures['avgMRE']).toBeCloseTo(0.1, 15);
    const boxes = figuresOf('BoxSize', ['0, 0, 1, 1', 'none'].map((text) => scoreAnswer('BoxSize', text, [0, 0, 1, 0.5])));
    expect(boxes).toMatchObject({ num_samples: 2, SuccessRate: 0.5, IoU: 0.25, Precision: 0.25, Recall: 0.5, 'IoU>0.5': 0.5, 'IoU>0.6': 0, 'Recall>0.9': 0.5 });
    expect(figuresOf('TumorLesionSize', [])).toMatchObject({ num_samples: 0, SuccessRate: 0, avgMAE: NaN, 'MRE<0.1': 0 });
  });

  test.runIf(summaryFile !== undefined)("sums as the reference's parse_outputs does", () => {
    const summaries = JSON.parse(readFileSync(summaryFile!, 'utf8')) as Record<string, Record<string, number | string>>;
    const rows = readFileSync(summaryFile!.replace('parse_outputs_summary.json', 'metrics.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Row);
    for (const task of ['AD', 'TL', 'Detection'] as const) {
      const type = taskTypes[task];
      const scores = rows
        .filter((row) => row.task === task)
        .map((row) => scoreAnswer(type, row.response, [JSON.parse(row.target) as number | number[]].flat(), 'reference'));
      const expected = summaries[task]!;
      const figures = figuresOf(type, scores);
      expect(figures['num_samples']).toBe(expected['n']);
      expect(figures['SuccessRate']).toBe(expected['SuccessRate,none']);
      expect(figures['avgMAE']).toBeCloseTo(figure(expected['avgMAE,none']), 12);
      if (task === 'Detection') {
        // parse_outputs leaves failed boxes out of its mean, the summaries count them as 0.
        const answered = figuresOf(type, scores.filter(({ isAnswer }) => isAnswer));
        expect(answered['IoU']).toBeCloseTo(Number(expected['avgIoU,none']), 12);
      } else {
        expect(figures['avgMRE']).toBeCloseTo(figure(expected['avgMRE,none']), 12);
        for (let k = 1; k <= 10; k++) expect(figures[`MRE<${(k / 10).toFixed(1)}`]).toBe(expected[`MRE<${(k / 10).toFixed(1)}`]);
      }
    }
  });
});
