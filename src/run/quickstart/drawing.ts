/**
 * The report's pictures as inline SVG: the loss curve, and a slice with what was asked, in the proportions of the body (mm, not pixels).
 */
import { escapeHtml, pngUrl } from '../report/html.ts';
import type { Answer } from './answers.ts';
import type { Question } from './questions.ts';

const WIDTH = 760;
const HEIGHT = 210;
const MARGIN = { left: 46, right: 14, top: 12, bottom: 34 };

/** @param losses one a step, from step 1 */
export function lossCurve(losses: readonly { step: number; loss: number }[]): string {
  const shown = losses.filter(({ loss }) => Number.isFinite(loss));
  const last = Math.max(1, ...shown.map(({ step }) => step));
  const { step: gap, top } = niceTicks(Math.max(0.1, ...shown.map(({ loss }) => loss)));
  const x = (step: number): number => MARGIN.left + ((step - 1) / Math.max(1, last - 1)) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (loss: number): number => HEIGHT - MARGIN.bottom - (loss / top) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const line = (points: readonly { step: number; loss: number }[]): string =>
    points.map(({ step, loss }) => `${x(step).toFixed(1)},${y(loss).toFixed(1)}`).join(' ');
  // A mean over the steps nearby, for the trend; fewer at the ends.
  const reach = Math.max(1, Math.round(shown.length / 20));
  const smooth = shown.map(({ step }, i) => {
    const near = shown.slice(Math.max(0, i - reach), i + reach + 1);
    return { step, loss: near.reduce((sum, { loss }) => sum + loss, 0) / near.length };
  });
  const rows = Array.from({ length: Math.round(top / gap) + 1 }, (_, i) => i * gap);
  const columns = [...new Set([1, ...Array.from({ length: 5 }, (_, i) => Math.round(((i + 1) * last) / 5))])].filter((step) => step >= 1);
  const grid = rows
    .map(
      (value) =>
        `<line class="grid" x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}"/>` +
        `<text x="${MARGIN.left - 8}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${Number(value.toFixed(4))}</text>`,
    )
    .join('');
  const marks = columns
    .map((step) => `<text x="${x(step).toFixed(1)}" y="${HEIGHT - MARGIN.bottom + 18}" text-anchor="middle">${step}</text>`)
    .join('');
  return (
    `<svg class="curve" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Training loss by step">${grid}${marks}` +
    `<text x="${(MARGIN.left + WIDTH - MARGIN.right) / 2}" y="${HEIGHT - 2}" text-anchor="middle">step</text>` +
    `<polyline class="raw" points="${line(shown)}"/><polyline class="smooth" points="${line(smooth)}"/></svg>`
  );
}

/** Steps of 1, 2 or 5 times a power of ten, four to eight of them. */
function niceTicks(most: number): { step: number; top: number } {
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  return { step, top: Math.ceil(most / step) * step };
}

/**
 * A slice with the truth in green, the answer before in dashed red and the one after in blue. `png` is the slice itself, one pixel a pixel.
 */
export function slicePicture(question: Question, before: Answer | undefined, after: Answer | undefined, png: Uint8Array): string {
  const { image, pixelWidth, pixelHeight, sample, lines } = question;
  const width = image.width * pixelWidth;
  const height = image.height * pixelHeight;
  // A margin, so that edges on the border of the slice are seen.
  const pad = 0.02 * Math.max(width, height);
  const box = (values: readonly number[] | undefined, kind: string): string => {
    if (values?.length !== 4 || !values.every(Number.isFinite)) return '';
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = values.map((value) => Math.min(1.5, Math.max(-0.5, value)));
    const at = (value: number): string => value.toFixed(2);
    const [x, y] = [Math.min(x1, x2) * width, (1 - Math.max(y1, y2)) * height];
    const [w, h] = [Math.abs(x2 - x1) * width, Math.abs(y2 - y1) * height];
    return `<rect class="${kind}" x="${at(x)}" y="${at(y)}" width="${at(w)}" height="${at(h)}"/>`;
  };
  const isBox = sample.taskType === 'BoxSize';
  const drawn = isBox
    ? box(before?.numbers, 'before') + box(after?.numbers, 'after') + box(sample.values, 'truth')
    : lines
        .map(([from, to]) => {
          const [x1, y1, x2, y2] = [from.x * pixelWidth, from.y * pixelHeight, to.x * pixelWidth, to.y * pixelHeight].map((at) =>
            at.toFixed(2),
          );
          const r = (0.015 * Math.max(width, height)).toFixed(2);
          return (
            `<line class="truth" x1="${x1 ?? ''}" y1="${y1 ?? ''}" x2="${x2 ?? ''}" y2="${y2 ?? ''}"/>` +
            `<circle class="point" cx="${x1 ?? ''}" cy="${y1 ?? ''}" r="${r}"/>` +
            `<circle class="point" cx="${x2 ?? ''}" cy="${y2 ?? ''}" r="${r}"/>`
          );
        })
        .join('');
  const view = [-pad, -pad, width + 2 * pad, height + 2 * pad].map((value) => value.toFixed(2)).join(' ');
  return (
    `<svg class="slice" viewBox="${view}" role="img" aria-label="${escapeHtml(sample.task)}, slice ${sample.sliceIdx}">` +
    `<image href="${pngUrl(png)}" width="${width.toFixed(2)}" height="${height.toFixed(2)}" ` +
    `preserveAspectRatio="none"/>${drawn}</svg>`
  );
}
