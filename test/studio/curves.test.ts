/** A run's speed and what is drawn of its figures, without a page. */
import { describe, expect, it } from 'vitest';
import { axisNumbers, roomAround } from '../../web/train/axes.ts';
import { chartsOf, figureTable } from '../../web/train/curveData.ts';
import { Pace } from '../../web/train/pace.ts';

describe('the pace of a run', () => {
  it('leaves out the first step, which compiles, and counts evaluations by their share', () => {
    let now = 0;
    const pace = new Pace(() => now);
    pace.start(101);
    now += 60_000; // compiling
    pace.progress({ step: 1, tokens: 1000 });
    expect(pace.secondsLeft).toBeUndefined();
    for (let step = 2; step <= 11; step++) {
      now += 2000;
      pace.progress({ step, tokens: 1000 * step });
    }
    expect(pace.secondsLeft).toBeCloseTo(180, 6);
    expect(pace.tokensPerSecond).toBeCloseTo(500, 6);
    // An evaluation of 10 s in 10 steps: a second more a step.
    now += 10_000;
    pace.evaluated();
    now += 2000;
    pace.progress({ step: 12, tokens: 12_000 });
    expect(pace.tokensPerSecond).toBeCloseTo(500, 6);
    expect(pace.secondsLeft).toBeCloseTo(89 * (2 + 10 / 11), 6);
  });
});

describe('what is drawn of a run', () => {
  const rows = Array.from({ length: 20 }, (_, i) => ({ step: i + 1, epoch: 0, loss: 20 - i, learning_rate: 1e-4 }));
  const evaluated = [
    ...rows.slice(0, 10),
    { step: 10, epoch: 1, eval_loss: 9, eval_Detection_loss: 8, eval_Detection_iou: 0.5 },
    ...rows.slice(10),
    { step: 20, epoch: 2, eval_loss: 3, eval_Detection_loss: 2, eval_Detection_iou: 0.75 },
  ];

  it('has losses with their mean, held-out ones by task, scores and the learning rate', () => {
    const charts = chartsOf(evaluated);
    expect(charts.map(({ title }) => title)).toEqual(['Loss', 'Mean IoU of boxes', 'Learning rate']);
    const [losses, iou] = charts;
    expect(losses?.curves.map(({ name }) => name)).toEqual(['training', 'training, running mean', 'held out', 'held out, boxes']);
    expect(losses?.steps).toEqual(rows.map(({ step }) => step));
    expect(losses?.values[0]?.slice(0, 2)).toEqual([20, 19]);
    expect(losses?.values[1]?.[10]).toBeCloseTo(10, 6); // neighbours 11, 10, 9
    expect(losses?.values[2]?.filter((value) => value !== null)).toEqual([9, 3]);
    expect(losses?.values[3]?.[9]).toBe(8);
    expect(iou?.steps).toEqual([10, 20]);
  });

  it('has errors of parts, of mm and of degrees on charts of their own', () => {
    const errors = { eval_AD_mae: 3, eval_Detection_mae: 0.1, eval_TL_mae: 12, eval_AD_mre: 0.5, eval_TL_mre: 0.25 };
    const charts = chartsOf([{ step: 10, epoch: 1, ...errors }]);
    expect(charts.map(({ title, values }) => [title, values.flat()])).toEqual([
      ['Mean relative error', [0.5, 0.25]],
      ['Mean error of angles and distances, mm and degrees together', [3]],
      ['Mean error of boxes, parts of the picture’s sides', [0.1]],
      ['Mean error of sizes, mm', [12]],
    ]);
    const told = chartsOf([{ step: 10, epoch: 1, ...errors, eval_AD_mae_mm: 2, eval_AD_mae_deg: 5 }]);
    expect(told.map(({ title, values }) => [title, values.flat()]).slice(1, 4)).toEqual([
      ['Mean error of distances, mm', [2]],
      ['Mean error of angles, degrees', [5]],
      ['Mean error of boxes, parts of the picture’s sides', [0.1]],
    ]);
  });

  it('is the same as a table, a row a step', () => {
    const { heads, rows: lines, count } = figureTable(evaluated);
    expect(heads).toEqual(['loss', 'eval_loss', 'eval_Detection_loss', 'learning_rate', 'eval_Detection_iou']);
    expect(count).toBe(20);
    expect(lines[9]).toEqual([10, 11, 9, 8, 1e-4, 0.5]);
  });

  it('stays small for long runs', () => {
    const long = Array.from({ length: 50_000 }, (_, i) => ({ step: i + 1, epoch: 0, loss: 1 }));
    expect(chartsOf(long)[0]?.steps.length).toBeLessThanOrEqual(400);
    expect(figureTable(long).rows.length).toBe(200);
  });

  it('has numbers at its axes that differ, and room around a figure that is alone', () => {
    expect(axisNumbers([0.74601, 0.74603, 0.74605])).toEqual(['0.74601', '0.74603', '0.74605']);
    expect(axisNumbers([0, 0.1, 0.2, 0.30000000000000004])).toEqual(['0', '0.1', '0.2', '0.3']);
    expect(axisNumbers([0, 0.0001, 0.0002])).toEqual(['0', '0.0001', '0.0002']);
    expect(roomAround(0, 0)).toEqual([0, 1]);
    expect(roomAround(2, 2)).toEqual([1.8, 2.2]);
    expect(roomAround(-2, -2)).toEqual([-2.2, -1.8]);
    expect(roomAround(1, 2)).toBeUndefined();
  });

  it('is nothing before there are figures', () => {
    expect(chartsOf([])).toEqual([]);
  });
});
