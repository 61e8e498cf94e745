/**
 * `--new_shape_hw`: the picture that the model is given has one shape for all slices. Two things must not be mixed up: the canvas, whose
 * size is the image size that a question states, and the content on it, from which alone the mm of a pixel follow: padding is not anatomy.
 */
import { UserError } from '../../platform.ts';
import type { VolumeSlice } from '../nifti.ts';

/** A rectangle of the canvas, in its pixels. */
export interface Content {
  top: number;
  left: number;
  height: number;
  width: number;
}

export interface Canvas {
  height: number;
  width: number;
  /** Where the slice lies; all of it where nothing is padded. */
  content: Content;
  /** Rows and columns of the slice as it is on the disk. */
  slice: { height: number; width: number };
}

/** What is asked for. */
export interface NewShape {
  height: number;
  width: number;
  /** The slice keeps its aspect, and what is left of the canvas is black on both sides. */
  isPadded: boolean;
}

/** `512 512`: height, then width. @throws UserError */
export function readShape({ new_shape_hw: sides, pad_to_shape: isPadded }: ShapeOptions): NewShape | undefined {
  if (sides.length === 0) return undefined;
  const [height = NaN, width = NaN] = sides.map((side) => (/^\d{1,5}$/.test(side) ? Number(side) : NaN));
  if (sides.length !== 2 || !(height >= 1 && width >= 1 && height <= 16_384 && width <= 16_384))
    throw new UserError(`--new_shape_hw takes height and width in pixels, 1 to 16384, as 512 512; found "${sides.join(' ')}".`);
  return { height, width, isPadded };
}

export interface ShapeOptions {
  new_shape_hw: readonly string[];
  pad_to_shape: boolean;
}

/** @param height, width of the slice on the disk */
export function canvasOf({ height: rows, width: columns, isPadded }: NewShape, height: number, width: number): Canvas {
  const slice = { height, width };
  const whole = { height: rows, width: columns, content: { top: 0, left: 0, height: rows, width: columns }, slice };
  if (!isPadded) return whole;
  const scale = Math.min(rows / height, columns / width);
  const content = {
    height: Math.min(rows, Math.max(1, Math.round(height * scale))),
    width: Math.min(columns, Math.max(1, Math.round(width * scale))),
  };
  return {
    ...whole,
    content: { ...content, top: Math.floor((rows - content.height) / 2), left: Math.floor((columns - content.width) / 2) },
  };
}

/** From edges of the slice's pixels, x along columns and y along rows, to those of the canvas. */
export function onCanvas({ content, slice }: Canvas, { x, y }: { x: number; y: number }): { x: number; y: number } {
  return { x: content.left + (x * content.width) / slice.width, y: content.top + (y * content.height) / slice.height };
}

/** The slice's values in the content's size, in the volume's units: windows are applied to what this gives. */
export function resampled({ values, rows, cols }: VolumeSlice, { content }: Canvas): VolumeSlice {
  const { height, width } = content;
  if (rows === height && cols === width) return { values, rows, cols };
  const narrow = along(values, rows, cols, triangles(cols, width));
  const flipped = along(turned(narrow, rows, width), width, rows, triangles(rows, height));
  return { values: turned(flipped, width, height), rows: height, cols: width };
}

interface Taps {
  first: number;
  weights: Float64Array;
}

/** Pillow's BILINEAR: a triangle as wide as the reduction, so that small things do not fall between pixels. */
function triangles(from: number, to: number): Taps[] {
  const scale = from / to;
  const reach = Math.max(1, scale);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(from, Math.trunc(centre + reach + 0.5));
    const weights = Float64Array.from({ length: end - first }, (__, k) => Math.max(0, 1 - Math.abs((k + first - centre + 0.5) / reach)));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** Each row of (rows, cols) by the taps. */
function along(values: Float64Array, rows: number, cols: number, taps: readonly Taps[]): Float64Array {
  const out = new Float64Array(rows * taps.length);
  for (let row = 0; row < rows; row++)
    taps.forEach(({ first, weights }, i) => {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += (values[row * cols + first + k] ?? 0) * (weights[k] ?? 0);
      out[row * taps.length + i] = sum;
    });
  return out;
}

/** (rows, cols) as (cols, rows). */
function turned(values: Float64Array, rows: number, cols: number): Float64Array {
  const out = new Float64Array(values.length);
  for (let row = 0; row < rows; row++) for (let col = 0; col < cols; col++) out[col * rows + row] = values[row * cols + col] ?? 0;
  return out;
}
