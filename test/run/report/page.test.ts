/** Pages of runs whose every text is hostile, of runs that lack most of what there could be, and of large ones. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { rowText, scoreRow } from '../../../src/data/medvision/answerRows.ts';
import type { ScoredRow } from '../../../src/data/medvision/answerRows.ts';
import { summaryFiles } from '../../../src/data/medvision/summaries.ts';
import { comparePage, comparisonText, differencesOf, figuresBeside } from '../../../src/run/report/compare.ts';
import { smoothed, thinned } from '../../../src/run/report/curves.ts';
import { comparisonTable, evaluationFigures, figureWords, keyText } from '../../../src/run/report/figures.ts';
import { meaningsOf } from '../../../src/run/report/meanings.ts';
import { leaveReport } from '../../../src/run/report/leave.ts';
import { runPage } from '../../../src/run/report/page.ts';
import { drawingOf } from '../../../src/run/report/pictures.ts';
import type { Card } from '../../../src/run/report/pictures.ts';
import { readRecord, recordText } from '../../../src/run/report/record.ts';
import type { RunRecord } from '../../../src/run/report/record.ts';
import { decisionFigures, rowFigures, USUAL_BOOTSTRAP } from '../../../src/run/report/rowFigures.ts';
import { openRun } from '../../../src/run/report/run.ts';
import type { Run } from '../../../src/run/report/run.ts';
import type { LogRow } from '../../../src/train/checkpointFolder.ts';
import { outside, parsePage } from './wellFormed.ts';

const HOSTILE = `"><script>alert('x')</script>&amp;<img src=x onerror=y>'`;
const dir = mkdtempSync(join(tmpdir(), 'vernier-report-'));
afterAll(() => {
  rmSync(dir, { recursive: true });
});

const card: Card = {
  drawing: {
    png: 'iVBORw0KGgo=',
    width: 10,
    height: 20,
    marks: [
      { of: 'truth', kind: 'box', x: 1, y: 2, width: 3, height: 4 },
      { of: 'after', kind: 'path', points: [[1, 1], [2, 2], [3, 1]], hasEnds: false },
      { of: 'before', kind: 'path', points: [[1, 1], [2, 2]], hasEnds: true },
    ],
  },
  heading: HOSTILE,
  place: HOSTILE,
  prompt: HOSTILE,
  target: HOSTILE,
  answers: [{ name: HOSTILE, text: HOSTILE, score: HOSTILE }],
};

const record = (given: Partial<RunRecord> = {}): RunRecord => ({
  kind: 'training', name: HOSTILE, model: HOSTILE, outcome: 'stopped', writtenAt: HOSTILE,
  facts: [[HOSTILE, HOSTILE]], data: [[HOSTILE, HOSTILE]], settings: { [HOSTILE]: HOSTILE, list: [HOSTILE], wandb_api_key: 'plain-secret-value', n: null },
  changed: [HOSTILE], parts: [[HOSTILE, 12]], speeds: [[HOSTILE, HOSTILE]], memory: [[HOSTILE, 2 ** 20]], answers: [], pictures: [card], pictureNote: HOSTILE,
  ...given,
});

const answer = (id: number, response: string, truth = 20): ScoredRow =>
  scoreRow(
    {
      id, asked: { task: HOSTILE, taskType: 'BiometricsFromLandmarks', group: HOSTILE, values: [truth] }, prompt: HOSTILE, target: HOSTILE, response,
      doc: { biometric_profile: { metric_type: 'distance', metric_unit: 'mm' } }, facts: {},
    },
    'robust',
  );

const history: LogRow[] = Array.from({ length: 30 }, (_, i) => ({ step: i + 1, epoch: i / 30, loss: 3 / (i + 1), learning_rate: 1e-4, grad_norm: i % 7 }));
const run = (given: Partial<Run> = {}): Run => ({
  ...record(), folder: HOSTILE, hasRecord: true, history, rows: [answer(0, '18'), answer(1, HOSTILE), answer(2, '25')], rowsBefore: [],
  figures: { eval_loss: 1, eval_AD_mre: 0.25, [`eval_${HOSTILE}`]: 2 }, figuresBefore: { eval_loss: 2, eval_AD_mre: 0.5 }, steps: { from: 0, to: 30 },
  bootstrap: USUAL_BOOTSTRAP, decisions: [{ name: HOSTILE, at: [10], num_samples: 3, agreement: 0.5, kappa: null }], ...given,
});

describe('the page of a run', () => {
  it('is well-formed, stands alone and escapes every text', async () => {
    const page = parsePage(await runPage(run()));
    expect(outside(page)).toEqual([]);
    expect(page.text).not.toContain('plain-secret-value');
    expect(page.tags.filter(({ name }) => name === 'h2')).toHaveLength(10);
    // What is drawn says in words what it shows.
    for (const { name, attributes } of page.tags)
      if (name === 'svg') expect(attributes['aria-label'] ?? attributes['aria-hidden'], JSON.stringify(attributes)).toBeTruthy();
    // Of 18 and 25 for 20: 1.5 ± 1.96 × 4.95.
    expect(page.text).toMatch(/Bias 1\.50 mm .* −8\.20 mm to 11\.20 mm/);
  });

  it('leaves out what the run does not have', async () => {
    const bare = run({
      facts: [], data: [], settings: {}, changed: [], parts: [], speeds: [], memory: [], pictures: [], rows: [], history: [], figures: {}, figuresBefore: undefined, steps: undefined,
      decisions: [],
    });
    delete bare.pictureNote;
    const page = parsePage(await runPage(bare));
    expect(page.tags.filter(({ name }) => ['h2', 'table', 'svg'].includes(name))).toEqual([]);
    expect(page.tags.filter(({ name }) => name === 'h1')).toHaveLength(1);
  });

  it('of 200 000 steps and of ten thousand answers is below 4 MB', async () => {
    const long: LogRow[] = Array.from({ length: 200_000 }, (_, i) => ({ step: i, epoch: 0, loss: 1 + (i % 10), learning_rate: i, grad_norm: i }));
    const rows = Array.from({ length: 10_000 }, (_, i) => answer(i, String(i % 97), 1 + (i % 89)));
    const page = await runPage(run({ history: long, rows }));
    expect(page.length).toBeLessThan(1e6);
    parsePage(page);
  });

  it('has pictures of any size in so many bytes', async () => {
    const [width, height] = [1500, 900];
    const noise = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * 2654435761) >>> 24);
    const scene = { image: { width, height, data: noise }, lines: [], pixelWidth: NaN, pixelHeight: NaN, truth: [0.1, 0.2, 0.5, 0.4], isBox: true };
    const drawing = await drawingOf(nodePlatform, scene, [{ of: 'after', values: [0.5, 0.9, 0.2, 0.1] }], { longest: 400, mostBytes: 60_000 });
    expect(drawing.png.length).toBeLessThan(80_001);
    expect([drawing.width, drawing.height]).toEqual([1500, 900]);
    // Corners in either order, y from below.
    expect(drawing.marks).toEqual([
      { of: 'after', kind: 'box', x: 300, y: 90, width: 450, height: 720 },
      { of: 'truth', kind: 'box', x: 150, y: 540, width: 600, height: 180 },
    ]);
  });
});

describe('how sure figures are', () => {
  /** Four scans, two sizes of each. */
  const sized = (shift: number): ScoredRow[] =>
    [0, 1, 2, 3].flatMap((scan) =>
      [8, 20].map((truth, i) => {
        const row = answer(2 * scan + i, String(truth + scan + shift), truth);
        return { ...row, doc: { ...row.doc, case_ID: `s${scan}` } };
      }),
    );

  it('is said of an evaluation as its summary says it, by size and at cut-offs too', async () => {
    const folder = mkdtempSync(join(dir, 'evaluated-'));
    const rows = sized(0);
    const cutoffs = [{ name: 'large', task: 'AD', axis: 'major', at: [10] }] as const;
    const files = summaryFiles(rows, { model: 'm', parser: 'robust', minGroupSize: 1, bootstrap: { draws: 200, seed: 3 }, cutoffs });
    for (const { name, text } of files) writeFileSync(join(folder, name), text);
    writeFileSync(join(folder, 'samples.jsonl'), rows.map((row) => `${rowText(row, 'robust')}\n`).join(''));
    writeFileSync(join(folder, 'evaluation.json'), '{"identity": {}}');
    const page = await runPage(await openRun(nodePlatform, folder));
    const summary = JSON.parse(files.find(({ name }) => name === 'summary.json')?.text ?? '') as {
      intervals: { AD: Record<string, [number, number]> };
    };
    const [low, high] = summary.intervals.AD['avgMRE'] ?? [];
    expect(high).toBeGreaterThan(low ?? NaN);
    const inPercent = (share = NaN): string => `${(100 * share).toFixed(0)}\u00a0%`;
    const line = (figure: string): string => page.split('<tr>').find((one) => one.includes(`<td>${figure}</td>`)) ?? '';
    expect(line('mean relative error')).toContain(`${inPercent(low)} to ${inPercent(high)}`);
    expect(page).toContain('drawing the 4 scans again');
    const { text } = parsePage(page);
    expect(text).toMatch(/Distances, &lt; 10 mm\s*mean error of distances\s*4\s*1\.5 mm/);
    expect(text).toMatch(/Distances, 10 to 30 mm\s*mean error of distances\s*4\s*1\.5 mm/);
    // 8 + 2 and 8 + 3 are said to be large: 6 of 8 are on the right side.
    expect(text).toMatch(/on the right side of 10\s*8\s*75 %/);
    expect(text).toMatch(/of those below 10, said so \(specificity\)\s*8\s*50 %/);
  });

  it('is said before and after, where the rows are what the figures are of', async () => {
    const [before, after] = [sized(4), sized(0)];
    const both = run({ rows: after, rowsBefore: before, figures: rowFigures(after), figuresBefore: rowFigures(before), decisions: [] });
    const page = await runPage(both);
    const { text } = parsePage(page);
    expect(text).toMatch(/mean error of distances\s*5\.5 mm\s*4\.\d\smm to 6\.\d\smm\s*1\.5 mm ✓\s*0\.\d\smm to 2\.\d\smm/);
    // Of other rows than the figures', nothing is said.
    const others = await runPage({ ...both, figures: { ...both.figures, eval_AD_mae_mm: 1.6 } });
    expect(parsePage(others).text).toMatch(/mean error of distances\s*5\.5 mm\s*4\.\d\smm to 6\.\d\smm\s*1\.6 mm ✓\s*[A-Z]/);
    expect(await runPage(run({ rows: [answer(0, '18')] }))).toContain('of one scan');
  });

  it('stands beside what every figure means', () => {
    const keys = ['loss', 'mean_token_accuracy', 'mae', 'mae_mm', 'mae_deg', 'mre', 'nmae', 'mre<0.1', 'iou', 'f1', 'precision', 'recall', 'iou>0.5', 'iou_.50:.95', 'success_rate'];
    for (const tag of ['AD', 'Detection', 'TL'])
      for (const key of keys) expect(meaningsOf([figureWords(`eval_${tag}_${key}`).figure]), key).toHaveLength(1);
    for (const { figure } of decisionFigures([{ name: 'x', at: [10], num_samples: 1, agreement: 1, kappa: 1, sensitivity: 1, specificity: 1 }]))
      expect(meaningsOf([figure]), figure).toHaveLength(1);
  });
});

describe('figures', () => {
  it('are words with units, and better or worse by what they are', () => {
    expect(figureWords('eval_AD_mre<0.1')).toMatchObject({ subject: 'Angles and distances', figure: 'relative error below 10 %', unit: '%', higherIsBetter: true });
    expect([keyText('eval_TL_mae', 3.14), keyText('eval_loss', 0.5), keyText('eval_Detection_iou', 0.25), keyText('eval_loss', undefined)]).toEqual(['3.1 mm', '0.500 nats', '0.250', '–']);
    expect(Object.keys(evaluationFigures({ eval_TL_mae: 1, eval_runtime: 2, eval_loss: 3, eval_AD_mre: 4, eval_AD_loss: 5, loss: 6 }))).toEqual(['eval_loss', 'eval_AD_loss', 'eval_AD_mre', 'eval_TL_mae']);
    const table = comparisonTable([
      { subject: 'a', figure: 'loss', before: 2, after: 1, unit: '', higherIsBetter: false },
      { subject: 'a', figure: 'IoU', before: 0.5, after: 0.4, unit: '', higherIsBetter: true },
      { subject: 'a', figure: 'same', before: 0.5001, after: 0.5002, unit: '', higherIsBetter: true },
    ]);
    expect([...table.matchAll(/<td class="number( better| worse|)">[^<]*<\/td><\/tr>/g)].map((match) => match[1])).toEqual([' better', ' worse', '']);
  });

  it('over steps are averaged, not left out', () => {
    const points = Array.from({ length: 1000 }, (_, x) => ({ x, y: x % 2 }));
    const few = thinned(points, 100);
    expect(few).toHaveLength(100);
    expect(few.every(({ y }) => y === 0.5)).toBe(true);
    expect(smoothed([{ x: 1, y: 0 }, { x: 2, y: 3 }, { x: 3, y: 6 }]).map(({ y }) => y)).toEqual([1.5, 3, 4.5]);
  });
});

describe('runs compared', () => {
  const one = run({ folder: 'one', settings: { lora_r: 8, seed: 1, output_dir: 'a' } });
  const two = run({ folder: 'one', settings: { lora_r: 16, seed: 1, output_dir: 'b' }, figures: { eval_loss: 0.5, eval_AD_mre: 0.25 } });

  it('tell what differs and which is best', async () => {
    expect(figuresBeside([one, two]).names).toEqual(['one (1)', 'one (2)']);
    expect(figuresBeside([one, two]).rows.find(({ head }) => head === 'All: loss')).toEqual({ head: 'All: loss', cells: ['1.000 nats', '0.500 nats'], best: [1] });
    expect(figuresBeside([one, two]).rows.find(({ head }) => head.endsWith('mean relative error'))?.best).toBeUndefined();
    expect(differencesOf([one, two]).rows).toEqual([{ head: 'lora_r', cells: ['8', '16'] }]);
    expect(comparisonText(differencesOf([one, two]))).toBe('        one (1)  one (2)\nlora_r      8       16'.replace(/8 {7}16/, '8       16'));
    const page = parsePage(await comparePage([one, two, run()]));
    expect(outside(page)).toEqual([]);
    expect(page.tags.filter(({ name }) => name === 'polyline').length).toBeGreaterThanOrEqual(6);
    expect(page.text).toContain('not known to be measured on the same rows');
  });
});

describe('records', () => {
  it('are read as they were written', () => {
    const written = record({ answers: [{ step: 3, rows: [{ a: 1 }] }], resultStep: 3 });
    expect(readRecord(JSON.parse(recordText(written)) as Record<string, unknown>, 'x')).toEqual(written);
  });

  it('of others are refused, and broken parts of them left out', () => {
    expect(() => readRecord({ a: 1 }, 'p/report.json')).toThrow(/p\/report\.json is no record of a run/);
    const broken = { vernier_report: 1, kind: 'evaluation', facts: [1, 'a', ['b']], parts: 3, pictures: [{ drawing: { ...card.drawing, png: '"><script>' } }, { drawing: { ...card.drawing, width: -1 } }, null] };
    expect(readRecord(broken, 'x')).toMatchObject({ kind: 'evaluation', facts: [['', ''], ['', ''], ['b', '']], parts: [], pictures: [] });
  });

  it('and pages that cannot be written are a warning', async () => {
    writeFileSync(join(dir, 'report.html'), '<p>mine</p>');
    const warned: string[] = [];
    const around = { mayReplace: false, warn: (text: string): void => void warned.push(text) };
    expect(await leaveReport(nodePlatform, dir, () => Promise.resolve(record()), around)).toBeUndefined();
    expect(await leaveReport(nodePlatform, join(dir, 'nowhere'), () => Promise.reject(new Error('full')), around)).toBeUndefined();
    expect(warned).toEqual([expect.stringContaining('is not a page of Vernier'), 'The run is done, but its report was not written: full']);
  });
});

describe('folders', () => {
  it('that are no run are told so', async () => {
    await expect(openRun(nodePlatform, join(dir, 'nowhere'))).rejects.toThrow('does not exist; the --output_dir of a training or an evaluation is expected');
    await expect(openRun(nodePlatform, join(dir, 'report.html'))).rejects.toThrow('is a file');
    await expect(openRun(nodePlatform, dir)).rejects.toThrow('holds no run');
  });
});
