/** Slices and drawings on a canvas. */
import { measuredValues } from '../../src/data/drawn/measured.ts';
import type { Window } from '../../src/data/medvision/intensity.ts';
import type { PixelSize } from '../../src/data/drawn/measured.ts';
import type { DrawnAnnotation, DrawnPoint, Shape, SliceSize } from '../../src/data/drawn/annotation.ts';
import type { SlicePixels } from './scanFunctions.ts';
import type { SliceView } from './sliceView.ts';

/**
 * Greys as the model sees them for that window: cut off to a byte, not rounded.
 * @returns RGBA, a number a pixel, as ImageData has it in memory
 */
export function greys({ values, rgb, rows, cols }: SlicePixels, { low, high }: Window): Uint32Array<ArrayBuffer> {
  const out = new Uint32Array(rows * cols);
  if (values !== undefined) {
    const range = high > low ? high - low : Infinity;
    for (let i = 0; i < out.length; i++) {
      const grey = (((Math.min(Math.max(values[i]!, low), high) - low) / range) * 255) | 0;
      out[i] = 0xff000000 | (grey * 0x010101);
    }
  } else if (rgb !== undefined) {
    for (let i = 0, at = 0; i < out.length; i++, at += 3) out[i] = 0xff000000 | (rgb[at + 2]! << 16) | (rgb[at + 1]! << 8) | rgb[at]!;
  }
  return out;
}

/** The same in light and dark: slices are dark in both. */
const COLOURS: Readonly<Record<Shape, string>> = { box: '#facc15', distance: '#22d3ee', angle: '#f9a8d4', ellipse: '#a3e635' };

export interface DrawnMark {
  shape: Shape;
  points: readonly DrawnPoint[];
  label: string;
  isSelected: boolean;
  /** Which point keys move. */
  active?: number;
}

export function paintMark(
  context: CanvasRenderingContext2D,
  view: SliceView,
  { shape, points, label, isSelected, active }: DrawnMark,
): void {
  const places = points.map((point) => view.toScreen(point));
  const path = new Path2D();
  const [first, second, third, fourth] = places;
  if (shape === 'box' && points.length === 2) {
    // The first and the last pixel belong to the box.
    const [top, bottom] = [Math.min(points[0]![0], points[1]![0]) - 0.5, Math.max(points[0]![0], points[1]![0]) + 0.5];
    const [left, right] = [Math.min(points[0]![1], points[1]![1]) - 0.5, Math.max(points[0]![1], points[1]![1]) + 0.5];
    const [x, y] = view.toScreen([top, left]);
    const [toX, toY] = view.toScreen([bottom, right]);
    path.rect(x, y, toX - x, toY - y);
  } else {
    for (const [from, to] of [
      [first, second],
      [third, fourth],
    ])
      if (from && to) {
        path.moveTo(...from);
        path.lineTo(...to);
      }
    if (shape === 'ellipse' && first && second && third && fourth) path.addPath(ellipsePath(first, second, third, fourth));
  }
  context.lineJoin = 'round';
  for (const [style, width] of [
    ['#000b', isSelected ? 5 : 4],
    [COLOURS[shape], isSelected ? 2.5 : 1.5],
  ] as const) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke(path);
  }
  if (isSelected)
    for (const [i, [x, y]] of places.entries()) {
      context.beginPath();
      context.arc(x, y, i === active ? 7 : 4.5, 0, 2 * Math.PI);
      context.fillStyle = i === active ? COLOURS[shape] : '#000b';
      context.fill();
      context.strokeStyle = i === active ? '#000' : COLOURS[shape];
      context.lineWidth = 1.5;
      context.stroke();
    }
  const anchor = places.reduce<[number, number] | undefined>(
    (best, place) => (best === undefined || place[1] < best[1] ? place : best),
    undefined,
  );
  if (anchor === undefined || label === '') return;
  const text = label.length > 40 ? `${label.slice(0, 39)}…` : label;
  context.font = '13px system-ui, sans-serif';
  context.lineWidth = 3;
  context.strokeStyle = '#000c';
  context.strokeText(text, anchor[0] + 6, anchor[1] - 8);
  context.fillStyle = COLOURS[shape];
  context.fillText(text, anchor[0] + 6, anchor[1] - 8);
}

type Place = [number, number];

/** Through the ends of two axes, which need not be square to each other on the screen. */
function ellipsePath(a: Place, b: Place, c: Place, d: Place): Path2D {
  const middle = [(a[0] + b[0] + c[0] + d[0]) / 4, (a[1] + b[1] + c[1] + d[1]) / 4] as const;
  const one = [(b[0] - a[0]) / 2, (b[1] - a[1]) / 2] as const;
  const other = [(d[0] - c[0]) / 2, (d[1] - c[1]) / 2] as const;
  const path = new Path2D();
  for (let i = 0; i <= 72; i++) {
    const [cos, sin] = [Math.cos((i * Math.PI) / 36), Math.sin((i * Math.PI) / 36)];
    path.lineTo(middle[0] + cos * one[0] + sin * other[0], middle[1] + cos * one[1] + sin * other[1]);
  }
  path.closePath();
  return path;
}

/** What a drawing measures, in words. "" where a length needs the size of a pixel that is not known. */
export function valueText(annotation: DrawnAnnotation, size: SliceSize | undefined, pixelSize: PixelSize | null): string {
  if (annotation.shape === 'box') {
    const [[top, left] = [0, 0], [bottom, right] = [0, 0]] = annotation.points;
    return `${right - left + 1} × ${bottom - top + 1} px`;
  }
  if (pixelSize === null) return '';
  const [first = NaN, second = NaN] = measuredValues(annotation, size ?? { height: NaN, width: NaN }, pixelSize);
  switch (annotation.shape) {
    case 'distance':
      return `${first.toFixed(2)} mm`;
    case 'angle':
      return `${first.toFixed(1)}°`;
    case 'ellipse':
      return `${first.toFixed(2)} × ${second.toFixed(2)} mm`;
  }
}
