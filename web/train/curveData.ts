/** What of a run's figures is drawn: losses with a running mean, held-out losses by task, the learning rate, scores of answers. */
import { isMixed } from '../../src/run/report/figures.ts';
import { pointsOf, smoothed, thinned } from '../../src/run/report/curves.ts';
import type { LogRow } from '../../src/train/checkpointFolder.ts';
import { texts } from '../texts.ts';

export interface Curve {
  name: string;
  /** faint: every figure. line: a mean. marked: few figures, each with a mark. */
  look: 'faint' | 'line' | 'marked';
  /** Which of the colours: curves of one number have one. */
  color: number;
}

/** Curves over the same steps, as uPlot takes them: the steps, then a list for each curve; null where a curve has nothing. */
export interface ChartData {
  title: string;
  curves: Curve[];
  steps: number[];
  values: (number | null)[][];
}

interface Point {
  x: number;
  y: number;
}

const TAGS = Object.keys(texts.curves.tags);

export function chartsOf(rows: readonly LogRow[]): ChartData[] {
  const losses: [Curve, Point[]][] = [];
  const training = thinned(pointsOf(rows, 'loss'));
  if (training.length > 0)
    losses.push([{ name: texts.curves.training, look: training.length > 2 ? 'faint' : 'marked', color: 0 }, training]);
  if (training.length > 2) losses.push([{ name: texts.curves.mean, look: 'line', color: 0 }, smoothed(training)]);
  const tagged = TAGS.map((tag) => [tag, thinned(pointsOf(rows, `eval_${tag}_loss`))] as const).filter(([, points]) => points.length > 0);
  const held = thinned(pointsOf(rows, 'eval_loss'));
  if (held.length > 0) losses.push([{ name: texts.curves.heldOut, look: 'marked', color: 1 }, held]);
  for (const [tag, points] of tagged) losses.push([{ name: heldOut(tag), look: 'marked', color: 2 + TAGS.indexOf(tag) }, points]);
  const rate = thinned(pointsOf(rows, 'learning_rate'));
  const rates: [Curve, Point[]][] = rate.length > 0 ? [[{ name: texts.curves.rate, look: 'line', color: 0 }, rate]] : [];
  const score = (title: string, figure: string, tags: readonly string[], name?: string): ChartData => {
    const curves = tags.flatMap((tag): [Curve, Point[]][] => {
      const points = thinned(pointsOf(rows, `eval_${tag}_${figure}`));
      return points.length === 0
        ? []
        : [[{ name: name ?? texts.curves.tags[tag] ?? tag, look: 'marked', color: 2 + TAGS.indexOf(tag) }, points]];
    });
    return aligned(title, curves);
  };
  // Errors of boxes, lengths and angles have units of their own, which one axis would mix.
  const errors = Object.entries(texts.curves.errors).flatMap(([key, title]) => {
    const [, tag = '', figure = ''] = /^eval_([^_]+)_(.+)$/.exec(key) ?? [];
    return rows.some((row) => isMixed(key, row)) ? [] : [score(title, figure, [tag], texts.curves.error)];
  });
  const scores = [...Object.entries(texts.curves.figures).map(([figure, title]) => score(title, figure, TAGS)), ...errors];
  return [aligned(texts.curves.losses, losses), ...scores, aligned(texts.curves.rate, rates)].filter(({ steps }) => steps.length > 0);
}

const heldOut = (tag: string): string => `${texts.curves.heldOut}, ${texts.curves.tags[tag] ?? tag}`;

function aligned(title: string, curves: readonly [Curve, Point[]][]): ChartData {
  const steps = [...new Set(curves.flatMap(([, points]) => points.map(({ x }) => x)))].sort((a, b) => a - b);
  const places = new Map(steps.map((step, place) => [step, place]));
  const values = curves.map(([, points]) => {
    const column = new Array<number | null>(steps.length).fill(null);
    for (const { x, y } of points) column[places.get(x)!] = y;
    return column;
  });
  return { title, curves: curves.map(([curve]) => curve), steps, values };
}

/** Rows of a table at most: a person reads them. */
const TABLE_ROWS = 200;

export interface FigureTable {
  heads: string[];
  rows: (number | undefined)[][];
  /** How many rows there are in all. */
  count: number;
}

/** The same figures as numbers, by step, the columns that have some. */
export function figureTable(rows: readonly LogRow[]): FigureTable {
  const wanted = ['loss', 'eval_loss', ...TAGS.map((tag) => `eval_${tag}_loss`), 'learning_rate', 'grad_norm'];
  const shared = TAGS.flatMap((tag) => Object.keys(texts.curves.figures).map((figure) => `eval_${tag}_${figure}`));
  const others = [...shared, ...Object.keys(texts.curves.errors)];
  const heads = [...wanted, ...others].filter((key) => rows.some((row) => row[key] !== undefined && !isMixed(key, row)));
  const byStep = new Map<number, LogRow>();
  for (const row of rows) byStep.set(row.step, { ...byStep.get(row.step), ...row });
  const all = [...byStep.values()].sort((a, b) => a.step - b.step);
  const shown =
    all.length <= TABLE_ROWS ? all : Array.from({ length: TABLE_ROWS }, (_, i) => all[Math.floor((i * all.length) / TABLE_ROWS)]!);
  return { heads, rows: shown.map((row) => [row.step, ...heads.map((key) => row[key])]), count: all.length };
}
