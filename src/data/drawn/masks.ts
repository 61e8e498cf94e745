/**
 * Boxes and ellipse axes from label masks, as MedVision's planner makes them (medvision_ds/utils/benchmark_planner.py), but for one of its
 * defects: it multiplies the columns of border points by the size along the rows and the other way round, so that its axes are wrong where
 * pixels are not square. Here every coordinate has its own size; on square pixels the results are the same.
 *
 * Clusters are pixels of one label that touch by their sides. Of a box the last row and column belong to it. The ends of an ellipse's axes
 * are whole pixels, and lie between the cluster's box made smaller by a tenth and the same made larger; others are left out.
 */
import { UserError } from '../../platform.ts';
import { roundHalfEven } from '../image.ts';
import type { VolumeSlice } from '../nifti.ts';
import type { DrawnPoint } from './annotation.ts';
import { fitEllipse, outerBorder } from './ellipseFit.ts';
import type { PixelSize } from './measured.ts';

export interface Cluster {
  /** First and last pixel, [row, column], both belonging to it. */
  min: DrawnPoint;
  max: DrawnPoint;
  pixels: number;
  /** Its first pixel by rows. */
  start: DrawnPoint;
  isIn: (row: number, column: number) => boolean;
}

/** Ends of the longer and of the shorter axis, in the planner's order (P1 to P4): [row, column], whole pixels. */
export interface EllipseAxes {
  points: [DrawnPoint, DrawnPoint, DrawnPoint, DrawnPoint];
  pixels: number;
}

/** Smaller clusters have no ellipse. The planner's data sets have 200 mostly. */
export const MIN_CLUSTER_PIXELS = 200;

const MAX_LABEL = 65535;

/** Labels of a slice but 0, in order. @throws UserError for values that are no labels @param where names the mask */
export function labelsOf({ values, cols }: VolumeSlice, where: string): number[] {
  const found = new Set<number>();
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? NaN;
    if (value === 0 || found.has(value)) continue;
    if (!Number.isInteger(value) || value < 0 || value > MAX_LABEL) {
      throw new UserError(
        `${where}: row ${Math.floor(i / cols)}, column ${i % cols} is ${value}; a mask has whole numbers from 0 to ${MAX_LABEL}. ` +
          'Is it the scan itself?',
      );
    }
    found.add(value);
  }
  return [...found].sort((a, b) => a - b);
}

/** Clusters of a label in the order of their first pixels, by rows. */
export function clusters({ values, rows, cols }: VolumeSlice, label: number): Cluster[] {
  const cluster = new Int32Array(rows * cols).fill(-1);
  const found: Cluster[] = [];
  const stack: number[] = [];
  for (let first = 0; first < values.length; first++) {
    if (values[first] !== label || cluster[first] !== -1) continue;
    const index = found.length;
    let [top, left, bottom, right, pixels] = [rows, cols, -1, -1, 0];
    stack.push(first);
    cluster[first] = index;
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      const row = Math.floor(at / cols);
      const column = at - row * cols;
      [top, bottom] = [Math.min(top, row), Math.max(bottom, row)];
      [left, right] = [Math.min(left, column), Math.max(right, column)];
      pixels++;
      const visit = (next: number): void => {
        if (values[next] !== label || cluster[next] !== -1) return;
        cluster[next] = index;
        stack.push(next);
      };
      if (row > 0) visit(at - cols);
      if (row < rows - 1) visit(at + cols);
      if (column > 0) visit(at - 1);
      if (column < cols - 1) visit(at + 1);
    }
    found.push({
      min: [top, left],
      max: [bottom, right],
      pixels,
      start: [Math.floor(first / cols), first % cols],
      isIn: (row, column) => row >= 0 && column >= 0 && row < rows && column < cols && cluster[row * cols + column] === index,
    });
  }
  return found;
}

/** The axes of each cluster that is large enough and that an ellipse fits, the largest cluster first. */
export function ellipseAxes(
  found: readonly Cluster[],
  size: { rows: number; cols: number },
  pixelSize: PixelSize,
  least: number,
): EllipseAxes[] {
  return [...found]
    .sort((a, b) => b.pixels - a.pixels)
    .filter(({ pixels }) => pixels >= least)
    .flatMap((cluster) => {
      const points = clusterAxes(cluster, pixelSize);
      return points !== undefined && points.every((point) => isNearBorder(point, cluster, size))
        ? [{ points: points.map(rounded) as EllipseAxes['points'], pixels: cluster.pixels }]
        : [];
    });
}

/** Ends of the longer, then of the shorter axis, in pixels, not rounded; undefined where no ellipse fits. */
export function clusterAxes({ isIn, start }: Cluster, [rowSize, columnSize]: PixelSize): DrawnPoint[] | undefined {
  const fitted = fitEllipse(outerBorder(isIn, start).map(([row, column]) => [column * columnSize, row * rowSize] as const));
  if (fitted === undefined) return undefined;
  const { centre, axes, angle } = fitted;
  const ends = (length: number, turn: number): [DrawnPoint, DrawnPoint] => {
    const [x, y] = [(length / 2) * Math.cos(turn), (length / 2) * Math.sin(turn)];
    const end = (sign: number): DrawnPoint => [(centre[1] + sign * y) / rowSize, (centre[0] + sign * x) / columnSize];
    return inOrder(end(1), end(-1));
  };
  return [...ends(axes[1], angle + Math.PI / 2), ...ends(axes[0], angle)];
}

/** The one that lies further down, or else further right, comes first. */
function inOrder(a: DrawnPoint, b: DrawnPoint): [DrawnPoint, DrawnPoint] {
  return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]) ? [b, a] : [a, b];
}

/** Inside the larger box, and outside the smaller one. */
function isNearBorder([row, column]: DrawnPoint, { min, max }: Cluster, { rows, cols }: { rows: number; cols: number }): boolean {
  const sizes = [rows, cols] as const;
  const scaled = (axis: 0 | 1, scale: number): [number, number] => {
    const centre = (min[axis] + max[axis]) / 2;
    const half = Math.trunc((max[axis] - min[axis] + 1) * scale) / 2;
    return [Math.max(0, Math.trunc(centre - half)), Math.min(sizes[axis] - 1, Math.trunc(centre + half))];
  };
  const isWithin = (value: number, [low, high]: [number, number]): boolean => low <= value && value <= high;
  const isDeep = (value: number, [low, high]: [number, number]): boolean => low < value && value < high;
  return (
    isWithin(row, scaled(0, 1.1)) && isWithin(column, scaled(1, 1.1)) && !(isDeep(row, scaled(0, 0.9)) && isDeep(column, scaled(1, 0.9)))
  );
}

/** To a whole pixel, as Python rounds. */
export function rounded([row, column]: DrawnPoint): DrawnPoint {
  return [roundHalfEven(row), roundHalfEven(column)];
}
