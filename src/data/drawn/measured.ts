/**
 * What a drawn annotation measures, as MedVision's planner computes it: lengths are of index differences times the pixel's size, an angle
 * is the acute one between two lines, 0 to 90 degrees (medvision_ds/utils/benchmark_planner.py: arccos(|v1·v2| / (|v1|·|v2|))).
 */
import { boxValues } from '../medvision/detection.ts';
import type { Annotation } from '../medvision/sample.ts';
import type { DrawnAnnotation, DrawnPoint, SliceSize } from './annotation.ts';

/** mm that a step along the rows (down) and along the columns (right) makes. */
export type PixelSize = readonly [row: number, column: number];

/** From one point to another in mm, [down, right]. */
function vector([r0, c0]: DrawnPoint, [r1, c1]: DrawnPoint, [row, column]: PixelSize): [number, number] {
  return [(r1 - r0) * row, (c1 - c0) * column];
}

/** mm */
export function distance(from: DrawnPoint, to: DrawnPoint, pixelSize: PixelSize): number {
  return Math.hypot(...vector(from, to, pixelSize));
}

/** Degrees, 0 to 90. @param points two lines of two points */
export function acuteAngle(points: readonly DrawnPoint[], pixelSize: PixelSize): number {
  const [a = [0, 0], b = [0, 0], c = [0, 0], d = [0, 0]] = points;
  const [first, second] = [vector(a, b, pixelSize), vector(c, d, pixelSize)];
  // From sine and cosine: the arc cosine alone is inexact near 0.
  const along = Math.abs(first[0] * second[0] + first[1] * second[1]);
  const across = Math.abs(first[0] * second[1] - first[1] * second[0]);
  return (Math.atan2(across, along) * 180) / Math.PI;
}

/**
 * The numbers of the answer. box: x1, y1, x2, y2 relative to the image, origin lower left (corrected style); distance: mm; angle: degrees;
 * ellipse: the longer and the shorter axis in mm.
 */
export function measuredValues({ shape, points }: DrawnAnnotation, size: SliceSize, pixelSize: PixelSize): number[] {
  const [a = [0, 0], b = [0, 0], c = [0, 0], d = [0, 0]] = points;
  switch (shape) {
    case 'box':
      return boxValues({ kind: 'box', label: 0, labelName: '', min: a, max: b }, size, 'corrected');
    case 'distance':
      return [distance(a, b, pixelSize)];
    case 'angle':
      return [acuteAngle(points, pixelSize)];
    case 'ellipse':
      return [distance(a, b, pixelSize), distance(c, d, pixelSize)].sort((one, other) => other - one);
  }
}

/** The annotation as those of plans are, for the functions that word them. */
export function planAnnotation(drawn: DrawnAnnotation, values: readonly number[]): Annotation {
  const { shape, label, landmarks, points } = drawn;
  const name = label.trim();
  const [first = NaN, second = NaN] = values;
  const [min = [0, 0], max = [0, 0]] = points;
  switch (shape) {
    case 'box':
      return { kind: 'box', label: 0, labelName: name, min, max };
    case 'ellipse':
      return { kind: 'ellipse', label: 0, labelName: name, major: first, minor: second, unit: 'mm', isSuspect: false };
    case 'distance':
      return { kind: 'distance', key: name, name, value: first, unit: 'mm', landmarks };
    case 'angle':
      return { kind: 'angle', key: name, name, value: first, unit: 'degree', landmarks };
  }
}
