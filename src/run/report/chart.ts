/** Charts as inline SVG: a plane with its axes, and lines in it. Whatever a report plots is drawn here. */
import { escapeHtml } from './html.ts';

export interface Point {
  x: number;
  y: number;
}

export interface Range {
  low: number;
  high: number;
}

export interface ChartSize {
  /** Units of the drawing; text is 12 of them high. */
  width: number;
  height: number;
}

/** Two beside each other on a wide page, and legible on a telephone. */
export const SMALL: ChartSize = { width: 480, height: 270 };
/** Alone on a wide page. */
export const WIDE: ChartSize = { width: 760, height: 210 };

const MARGIN = { left: 52, right: 14, top: 12, bottom: 36 };

export interface PlaneWords {
  /** What the whole shows, for those who cannot see it. */
  title: string;
  x: string;
  /** Beside the axis; absent where the title says it. */
  y?: string;
}

export interface Plane {
  x(value: number): string;
  y(value: number): string;
  /** The chart around `drawn`. */
  svg(drawn: string): string;
}

/** Steps of 1, 2 or 5 times a power of ten, four to eight of them within the range. */
function niceStep({ low, high }: Range): number {
  const rough = (high - low) / 5;
  if (!(rough > 0) || !Number.isFinite(rough)) return 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  return ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
}

/** The range made larger to whole steps. */
export function niceRange(range: Range): Range {
  const step = niceStep(range);
  const low = Math.floor(range.low / step + 1e-9) * step;
  const high = Math.ceil(range.high / step - 1e-9) * step;
  return high > low ? { low, high } : { low, high: low + step };
}

/** Of finite values; 0 to 1 where there is none. */
export function rangeOf(values: Iterable<number>): Range {
  const range = { low: Infinity, high: -Infinity };
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    range.low = Math.min(range.low, value);
    range.high = Math.max(range.high, value);
  }
  return range.low <= range.high ? range : { low: 0, high: 1 };
}

/** @param wholeX the horizontal axis counts: no mark stands between two whole numbers */
export function plane(x: Range, y: Range, words: PlaneWords, { size = SMALL, wholeX = false } = {}): Plane {
  const { width, height } = size;
  const top = MARGIN.top + (words.y === undefined ? 0 : 18);
  const across = (value: number): number => MARGIN.left + ((value - x.low) / (x.high - x.low)) * (width - MARGIN.left - MARGIN.right);
  const down = (value: number): number => height - MARGIN.bottom - ((value - y.low) / (y.high - y.low)) * (height - top - MARGIN.bottom);
  const rows = ticks(y, niceStep(y))
    .map((value) => {
      const at = down(value).toFixed(1);
      const label = `<text x="${MARGIN.left - 8}" y="${(down(value) + 4).toFixed(1)}" text-anchor="end">${tickText(value)}</text>`;
      return `<line class="grid" x1="${MARGIN.left}" x2="${width - MARGIN.right}" y1="${at}" y2="${at}"/>${label}`;
    })
    .join('');
  const columns = (wholeX ? wholeTicks(x) : ticks(x, niceStep(x)))
    .map(
      (value) => `<text x="${across(value).toFixed(1)}" y="${height - MARGIN.bottom + 17}" text-anchor="middle">${tickText(value)}</text>`,
    )
    .join('');
  const middle = (MARGIN.left + width - MARGIN.right) / 2;
  return {
    x: (value) => across(value).toFixed(1),
    y: (value) => down(value).toFixed(1),
    svg: (drawn) =>
      `<svg class="curve" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(words.title)}">` +
      `<title>${escapeHtml(words.title)}</title>${rows}${columns}` +
      (words.y === undefined ? '' : `<text class="title" x="6" y="16">${escapeHtml(words.y)}</text>`) +
      `<text x="${middle}" y="${height - 3}" text-anchor="middle">${escapeHtml(words.x)}</text>${drawn}</svg>`,
  };
}

function ticks({ low, high }: Range, step: number): number[] {
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.max(0, Math.floor(high / step + 1e-9) - first + 1) }, (_, i) => (first + i) * step);
}

/** The first, and five more up to the last. */
function wholeTicks({ low, high }: Range): number[] {
  const marks = Array.from({ length: 5 }, (_, i) => Math.round(low + ((i + 1) * (high - low)) / 5));
  return [...new Set([low, ...marks])];
}

function tickText(value: number): string {
  if (value !== 0 && (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-4)) return value.toExponential(0);
  return String(Number(value.toFixed(4)));
}

export interface Line {
  name: string;
  points: readonly Point[];
  /** A class of the page's style: `raw` is faint, `smooth` strong. */
  look: 'raw' | 'smooth';
  /** Which of the six colours; absent: the accent's. */
  color?: number;
  /** A mark at every point, for lines of few. */
  hasMarks?: boolean;
}

/** Second and third dozens of lines are told apart by their dashes. */
const DASHES = ['', ' stroke-dasharray="7 4"', ' stroke-dasharray="2 4"'];
const COLORS = 6;

const seriesClass = (color: number): string => `series${color % COLORS}`;
const seriesDash = (color: number): number => Math.floor(color / COLORS) % DASHES.length;

/** Lines over a count (of steps), from 0 upwards where none goes below. */
export function lineChart(lines: readonly Line[], words: PlaneWords, size = SMALL): string {
  const shown = lines.map((line) => ({ ...line, points: line.points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y)) }));
  const all = shown.flatMap(({ points }) => points);
  const steps = rangeOf(all.map(({ x }) => x));
  const values = rangeOf(all.map(({ y }) => y));
  const x = steps.high > steps.low ? steps : { low: Math.min(steps.low, 0), high: Math.max(steps.high, 1) };
  const y = niceRange({ low: Math.min(0, values.low), high: values.high > values.low || values.high > 0 ? values.high : 1 });
  const frame = plane(x, y, words, { size, wholeX: true });
  const drawn = shown.map(({ points, look, color, hasMarks }) => {
    if (points.length === 0) return '';
    const own = color === undefined ? '' : ` ${seriesClass(color)}`;
    const dash = DASHES[seriesDash(color ?? 0)] ?? '';
    const path = points.map((point) => `${frame.x(point.x)},${frame.y(point.y)}`).join(' ');
    const marks = hasMarks
      ? points.map((point) => `<circle class="mark${own}" cx="${frame.x(point.x)}" cy="${frame.y(point.y)}" r="3"/>`).join('')
      : '';
    return `<polyline class="${look}${own}"${dash} points="${path}"/>${marks}`;
  });
  return frame.svg(drawn.join(''));
}

/** Which line is which. Empty where there is but one. */
export function chartKey(names: readonly { name: string; color: number }[]): string {
  if (names.length < 2) return '';
  const entry = ({ name, color }: { name: string; color: number }): string =>
    `<span><i class="${seriesClass(color)} dash${seriesDash(color)}"></i>${escapeHtml(name)}</span>`;
  return `<p class="key">${names.map(entry).join('')}</p>`;
}
