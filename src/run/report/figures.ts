/** Figures of answers and losses in words, with their units, and the tables that hold them side by side. */
import type { Interval } from '../../data/medvision/bootstrap.ts';
import type { LogRow } from '../../train/checkpointFolder.ts';
import { escapeHtml } from './html.ts';

export type Unit = '' | '%' | 'mm' | '°' | 'nats a token';

/** A figure at two moments, as a row of a table. */
export interface ComparisonRow {
  subject: string;
  figure: string;
  /** Questions that it is of, where that is known. */
  count?: number;
  before: number;
  after: number;
  /** Likely ranges (95 %) of both, where they are known. */
  ranges?: { before?: Interval; after?: Interval };
  /** How a value is shown. */
  unit: Unit;
  higherIsBetter: boolean;
}

/** A figure at one moment, as a row of a table. */
export interface FigureRow extends Pick<ComparisonRow, 'subject' | 'figure' | 'count' | 'unit' | 'higherIsBetter'> {
  value: number;
  range?: Interval;
}

/** NaN is a dash. */
export function figureText(value: number, unit: Unit): string {
  if (Number.isNaN(value)) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  switch (unit) {
    case '':
    case 'nats a token':
      return Math.abs(value) >= 1e6 ? value.toExponential(2) : value.toFixed(3);
    case '%':
      return `${value.toFixed(0)} %`;
    case 'mm':
      return `${value.toFixed(1)} mm`;
    case '°':
      return `${value.toFixed(1)}°`;
  }
}

/** What a figure of the log (`eval_loss`, `eval_AD_mre<0.1`) is. */
export interface FigureWords {
  subject: string;
  figure: string;
  unit: Unit;
  /** What the log's value is multiplied by for its unit. */
  scale: number;
  higherIsBetter: boolean;
}

const SUBJECTS: Readonly<Record<string, string>> = { AD: 'Angles and distances', Detection: 'Detection', TL: 'Sizes' };
const KEY = new RegExp(`^eval_(?:(${Object.keys(SUBJECTS).join('|')})_)?(.+)$`);

const share = (figure: string): Omit<FigureWords, 'subject'> => ({ figure, unit: '%', scale: 100, higherIsBetter: true });
const overlap = (figure: string): Omit<FigureWords, 'subject'> => ({ figure, unit: '', scale: 1, higherIsBetter: true });
const FIGURES: Readonly<Record<string, Omit<FigureWords, 'subject'>>> = {
  loss: { figure: 'loss', unit: 'nats a token', scale: 1, higherIsBetter: false },
  mean_token_accuracy: share('tokens predicted right'),
  mae: { figure: 'mean error', unit: '', scale: 1, higherIsBetter: false },
  mae_mm: { figure: 'mean error of distances', unit: 'mm', scale: 1, higherIsBetter: false },
  mae_deg: { figure: 'mean error of angles', unit: '°', scale: 1, higherIsBetter: false },
  mre: { figure: 'mean relative error', unit: '%', scale: 100, higherIsBetter: false },
  nmae: { figure: 'mean error over the mean length', unit: '%', scale: 100, higherIsBetter: false },
  'mre<0.1': share('relative error below 10 %'),
  iou: overlap('mean IoU'),
  f1: overlap('mean F1'),
  precision: overlap('mean precision'),
  recall: overlap('mean recall'),
  'iou>0.5': share('boxes with IoU ≥ 0.5'),
  'iou_.50:.95': overlap('COCO average of IoU .50 to .95'),
  success_rate: share('answers that can be read'),
};

/** Of a mean error, by what is measured: edges of boxes are parts of the picture; mm and ° are one where it is not known which. */
const ERRORS: Readonly<Record<string, Pick<FigureWords, 'figure' | 'unit'>>> = {
  AD: { figure: 'mean error (mm or °)', unit: '' },
  Detection: { figure: 'mean error of the edges (parts of the picture)', unit: '' },
  TL: { figure: 'mean error of the axes', unit: 'mm' },
};

export function figureWords(key: string): FigureWords {
  const [, tag = '', name = key] = KEY.exec(key) ?? [];
  const words = Object.hasOwn(FIGURES, name) ? FIGURES[name] : undefined;
  return {
    ...(words ?? { figure: name.replaceAll('_', ' '), unit: '', scale: 1, higherIsBetter: true }),
    ...(name === 'mae' && ERRORS[tag]),
    subject: SUBJECTS[tag] ?? 'All',
  };
}

/** How long an evaluation took is no figure of the model. */
const OF_THE_MACHINE = /_(runtime|per_second)$/;

/** Whether a mean of millimetres and degrees has those of each beside it. */
export function isMixed(key: string, row: Readonly<Record<string, unknown>>): boolean {
  return key === 'eval_AD_mae' && ('eval_AD_mae_mm' in row || 'eval_AD_mae_deg' in row);
}

/** The figures of an evaluation in a row of the log, those of all rows first, then by task. */
export function evaluationFigures(row: LogRow | Readonly<Record<string, number | undefined>>): Record<string, number> {
  const isTold = (key: string): boolean => key.startsWith('eval_') && !OF_THE_MACHINE.test(key) && !isMixed(key, row);
  const found = Object.entries(row).filter((entry): entry is [string, number] => isTold(entry[0]) && typeof entry[1] === 'number');
  const place = (key: string): number => {
    const [, tag = '', name = ''] = KEY.exec(key) ?? [];
    const within = Object.keys(FIGURES).indexOf(name);
    return 100 * ['', ...Object.keys(SUBJECTS)].indexOf(tag) + (within < 0 ? 99 : within);
  };
  return Object.fromEntries(found.sort(([a], [b]) => place(a) - place(b)));
}

/** A gain, or a loss, of a figure that reads otherwise than before. */
export function verdict(before: number, after: number, { unit, higherIsBetter }: Pick<ComparisonRow, 'unit' | 'higherIsBetter'>): string {
  // What reads the same is the same.
  if (figureText(before, unit) === figureText(after, unit)) return '';
  const gain = (after - before) * (higherIsBetter ? 1 : -1);
  return gain > 0 ? ' better' : gain < 0 ? ' worse' : '';
}

/** @param heads of the two columns of values */
export function comparisonTable(rows: readonly ComparisonRow[], heads: readonly [string, string] = ['Before', 'After']): string {
  const hasCounts = rows.some(({ count }) => count !== undefined);
  const cells = rows.map(({ subject, figure, count, before, after, ranges, ...how }) => {
    const number = hasCounts ? `<td class="number">${count ?? '–'}</td>` : '';
    return (
      `<tr><th scope="row">${escapeHtml(subject)}</th><td>${escapeHtml(figure)}</td>${number}` +
      `<td class="number">${unitText(before, how.unit)}${rangeHtml(ranges?.before, how.unit)}</td>` +
      `<td class="number${verdict(before, after, how)}">${unitText(after, how.unit)}${verdictWord(verdict(before, after, how))}` +
      `${rangeHtml(ranges?.after, how.unit)}</td></tr>`
    );
  });
  const count = hasCounts ? '<th scope="col" class="number">Questions</th>' : '';
  const [before, after] = heads.map(escapeHtml);
  return (
    '<div class="card scroll"><table>\n' +
    `<thead><tr><th scope="col">Task</th><th scope="col">Figure</th>${count}` +
    `<th scope="col" class="number">${before ?? ''}</th><th scope="col" class="number">${after ?? ''}</th></tr></thead>\n` +
    `<tbody>${cells.join('')}</tbody></table></div>`
  );
}

/** Colour is not all that tells better from worse. */
const verdictWord = (word: string): string => (word === '' ? '' : word === ' better' ? ' ✓' : ' ✗');

const unitText = (value: number, unit: Unit): string =>
  unit === 'nats a token' && Number.isFinite(value) ? `${figureText(value, unit)} nats` : figureText(value, unit);

/** A figure of the log as it is read. */
export function keyText(key: string, value: number | undefined): string {
  const { unit, scale } = figureWords(key);
  return value === undefined ? '–' : unitText(value * scale, unit);
}

/** 95 % intervals by the log's names, in the log's values. */
export type Ranges = Readonly<Record<string, Interval>>;

/** What was bought: a row for every figure that both evaluations have. */
export function boughtRows(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
  ranges?: { before: Ranges; after: Ranges },
): ComparisonRow[] {
  return besides(figureRows(before, {}, ranges?.before), figureRows(after, {}, ranges?.after));
}

/** A row for every figure that both moments have. */
export function besides(before: readonly FigureRow[], after: readonly FigureRow[]): ComparisonRow[] {
  return before.flatMap(({ value, range, ...words }): ComparisonRow[] => {
    const other = after.find(({ subject, figure }) => subject === words.subject && figure === words.figure);
    if (other === undefined) return [];
    const ranges = range || other.range ? { ...(range && { before: range }), ...(other.range && { after: other.range }) } : undefined;
    return [{ ...words, before: value, after: other.value, ...(ranges && { ranges }) }];
  });
}

/** @param counts questions by subject */
export function figureRows(
  figures: Readonly<Record<string, number>>,
  counts: Readonly<Record<string, number>> = {},
  ranges: Ranges = {},
): FigureRow[] {
  return Object.entries(figures).map(([key, value]): FigureRow => {
    const { scale, ...words } = figureWords(key);
    const { [words.subject]: count } = counts;
    const { [key]: range } = ranges;
    return {
      ...words,
      value: value * scale,
      ...(count !== undefined && { count }),
      ...(range && { range: [range[0] * scale, range[1] * scale] }),
    };
  });
}

/** The figures of one moment. */
export function figureTable(rows: readonly FigureRow[]): string {
  const cells = rows.map(
    ({ subject, figure, count, value, range, unit }) =>
      `<tr><th scope="row">${escapeHtml(subject)}</th><td>${escapeHtml(figure)}</td>` +
      `<td class="number">${count ?? '–'}</td><td class="number">${unitText(value, unit)}${rangeHtml(range, unit)}</td></tr>`,
  );
  return (
    '<div class="card scroll"><table>\n<thead><tr><th scope="col">Task</th><th scope="col">Figure</th>' +
    '<th scope="col" class="number">Questions</th><th scope="col" class="number">Value</th></tr></thead>\n' +
    `<tbody>${cells.join('')}</tbody></table></div>`
  );
}

/** "0.410 to 0.600", broken between the numbers alone. */
export function rangeText([low, high]: Interval, unit: Unit): string {
  const whole = (value: number): string => figureText(value, unit).replaceAll(' ', '\u00a0');
  return `${whole(low)} to ${whole(high)}`;
}

const rangeHtml = (range: Interval | undefined, unit: Unit): string =>
  range === undefined ? '' : `<br><small class="soft">${rangeText(range, unit)}</small>`;
