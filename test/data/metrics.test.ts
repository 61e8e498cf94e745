/** The parser and the metrics against the reference's, on its hand-made answers; and what the robust parser reads differently. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseAnswer, referenceNumbers } from '../../src/data/medvision/answers.ts';
import { boxScores, scoreAnswer, summarise } from '../../src/data/medvision/metrics.ts';
import { ANSWER_LENGTH } from '../../src/data/medvision/sample.ts';
import type { TaskType } from '../../src/data/medvision/tasks.ts';

const outside = process.env['VERNIER_DATA_DIR'];
const files = [
  resolve(import.meta.dirname, '../golden/medvision/expected_metrics.jsonl'),
  ...['Colin27', 'Colin27Mini'].map((name) => join(outside ?? '', name, 'expected_metrics.jsonl')),
].filter((file, i) => i === 0 || (outside !== undefined && existsSync(file)));

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
      const numbers = referenceNumbers(row.response);
      const ascii = referenceNumbers(row.parsed).join(',');
      expect(numbers.length < k ? '' : numbers.slice(-k).join(','), row.response).toBe(ascii);
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

  test('long nonsense takes no time', () => {
    const start = performance.now();
    for (const unit of ['1', '1,111', '-', '.', '1.', '<answer>', '1 ']) parseAnswer(unit.repeat(20_000), 4);
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
    const values = ['10', '12', 'none'].map((text) => scoreAnswer('BiometricsFromLandmarks', text, [10]));
    const summary = summarise(values);
    expect(summary.successRate).toBeCloseTo(2 / 3, 15);
    expect(summary.mae).toBe(1);
    expect(summary.mre).toBeCloseTo(0.1, 15);
    expect([summary.mreBelow.get(0.1), summary.mreBelow.get(0.3)]).toEqual([1 / 3, 2 / 3]);
    const boxes = summarise(['0, 0, 1, 1', 'none'].map((text) => scoreAnswer('BoxSize', text, [0, 0, 1, 0.5])));
    expect(boxes.box?.iou).toBe(0.25);
    expect([boxes.iouFrom.get(0.5), boxes.iouFrom.get(0.6)]).toEqual([0.5, 0]);
  });
});
