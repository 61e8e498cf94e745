/** Drawing as a pure matter of points: what a press, a move, a release and a key do to a drawing that is not finished. */
import { LANDMARKS, POINTS } from '../../src/data/drawn/annotation.ts';
import type { DrawnAnnotation, DrawnPoint, Shape, SliceSize } from '../../src/data/drawn/annotation.ts';
import type { PixelSize } from '../../src/data/drawn/measured.ts';

/** A drawing that is being made, or changed. */
export interface Draft {
  shape: Shape;
  /** As many as are placed yet. */
  points: DrawnPoint[];
  /** Which of them keys move. */
  active: number;
  /** Of the annotation that is changed; absent: a new one. */
  id?: string;
}

/** Where a point may be: in whole pixels for boxes, else in tenths, inside the slice. */
function snapped(shape: Shape, [row, column]: DrawnPoint, { height, width }: SliceSize): DrawnPoint {
  const isBox = shape === 'box';
  const least = isBox ? 0 : -0.5;
  const place = (value: number, size: number): number => {
    const most = isBox ? size - 1 : size - 0.5;
    const rounded = isBox ? Math.round(value) : Math.round(value * 10) / 10;
    return Math.min(most, Math.max(least, rounded)) + 0;
  };
  return [place(row, height), place(column, width)];
}

/** The first press: both ends of the first line are there, and the second follows the pointer. */
export function begun(shape: Shape, at: DrawnPoint, size: SliceSize): Draft {
  const point = snapped(shape, at, size);
  return { shape, points: [point, point], active: 1 };
}

/** A press when one line stands and another is wanted. */
export function secondLine(draft: Draft, at: DrawnPoint, size: SliceSize, pixelSize: PixelSize): Draft {
  const [a, b] = draft.points;
  if (a === undefined || b === undefined) return draft;
  if (draft.shape === 'ellipse') return { ...draft, points: [a, b, ...minorAxis(a, b, at, size, pixelSize)], active: 3 };
  const point = snapped(draft.shape, at, size);
  return { ...draft, points: [a, b, point, point], active: 3 };
}

/** The active point to the pointer. While an ellipse is drawn for the first time its minor axis stays square to the major one. */
export function moved(draft: Draft, at: DrawnPoint, size: SliceSize, pixelSize: PixelSize): Draft {
  const [a, b] = draft.points;
  if (draft.shape === 'ellipse' && draft.points.length === 4 && draft.id === undefined && draft.active >= 2 && a && b)
    return { ...draft, points: [a, b, ...minorAxis(a, b, at, size, pixelSize)] };
  return withPoint(draft, draft.active, snapped(draft.shape, at, size));
}

function withPoint(draft: Draft, index: number, point: DrawnPoint): Draft {
  return { ...draft, points: draft.points.map((one, i) => (i === index ? point : one)) };
}

/** Through the middle of the major axis, square to it in mm, as long as the pointer is far from it. */
function minorAxis(a: DrawnPoint, b: DrawnPoint, at: DrawnPoint, size: SliceSize, [height, width]: PixelSize): [DrawnPoint, DrawnPoint] {
  const [down, right] = [(b[0] - a[0]) * height, (b[1] - a[1]) * width];
  const length = Math.hypot(down, right) || 1;
  const middle: DrawnPoint = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  const across = Math.abs(((at[0] - middle[0]) * height * right - (at[1] - middle[1]) * width * down) / length);
  const [r, c] = [(across * right) / length / height, (-across * down) / length / width];
  return [snapped('ellipse', [middle[0] - r, middle[1] - c], size), snapped('ellipse', [middle[0] + r, middle[1] + c], size)];
}

/** Whether all points are placed. */
export function isComplete({ shape, points }: Draft): boolean {
  return points.length === POINTS[shape];
}

/** Whether none of its lines begins and ends at one place, as after a press that was not drawn out. */
export function hasLength({ points }: Draft): boolean {
  const isLine = (from: number): boolean => {
    const [a, b] = points.slice(from, from + 2);
    return a === undefined || b === undefined || a[0] !== b[0] || a[1] !== b[1];
  };
  return isLine(0) && isLine(2);
}

/** A whole drawing in the middle of what is seen, for keys to move. @param seen rows and columns of the slice that are seen */
export function placed(shape: Shape, seen: { top: number; left: number; bottom: number; right: number }, size: SliceSize): Draft {
  const at = (row: number, column: number): DrawnPoint =>
    snapped(shape, [seen.top + row * (seen.bottom - seen.top), seen.left + column * (seen.right - seen.left)], size);
  const points: Readonly<Record<Shape, DrawnPoint[]>> = {
    box: [at(0.4, 0.4), at(0.6, 0.6)],
    distance: [at(0.5, 0.35), at(0.5, 0.65)],
    angle: [at(0.6, 0.35), at(0.6, 0.65), at(0.6, 0.35), at(0.4, 0.6)],
    ellipse: [at(0.5, 0.35), at(0.5, 0.65), at(0.4, 0.5), at(0.6, 0.5)],
  };
  return { shape, points: points[shape], active: 0 };
}

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

/**
 * What a key does to a drawing: arrows move the active point by a pixel (with Shift by ten, with Alt by a tenth), Tab goes to the next one
 * (with Shift back). Undefined: the key means nothing here.
 */
export function keyed(
  draft: Draft,
  { key, shiftKey, altKey }: Pick<KeyboardEvent, 'key' | 'shiftKey' | 'altKey'>,
  size: SliceSize,
): Draft | undefined {
  const arrow = ARROWS[key];
  if (arrow !== undefined) {
    const step = shiftKey ? 10 : altKey ? 0.1 : 1;
    const [row = 0, column = 0] = draft.points[draft.active] ?? [];
    return withPoint(draft, draft.active, snapped(draft.shape, [row + arrow[0] * step, column + arrow[1] * step], size));
  }
  if (key !== 'Tab') return undefined;
  const count = draft.points.length;
  return { ...draft, active: (draft.active + (shiftKey ? count - 1 : 1)) % count };
}

/** The point that a press means, if one is near enough. @param near pixels of the screen @param toScreen pixels there */
export function pointNear(
  points: readonly DrawnPoint[],
  x: number,
  y: number,
  near: number,
  toScreen: (point: DrawnPoint) => [number, number],
): number {
  let [best, least] = [-1, near];
  for (const [i, point] of points.entries()) {
    const [px, py] = toScreen(point);
    const far = Math.hypot(px - x, py - y);
    if (far <= least) [best, least] = [i, far];
  }
  return best;
}

/** What a finished drawing says. A box may have been drawn from any corner; the longer axis of an ellipse comes first. */
export function finished(
  draft: Draft,
  on: Pick<DrawnAnnotation, 'scan' | 'plane' | 'slice'>,
  names: { label: string; landmarks: readonly string[] },
  id: string,
  pixelSize: PixelSize,
): DrawnAnnotation {
  const { shape, points } = draft;
  return {
    id,
    ...on,
    shape,
    label: names.label.trim(),
    landmarks: Array.from({ length: LANDMARKS[shape] }, (_, i) => names.landmarks[i]?.trim() ?? ''),
    points: shape === 'box' ? corners(points) : shape === 'ellipse' ? longerFirst(points, pixelSize) : [...points],
  };
}

function corners(points: readonly DrawnPoint[]): DrawnPoint[] {
  const rows = points.map(([row]) => row);
  const columns = points.map(([, column]) => column);
  return [
    [Math.min(...rows), Math.min(...columns)],
    [Math.max(...rows), Math.max(...columns)],
  ];
}

function longerFirst(points: readonly DrawnPoint[], [height, width]: PixelSize): DrawnPoint[] {
  const length = (from: number): number => {
    const [a = [0, 0], b = [0, 0]] = points.slice(from, from + 2);
    return Math.hypot((b[0] - a[0]) * height, (b[1] - a[1]) * width);
  };
  return length(0) >= length(2) ? [...points] : [...points.slice(2), ...points.slice(0, 2)];
}
