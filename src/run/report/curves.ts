/** A run's figures over its steps, from the rows of its log: losses of training and of evaluations, all together and by task. */
import type { LogRow } from '../../train/checkpointFolder.ts';
import { chartKey, lineChart, SMALL } from './chart.ts';
import type { ChartSize, Line, Point } from './chart.ts';
import { figureWords } from './figures.ts';

/** Points of a line at most: beyond them neighbours are averaged. */
const MOST_POINTS = 400;

/** A mean over the points nearby, for the trend; fewer at the ends. */
export function smoothed(points: readonly Point[]): Point[] {
  const reach = Math.max(1, Math.round(points.length / 20));
  return points.map(({ x }, i) => {
    const near = points.slice(Math.max(0, i - reach), i + reach + 1);
    return { x, y: near.reduce((sum, { y }) => sum + y, 0) / near.length };
  });
}

/** Means of neighbours, so many that no more than `most` points are left. */
export function thinned(points: readonly Point[], most = MOST_POINTS): Point[] {
  if (points.length <= most) return [...points];
  return Array.from({ length: most }, (_, i) => {
    const own = points.slice(Math.floor((i * points.length) / most), Math.floor(((i + 1) * points.length) / most));
    const mean = (key: 'x' | 'y'): number => own.reduce((sum, point) => sum + point[key], 0) / own.length;
    return { x: mean('x'), y: mean('y') };
  });
}

/** Of one figure of the log, as `loss` or `eval_AD_loss`: where it is a finite number. */
export function pointsOf(history: readonly LogRow[], name: string): Point[] {
  return history.flatMap((row) => {
    const value = row[name];
    return typeof value === 'number' && Number.isFinite(value) ? [{ x: row.step, y: value }] : [];
  });
}

/** The loss of every row, faint, and its running mean. */
function trainingLines(points: readonly Point[], color?: number): Line[] {
  const own = color === undefined ? {} : { color };
  const few = thinned(points);
  return [
    { name: 'training', points: few, look: 'raw', ...own },
    { name: 'training, running mean', points: smoothed(few), look: 'smooth', ...own },
  ];
}

/** The loss of training alone, as the quick start shows it. */
export function lossCurve(points: readonly Point[], size: ChartSize): string {
  return lineChart(trainingLines(points), { title: 'Training loss by step, in nats a token', x: 'step' }, size);
}

interface Chart {
  svg: string;
  key: string;
}

const chart = (lines: Line[], words: { title: string; y: string }, named: { name: string; color: number }[]): Chart => ({
  svg: lineChart(lines, { ...words, x: 'step' }, SMALL),
  key: chartKey(named),
});

/** @param history rows of evaluations alone; the figures whose names end in `suffix`, a line each. */
function evaluationChart(history: readonly LogRow[], suffix: string, y: string): Chart | undefined {
  const keys = new Set(history.flatMap((row) => Object.keys(row)).filter((key) => key.startsWith('eval_') && key.endsWith(`_${suffix}`)));
  const lines = [...keys].sort().flatMap((key): Line[] => {
    const points = pointsOf(history, key);
    // A single evaluation is no curve.
    return points.length < 2
      ? []
      : [{ name: figureWords(key).subject, points: thinned(points), look: 'smooth', hasMarks: points.length < 60 }];
  });
  if (lines.length === 0) return undefined;
  const colored = lines.map((line, color) => ({ ...line, color }));
  return chart(colored, { title: `${y} of held-out rows by step`, y }, colored);
}

/** What evaluations may have, beside the loss, in the order of their worth. */
const ANSWERS = [
  ['mre', 'relative error of answers'],
  ['iou', 'IoU of answered boxes'],
  ['success_rate', 'share of answers that can be read'],
  ['mean_token_accuracy', 'share of tokens predicted right'],
] as const;

/** Charts of a run; empty where its log has no rows. */
export function curveCharts(history: readonly LogRow[]): string {
  const training = pointsOf(history, 'loss');
  const held = pointsOf(history, 'eval_loss');
  const charts: (Chart | undefined)[] = [];
  if (training.length > 0) {
    const lines = [
      ...trainingLines(training, 0),
      { name: 'held-out rows', points: held, look: 'smooth', color: 1, hasMarks: true } as const,
    ];
    const named = [
      { name: 'training (faint: every row of the log; strong: running mean)', color: 0 },
      ...(held.length > 0 ? [{ name: 'held-out rows', color: 1 }] : []),
    ];
    charts.push(chart(lines, { title: 'Loss by step, training and held-out rows, in nats a token', y: 'loss (nats a token)' }, named));
  }
  const evaluations = history.filter((row) => 'eval_loss' in row);
  const byTask = evaluations.some((row) => Object.keys(row).some((key) => /^eval_.+_loss$/.test(key)));
  if (byTask) charts.push(evaluationChart(evaluations, 'loss', 'loss by task (nats a token)'));
  for (const [suffix, words] of ANSWERS) charts.push(evaluationChart(evaluations, suffix, words));
  const rates = pointsOf(history, 'learning_rate');
  if (rates.length > 1) {
    const line: Line = { name: 'learning rate', points: thinned(rates), look: 'smooth', color: 4 };
    charts.push(chart([line], { title: 'Learning rate by step', y: 'learning rate' }, []));
  }
  const norms = pointsOf(history, 'grad_norm');
  if (norms.length > 1) {
    charts.push(chart(trainingLines(norms, 3), { title: 'Norm of the gradient by step, before clipping', y: 'gradient norm' }, []));
  }
  const drawn = charts.flatMap((one) => (one ? [`<figure class="card">${one.svg}${one.key}</figure>`] : []));
  return drawn.length === 0 ? '' : `<div class="charts">${drawn.join('\n')}</div>`;
}

/** One figure of several runs over each other. Empty where fewer than two of them have it as a curve. */
export function overlaidChart(runs: readonly { name: string; history: readonly LogRow[] }[], key: string, y: string): string {
  const isTraining = !key.startsWith('eval_');
  const lines = runs.flatMap(({ name, history }, color): Line[] => {
    const points = pointsOf(history, key);
    if (points.length < 2) return [];
    const few = thinned(points);
    return [{ name, points: isTraining ? smoothed(few) : few, look: 'smooth', color, hasMarks: !isTraining && points.length < 60 }];
  });
  if (lines.length < 2) return '';
  const named = lines.map(({ name, color = 0 }) => ({ name, color }));
  const { svg, key: legend } = chart(lines, { title: `${y} by step: ${named.map(({ name }) => name).join(', ')}`, y }, named);
  const caption = isTraining ? '<figcaption class="soft">Running means.</figcaption>' : '';
  return `<figure class="card">${svg}${legend}${caption}</figure>`;
}
