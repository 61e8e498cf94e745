/**
 * Where an answer of lengths or an angle is drawn, which says nothing of a place: where the truth is known, there, at the answered size;
 * else lengths are bars at the lower edge.
 */
import type { Point } from './landmarks.ts';
import type { Annotation } from './sample.ts';

export type Line = readonly [Point, Point];

/** mm a pixel. */
export interface PixelSize {
  width: number;
  height: number;
}

/**
 * @param lines what the true answer measures, in pixels of the image; empty where it is not known
 * @returns lines in pixels of the image, and what they are in words; neither where nothing can be drawn, and for boxes
 */
export function answerLines(
  annotation: Annotation,
  values: readonly number[],
  truth: readonly number[] | undefined,
  lines: readonly Line[],
  size: PixelSize,
  image: { width: number; height: number },
): { drawn: Line[]; words: string } {
  const nothing = { drawn: [], words: '' };
  const [first, second] = lines;
  const [value = NaN, minor = NaN] = values;
  if (!values.every((one) => Number.isFinite(one) && one > 0) || values.length === 0 || !(size.width > 0 && size.height > 0))
    return nothing;
  switch (annotation.kind) {
    case 'box':
      return nothing;
    case 'distance':
      if (first === undefined) return bars([value / unitsPerMm(annotation.unit)], size, image);
      return {
        drawn: [stretched(first, value / unitsPerMm(annotation.unit), size)],
        words: 'the answered length, from the first landmark on',
      };
    case 'ellipse': {
      const axes = [value, minor].map((axis) => axis / unitsPerMm(annotation.unit));
      if (first === undefined || second === undefined) return bars(axes, size, image);
      return {
        drawn: ellipse(lengthOf(first, size) >= lengthOf(second, size) ? [first, second] : [second, first], axes, size),
        words: 'an ellipse of the answered axes, where the true one is',
      };
    }
    case 'angle':
      if (first === undefined || second === undefined) return nothing;
      return {
        drawn: [turned(first, second, value - (truth?.[0] ?? value), truth?.[0] ?? value, size)],
        words: 'the second line, at the answered angle',
      };
  }
}

function unitsPerMm(unit: string): number {
  return /^c(m|enti)/i.test(unit.trim()) ? 0.1 : 1;
}

function lengthOf([from, to]: Line, { width, height }: PixelSize): number {
  return Math.hypot((to.x - from.x) * width, (to.y - from.y) * height);
}

/** The line from its first point on, in its direction, `mm` long. */
function stretched(line: Line, mm: number, size: PixelSize): Line {
  const [from, to] = line;
  const factor = mm / lengthOf(line, size);
  return [from, { x: from.x + factor * (to.x - from.x), y: from.y + factor * (to.y - from.y) }];
}

const POINTS = 72;

/** @param axes lengths in mm along the two lines */
function ellipse(lines: readonly [Line, Line], axes: readonly number[], size: PixelSize): Line[] {
  const middles = lines.map(([from, to]) => ({ x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 }));
  const centre = { x: (middles[0]!.x + middles[1]!.x) / 2, y: (middles[0]!.y + middles[1]!.y) / 2 };
  const halves = lines.map((line, i) => {
    const [from, to] = line;
    const factor = (axes[i] ?? NaN) / lengthOf(line, size) / 2;
    return { x: factor * (to.x - from.x), y: factor * (to.y - from.y) };
  });
  const at = (i: number): Point => {
    const [cos, sin] = [Math.cos((2 * Math.PI * i) / POINTS), Math.sin((2 * Math.PI * i) / POINTS)];
    return { x: centre.x + cos * halves[0]!.x + sin * halves[1]!.x, y: centre.y + cos * halves[0]!.y + sin * halves[1]!.y };
  };
  return Array.from({ length: POINTS }, (_, i) => [at(i), at(i + 1)] as const);
}

/**
 * The second line turned about its middle, so that it lies `degrees` further from the first.
 * @param truth the angle that the plan states
 */
function turned(first: Line, second: Line, degrees: number, truth: number, { width, height }: PixelSize): Line {
  const direction = ([from, to]: Line): Point => ({ x: (to.x - from.x) * width, y: (to.y - from.y) * height });
  const [a, b] = [direction(first), direction(second)];
  const cross = a.x * b.y - a.y * b.x;
  const angle = (Math.atan2(Math.abs(cross), a.x * b.x + a.y * b.y) * 180) / Math.PI;
  // Of lines without direction a plan may state the other angle between them.
  const sign = (cross < 0 ? -1 : 1) * (Math.abs(angle - truth) <= Math.abs(180 - angle - truth) ? 1 : -1);
  const turn = (sign * degrees * Math.PI) / 180;
  const half = {
    x: (Math.cos(turn) * b.x - Math.sin(turn) * b.y) / width / 2,
    y: (Math.sin(turn) * b.x + Math.cos(turn) * b.y) / height / 2,
  };
  const middle = { x: (second[0].x + second[1].x) / 2, y: (second[0].y + second[1].y) / 2 };
  return [
    { x: middle.x - half.x, y: middle.y - half.y },
    { x: middle.x + half.x, y: middle.y + half.y },
  ];
}

/** Lengths without a place, one above the other. */
function bars(
  lengths: readonly number[],
  size: PixelSize,
  { width, height }: { width: number; height: number },
): { drawn: Line[]; words: string } {
  const left = 0.04 * width;
  const drawn = lengths.map((mm, i): Line => {
    const y = height * (0.96 - 0.04 * (lengths.length - 1 - i));
    return [
      { x: left, y },
      { x: left + mm / size.width, y },
    ];
  });
  return {
    drawn,
    words:
      lengths.length === 1
        ? 'the answered length as a bar at the lower edge, which says nothing of the place'
        : 'the answered lengths as bars at the lower edge, which say nothing of the place',
  };
}
