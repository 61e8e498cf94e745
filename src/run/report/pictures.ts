/** A question's picture as inline SVG, in the proportions of the body (mm, not pixels), with the truth and the answers drawn in. */
import { answerLines } from '../../data/medvision/answerLines.ts';
import type { Line } from '../../data/medvision/answerLines.ts';
import { boxEdges } from '../../data/medvision/detection.ts';
import type { Annotation } from '../../data/medvision/sample.ts';
import { base64 } from '../../io/base64.ts';
import type { DecodedImage, Platform } from '../../platform.ts';
import { shrunkImage } from '../../train/predictionPictures.ts';
import { escapeHtml } from './html.ts';

/** Whose a mark is; how it looks is the style's. */
export type MarkOf = 'truth' | 'before' | 'after';

/** In the units of the picture: x to the right, y down, from its upper left corner. */
export type Mark =
  | { of: MarkOf; kind: 'box'; x: number; y: number; width: number; height: number }
  /** From point to point; `hasEnds`: the ends are landmarks. */
  | { of: MarkOf; kind: 'path'; points: [number, number][]; hasEnds: boolean };

export interface Drawing {
  /** PNG in base64. */
  png: string;
  /** mm, or pixels where the size of a pixel is not known. */
  width: number;
  height: number;
  marks: Mark[];
}

export interface DrawnScene {
  image: DecodedImage;
  /** Between landmarks, in pixels of the image: what the true answer measures. Empty for boxes, and where it is not known. */
  lines: readonly Line[];
  /** mm a pixel; NaN where it is not known. */
  pixelWidth: number;
  pixelHeight: number;
  /** What was asked, where it is a MedVision question of a plan. */
  annotation?: Annotation;
  /** The right numbers; of boxes x1, y1, x2, y2 relative to the image, origin lower left. */
  truth: readonly number[];
  isBox: boolean;
}

export interface DrawnAnswer {
  of: 'before' | 'after';
  /** Empty where it could not be read. */
  values: readonly number[];
}

/**
 * @param longest pixels on the longer side; larger pictures are made smaller
 * @param mostBytes of the PNG; what has more is made smaller until it fits
 */
export async function drawingOf(
  platform: Pick<Platform, 'encodePng'>,
  scene: DrawnScene,
  answers: readonly DrawnAnswer[],
  { longest = 512, mostBytes = Infinity } = {},
): Promise<Drawing> {
  let side = longest;
  let small = shrunkImage(scene, side).image;
  let png = await greyOrRgb(platform, small);
  while (png.length > mostBytes && side > 64) {
    side = Math.round(side * Math.max(0.5, Math.min(0.9, Math.sqrt(mostBytes / png.length))));
    small = shrunkImage(scene, side).image;
    png = await greyOrRgb(platform, small);
  }
  const { image, lines, annotation, truth } = scene;
  const isKnown = scene.pixelWidth > 0 && scene.pixelHeight > 0;
  const pixel = isKnown ? { width: scene.pixelWidth, height: scene.pixelHeight } : { width: 1, height: 1 };
  const path = (of: MarkOf, drawn: readonly Line[], hasEnds: boolean): Mark[] =>
    chains(drawn).map((points) => ({
      of,
      kind: 'path',
      hasEnds,
      points: points.map(({ x, y }) => [round(x * pixel.width), round(y * pixel.height)]),
    }));
  const box = (of: MarkOf, values: readonly number[]): Mark[] => {
    if (values.length !== 4 || !values.every(Number.isFinite)) return [];
    // What lies far outside is drawn just outside, that is, not seen.
    const near = values.map((at) => Math.min(1.5, Math.max(-0.5, at)));
    const { left, top, right, bottom } = boxEdges(near, image.height * pixel.height, image.width * pixel.width);
    const [x, y] = [Math.min(left, right), Math.min(top, bottom)];
    return [{ of, kind: 'box', x: round(x), y: round(y), width: round(Math.abs(right - left)), height: round(Math.abs(bottom - top)) }];
  };
  const marks = answers.flatMap(({ of, values }): Mark[] => {
    if (scene.isBox) return box(of, values);
    if (annotation === undefined || !isKnown) return [];
    return path(of, answerLines(annotation, values, truth, lines, pixel, image).drawn, false);
  });
  marks.push(...(scene.isBox ? box('truth', truth) : path('truth', lines, true)));
  return { png: base64(png), width: round(image.width * pixel.width), height: round(image.height * pixel.height), marks };
}

const round = (value: number): number => Math.round(value * 100) / 100;

/** A PNG of an RGB picture; slices are grey: a third of the values. */
export async function greyOrRgb(platform: Pick<Platform, 'encodePng'>, { data, width, height }: DecodedImage): Promise<Uint8Array> {
  const grey = new Uint8Array(width * height);
  for (let i = 0; i < grey.length; i++) {
    const value = data[3 * i]!;
    if (data[3 * i + 1] !== value || data[3 * i + 2] !== value) return platform.encodePng(data, width, height, 3);
    grey[i] = value;
  }
  return platform.encodePng(grey, width, height, 1);
}

/** Lines that go on where the one before ends, as one; those of an ellipse are many. */
function chains(lines: readonly Line[]): { x: number; y: number }[][] {
  const found: { x: number; y: number }[][] = [];
  for (const [from, to] of lines) {
    if (![from.x, from.y, to.x, to.y].every(Number.isFinite)) continue;
    const end = found.at(-1)?.at(-1);
    if (end && end.x === from.x && end.y === from.y) found.at(-1)?.push(to);
    else found.push([from, to]);
  }
  return found;
}

/** Truth in green, the answer before in dashed red, the answer after in blue. @param title said to those who cannot see it */
function slicePicture({ png, width, height, marks }: Drawing, title: string): string {
  // A margin, so that edges on the border of the picture are seen.
  const pad = 0.02 * Math.max(width, height);
  const at = (value: number): string => value.toFixed(2);
  const radius = at(0.015 * Math.max(width, height));
  const drawn = marks.map((mark) => {
    if (mark.kind === 'box')
      return `<rect class="${mark.of}" x="${at(mark.x)}" y="${at(mark.y)}" width="${at(mark.width)}" height="${at(mark.height)}"/>`;
    const [[x1, y1] = [0, 0], [x2, y2] = [0, 0]] = mark.points;
    if (mark.points.length > 2)
      return `<polyline class="${mark.of}" points="${mark.points.map(([x, y]) => `${at(x)},${at(y)}`).join(' ')}"/>`;
    const ends = mark.hasEnds
      ? mark.points.map(([x, y]) => `<circle class="point" cx="${at(x)}" cy="${at(y)}" r="${radius}"/>`).join('')
      : '';
    return `<line class="${mark.of}" x1="${at(x1)}" y1="${at(y1)}" x2="${at(x2)}" y2="${at(y2)}"/>${ends}`;
  });
  const view = [-pad, -pad, width + 2 * pad, height + 2 * pad].map(at).join(' ');
  return (
    `<svg class="slice" viewBox="${view}" role="img" aria-label="${escapeHtml(title)}"><title>${escapeHtml(title)}</title>` +
    `<image href="data:image/png;base64,${png}" width="${at(width)}" height="${at(height)}" preserveAspectRatio="none"/>` +
    `${drawn.join('')}</svg>`
  );
}

/** A picture with what was asked and said. */
export interface Card {
  drawing: Drawing;
  heading: string;
  /** Where it is from: case, plane and slice. */
  place: string;
  prompt: string;
  /** The right answer as the row words it. */
  target: string;
  answers: { name: string; text: string; score: string }[];
}

/** Characters of an answer that are shown. */
const QUOTED = 300;

export function pictureCard({ drawing, heading, place, prompt, target, answers }: Card): string {
  const short = (text: string): string => (text.length > QUOTED ? `${text.slice(0, QUOTED)}…` : text);
  const said = answers.map(
    ({ name, text, score }) =>
      `<tr><th scope="row">${escapeHtml(name)}</th><td><code>${escapeHtml(text === '' ? '(nothing)' : short(text))}</code></td>` +
      `<td class="number">${escapeHtml(score)}</td></tr>`,
  );
  const title = `${heading}. ${place}. Truth: ${short(target)}. ${answers.map(({ name, text }) => `${name}: ${short(text)}`).join('. ')}`;
  return (
    `<div class="card"><div class="frame">${slicePicture(drawing, title)}</div><div class="said"><h3>${escapeHtml(heading)}</h3>` +
    `<table><tr><th scope="row">truth</th><td><code>${escapeHtml(short(target))}</code></td><td></td></tr>${said.join('')}</table>` +
    `<details><summary>${escapeHtml(place === '' ? 'the prompt' : `${place}: the prompt`)}</summary><code>${escapeHtml(prompt)}</code>` +
    '</details></div></div>'
  );
}

/** Names of what is drawn, for `pictureKey`. */
export type KeyNames = Partial<Record<MarkOf, string>>;

export function pictureKey(names: KeyNames): string {
  const shown = (['truth', 'before', 'after'] as const).flatMap((of) => {
    const name = names[of];
    return name === undefined ? [] : [`<span><i class="of-${of}"></i>${escapeHtml(name)}</span>`];
  });
  return `<p class="key">${shown.join('')}</p>`;
}

/** What a plan's annotation asks for. */
export function headingOf(annotation: Annotation): string {
  switch (annotation.kind) {
    case 'box':
      return `Box: ${annotation.labelName}`;
    case 'ellipse':
      return `Axes in ${lengthUnit(annotation.unit)}: ${annotation.labelName}`;
    case 'distance':
      return `Distance in ${lengthUnit(annotation.unit)}: ${annotation.name.trim() || annotation.landmarks.map(shortName).join(' – ')}`;
    case 'angle':
      return `Angle in degrees: ${annotation.name.trim() || annotation.landmarks.map(shortName).join(', ')}`;
  }
}

const shortName = (landmark: string): string => landmark.trim().replace(/^centroid of the /, '');
const lengthUnit = (unit: string): string => (/^c(m|enti)/i.test(unit.trim()) ? 'cm' : 'mm');
