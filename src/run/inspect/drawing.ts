/** Pictures and histograms as inline SVG. */
import { onCanvas } from '../../data/medvision/canvas.ts';
import type { DecodedImage } from '../../platform.ts';
import { escapeHtml, pngUrl } from '../report/html.ts';
import { answerBox } from './answerBox.ts';
import type { ShownRow } from './gather.ts';

/** The slice in the proportions of the body, with its box, or with the lines that its answer measures. */
export function picture(row: ShownRow, image: DecodedImage, png: Uint8Array): string {
  const { sample, conversation, images, pixelWidth, pixelHeight, lines } = row;
  const width = image.width * pixelWidth;
  const height = image.height * pixelHeight;
  const pad = 0.015 * Math.max(width, height);
  const at = (value: number): string => value.toFixed(2);
  const rectangle = (x: number, y: number, w: number, h: number): string =>
    `<rect x="${at(x)}" y="${at(y)}" width="${at(w)}" height="${at(h)}"/>`;
  const box = (): string => {
    // Of several pictures it is not known which one the answer is about.
    const said = sample === undefined && images.length === 1 ? answerBox(conversation, image) : undefined;
    if (said !== undefined)
      return rectangle(
        said.left * pixelWidth,
        said.top * pixelHeight,
        (said.right - said.left) * pixelWidth,
        (said.bottom - said.top) * pixelHeight,
      );
    if (sample?.annotation.kind !== 'box') return '';
    const { min, max } = sample.annotation;
    // The last row and column of a box belong to it.
    const corners = [
      { x: min[1], y: min[0] },
      { x: max[1] + 1, y: max[0] + 1 },
    ].map((corner) => (sample.canvas ? onCanvas(sample.canvas, corner) : corner));
    const [from, to] = [corners[0]!, corners[1]!];
    return rectangle(from.x * pixelWidth, from.y * pixelHeight, (to.x - from.x) * pixelWidth, (to.y - from.y) * pixelHeight);
  };
  const drawn = lines
    .map(([from, to]) => {
      const ends = [from, to].map(({ x, y }) => [at(x * pixelWidth), at(y * pixelHeight)] as const);
      const points = ends.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="${at(0.012 * Math.max(width, height))}"/>`).join('');
      const [[x1, y1] = ['', ''], [x2, y2] = ['', '']] = ends;
      return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>${points}`;
    })
    .join('');
  return (
    `<svg class="slice" viewBox="${at(-pad)} ${at(-pad)} ${at(width + 2 * pad)} ${at(height + 2 * pad)}" ` +
    `role="img" aria-label="${escapeHtml(sample?.task ?? 'image')}">` +
    `<image href="${pngUrl(png)}" width="${at(width)}" height="${at(height)}" preserveAspectRatio="none"/>${box()}${drawn}</svg>`
  );
}

const WIDTH = 250;
const HEIGHT = 64;
const BARS = 24;
/** Of a bar, where there are few. */
const WIDEST = 36;

/** @param unit said below, behind the range */
export function histogram(values: readonly number[], unit: string): string {
  const known = values.filter(Number.isFinite);
  if (known.length === 0) return '<span class="soft">–</span>';
  const low = known.reduce((least, value) => Math.min(least, value), Infinity);
  const high = known.reduce((most, value) => Math.max(most, value), -Infinity);
  const isWhole = known.every(Number.isInteger);
  // Whole numbers get bars of whole width, so that none is empty for want of numbers.
  const step = isWhole ? Math.max(1, Math.ceil((high - low + 1) / BARS)) : (high - low) / BARS || 1;
  const bars = new Array<number>(Math.max(1, Math.min(BARS, Math.ceil((high - low + (isWhole ? 1 : 0)) / step)))).fill(0);
  for (const value of known) {
    const bar = Math.min(bars.length - 1, Math.floor((value - low) / step));
    bars[bar] = (bars[bar] ?? 0) + 1;
  }
  const tallest = Math.max(...bars);
  const middle = [...known].sort((a, b) => a - b)[Math.floor(known.length / 2)] ?? 0;
  const barWidth = Math.min(WIDTH / bars.length, WIDEST);
  const left = (WIDTH - barWidth * bars.length) / 2;
  const drawn = bars
    .map((count, i) => {
      const h = count === 0 ? 0 : Math.max(1.5, (count / tallest) * (HEIGHT - 4));
      const from = low + i * step;
      const range = isWhole && step === 1 ? figure(from) : `${figure(from)} to ${figure(from + step)}`;
      const title = `<title>${range} ${escapeHtml(unit)}: ${count} row${count === 1 ? '' : 's'}</title>`;
      const [x, y, width, height] = [left + i * barWidth + 0.5, HEIGHT - h, Math.max(1, barWidth - 1), h].map((value) => value.toFixed(2));
      return `<rect x="${x ?? ''}" y="${y ?? ''}" width="${width ?? ''}" height="${height ?? ''}" rx="1">${title}</rect>`;
    })
    .join('');
  return (
    `<figure class="histogram"><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" ` +
    `role="img" aria-label="histogram of ${escapeHtml(unit)}">${drawn}</svg>` +
    `<figcaption><span>${figure(low)}</span><span>median ${figure(middle)} ${escapeHtml(unit)}</span>` +
    `<span>${figure(high)}</span></figcaption></figure>`
  );
}

function figure(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toPrecision(2);
}
