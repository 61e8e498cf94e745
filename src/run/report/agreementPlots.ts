/** Predicted against true measures, twice: as they are, and their difference over their mean (Bland and Altman). */
import { agreementOf, quantile } from './agreement.ts';
import type { Agreement, Pair } from './agreement.ts';
import { niceRange, plane, rangeOf } from './chart.ts';
import type { Plane, Point, Range } from './chart.ts';
import { escapeHtml } from './html.ts';
import { withUnit } from './measures.ts';
import type { MeasureSet } from './measures.ts';

/** Points drawn at most; the figures are of all. */
const MOST_POINTS = 1500;
/** Of few points none is called far out. */
const FEW = 20;

/** Scatter, Bland–Altman plot and figures of one measure. Empty where no answer could be read. */
export function agreementFigures(set: MeasureSet): string {
  const { name, unit, pairs, unread } = set;
  if (pairs.length === 0) return '';
  const agreement = agreementOf(pairs);
  const shown = spread(pairs, MOST_POINTS);
  const one = escapeHtml(`${name}${unit === '' ? '' : ` (${unit})`}`);
  const few = shown.length < pairs.length ? ` ${shown.length} of them are drawn.` : '';
  const out = unread > 0 ? ` ${unread} more could not be read.` : '';
  return (
    `<h3>${one}</h3>\n<div class="charts"><figure class="card">${scatter(set, shown)}` +
    `<figcaption class="soft">${pairs.length} answers; on the line the answer is the truth.${few}${out}</figcaption></figure>\n` +
    `<figure class="card">${blandAltman(set, shown, agreement)}<figcaption>${agreementText(agreement, unit)}</figcaption></figure></div>`
  );
}

function agreementText(agreement: Agreement | undefined, unit: string): string {
  if (agreement === undefined) return '<span class="soft">One answer has no limits of agreement.</span>';
  const { count, bias, deviation, lower, upper, biasError, limitError, meanError } = agreement;
  const text = (value: number): string => escapeHtml(withUnit(value, unit));
  return (
    `Bias ${text(bias)} (standard error ${text(biasError)}), limits of agreement ${text(lower)} to ${text(upper)} ` +
    `<span class="soft">(bias ± 1.96 SD, standard error of a limit ${text(limitError)}). SD ${text(deviation)}, ` +
    `mean error ${text(meanError)}, n = ${count}.</span>`
  );
}

/** Evenly over the list, whose order has nothing to do with the values. */
export function spread<T>(list: readonly T[], most: number): T[] {
  if (list.length <= most) return [...list];
  return Array.from({ length: most }, (_, i) => list[Math.floor(((i + 0.5) * list.length) / most)]!);
}

/** Whole of few values; of many, without the farthest hundredth on either side, so that one answer of 1e9 does not hide all others. */
function robustRange(values: readonly number[]): Range {
  return values.length <= FEW ? rangeOf(values) : { low: quantile(values, 0.01), high: quantile(values, 0.99) };
}

const union = (a: Range, b: Range): Range => ({ low: Math.min(a.low, b.low), high: Math.max(a.high, b.high) });

function scatter({ name, unit }: MeasureSet, pairs: readonly Pair[]): string {
  const truths = rangeOf(pairs.map(({ truth }) => truth));
  // An answer of a thousand times the truth is told at the edge.
  const most = truths.high + 2 * Math.max(truths.high - truths.low, Math.abs(truths.high), 1e-9);
  const predicted = robustRange(pairs.map((pair) => pair.predicted));
  const range = niceRange({
    low: Math.min(truths.low, Math.max(predicted.low, 2 * truths.low - most)),
    high: Math.max(truths.high, Math.min(predicted.high, most)),
  });
  const axis = unit === '' ? '' : ` (${unit})`;
  const frame = plane(range, range, { title: `${name}: predicted against true${axis}`, x: `true${axis}`, y: `predicted${axis}` });
  const [left, right] = [frame.x(range.low), frame.x(range.high)];
  const even = `<line class="even" x1="${left}" y1="${frame.y(range.low)}" x2="${right}" y2="${frame.y(range.high)}"/>`;
  return frame.svg(
    even +
      dots(
        frame,
        pairs.map(({ truth, predicted: y }) => ({ x: truth, y })),
        range,
        range,
      ),
  );
}

function blandAltman({ name, unit }: MeasureSet, pairs: readonly Pair[], agreement: Agreement | undefined): string {
  const points = pairs.map(({ truth, predicted }) => ({ x: (truth + predicted) / 2, y: predicted - truth }));
  const x = niceRange(robustRange(points.map((point) => point.x)));
  const lines = agreement === undefined ? [0] : [0, agreement.lower, agreement.upper];
  // The limits are seen, unless a few answers have put them beyond all others.
  const y = niceRange(widest(robustRange(points.map((point) => point.y)), rangeOf(lines)));
  const axis = unit === '' ? '' : ` (${unit})`;
  const limits =
    agreement === undefined
      ? ''
      : `, bias ${withUnit(agreement.bias, unit)}, limits ${withUnit(agreement.lower, unit)} to ${withUnit(agreement.upper, unit)}`;
  const frame = plane(x, y, {
    title: `${name}: Bland–Altman plot${limits}`,
    x: `mean of predicted and true${axis}`,
    y: `predicted − true${axis}`,
  });
  const level = (value: number, look: string): string =>
    value < y.low || value > y.high
      ? ''
      : `<line class="${look}" x1="${frame.x(x.low)}" x2="${frame.x(x.high)}" y1="${frame.y(value)}" y2="${frame.y(value)}"/>`;
  const drawn =
    agreement === undefined ? '' : level(agreement.bias, 'bias') + level(agreement.lower, 'limit') + level(agreement.upper, 'limit');
  return frame.svg(level(0, 'zero') + dots(frame, points, x, y) + drawn);
}

/** Both, but no more than ten times the first. */
function widest(first: Range, second: Range): Range {
  const both = union(first, second);
  const reach = 10 * Math.max(first.high - first.low, 1e-9);
  return { low: Math.max(both.low, first.low - reach), high: Math.min(both.high, first.high + reach) };
}

/** What lies outside is a triangle at the edge. */
function dots(frame: Plane, points: readonly Point[], x: Range, y: Range): string {
  const within = (value: number, { low, high }: Range): number => Math.min(high, Math.max(low, value));
  return points
    .map((point) => {
      const at = { x: within(point.x, x), y: within(point.y, y) };
      const [left, top] = [frame.x(at.x), frame.y(at.y)];
      if (at.x === point.x && at.y === point.y) return `<circle class="dot" cx="${left}" cy="${top}" r="3"/>`;
      const up = point.y > y.high || (at.y === point.y && point.x > x.high) ? -1 : 1;
      return `<path class="off" d="M${left} ${top}l-4 ${-5 * up}h8z"/>`;
    })
    .join('');
}
