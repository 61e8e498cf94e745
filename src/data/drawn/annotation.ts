/**
 * What a person draws on a slice or a picture. Points are [row, column] in pixels of the slice as stored (../medvision/README.md), pixel
 * centres at whole numbers, so that the picture reaches from −0.5 to height − 0.5.
 */
import { UserError } from '../../platform.ts';
import type { SliceDim } from '../nifti.ts';
import { PLANES } from '../planes.ts';
import type { Plane } from '../planes.ts';

export const SHAPES = ['box', 'distance', 'angle', 'ellipse'] as const;
export type Shape = (typeof SHAPES)[number];

/** [row, column] */
export type DrawnPoint = [number, number];

export interface DrawnAnnotation {
  id: string;
  /** Of the scan that it is drawn on. */
  scan: string;
  /** null: a picture. */
  plane: Plane | null;
  /** 0 for pictures. */
  slice: number;
  shape: Shape;
  /** The structure, or the name of the measure. */
  label: string;
  /** Names of the points: 2 of a distance, 4 of an angle (two lines of two points); of the others none. */
  landmarks: string[];
  /**
   * box: its first and its last pixel, both belonging to it. distance: its ends. angle: line 1 from 0 to 1, line 2 from 2 to 3. ellipse:
   * the ends of the major, then of the minor axis.
   */
  points: DrawnPoint[];
}

/** A slice, or a picture, in pixels. */
export interface SliceSize {
  height: number;
  width: number;
}

export const POINTS: Readonly<Record<Shape, number>> = { box: 2, distance: 2, angle: 4, ellipse: 4 };
export const LANDMARKS: Readonly<Record<Shape, number>> = { box: 0, distance: 2, angle: 4, ellipse: 0 };

/** Longer names are no names. */
export const MAX_NAME = 200;

/** The axis of the volume that a plane cuts, as MedVision's task names have it. */
export function sliceDimOf(plane: Plane): SliceDim {
  return PLANES.indexOf(plane) as SliceDim;
}

/** Of a volume of a single slice its plane: the others show lines. undefined: there is none, or it is not one alone. */
export function planeOfOneSlice(shape: readonly number[]): Plane | undefined {
  const [plane, ...others] = PLANES.filter((one) => shape[sliceDimOf(one)] === 1);
  return others.length === 0 ? plane : undefined;
}

/**
 * @param size of the slice; absent where it is not known: then points are only looked at for being numbers
 * @param where names the annotation, for messages
 * @throws UserError for what no row can be made of
 */
export function checkAnnotation(annotation: DrawnAnnotation, size: SliceSize | undefined, where: string): void {
  const { shape, label, landmarks, points, slice } = annotation;
  checkName(label, `${where}: the name`);
  if (!Number.isSafeInteger(slice) || slice < 0) throw new UserError(`${where}: slice ${slice}; a whole number from 0 was expected.`);
  if (points.length !== POINTS[shape])
    throw new UserError(`${where}: ${points.length} points; ${article(shape)} has ${POINTS[shape]}. Draw it again.`);
  if (landmarks.length !== LANDMARKS[shape]) {
    throw new UserError(
      `${where}: ${landmarks.length} names of points; ${article(shape)} has ${LANDMARKS[shape] === 0 ? 'none' : LANDMARKS[shape]}.`,
    );
  }
  for (const [i, name] of landmarks.entries()) checkName(name, `${where}: the name of point ${i + 1}`);
  for (const [i, [row, column]] of points.entries()) checkPoint(row, column, i, size, where);
  const [first = [0, 0], second = [0, 0], third = [0, 0], fourth = [0, 0]] = points;
  if (shape === 'box') {
    if (![...first, ...second].every(Number.isInteger))
      throw new UserError(`${where}: the corners of a box are pixels, whole numbers; found ${JSON.stringify(points)}.`);
    if (second[0] < first[0] || second[1] < first[1])
      throw new UserError(`${where}: the last pixel of a box lies neither above nor left of its first; found ${JSON.stringify(points)}.`);
    return;
  }
  if (isSame(first, second) || (points.length === 4 && isSame(third, fourth)))
    throw new UserError(`${where}: both ends of a line are at one place. Move one of them.`);
}

function checkPoint(row: number, column: number, i: number, size: SliceSize | undefined, where: string): void {
  if (!Number.isFinite(row) || !Number.isFinite(column))
    throw new UserError(`${where}: point ${i + 1} is [${row}, ${column}]; two numbers, row and column, were expected.`);
  if (size === undefined) return;
  const isInside = row >= -0.5 && column >= -0.5 && row <= size.height - 0.5 && column <= size.width - 0.5;
  if (!isInside) {
    throw new UserError(
      `${where}: point ${i + 1}, row ${row}, column ${column}, is outside the slice of ${size.height} rows and ${size.width} columns. ` +
        'Is it of another scan, or of another plane?',
    );
  }
}

function checkName(name: string, where: string): void {
  if (name.trim() === '') throw new UserError(`${where} is empty. Say what is measured, as "left femur".`);
  if (name.length > MAX_NAME) throw new UserError(`${where} has ${name.length} characters; ${MAX_NAME} at most were expected.`);
  if (/\p{Cc}/u.test(name)) throw new UserError(`${where} has a line break or another control character. Write it in one line.`);
}

const isSame = (a: DrawnPoint, b: DrawnPoint): boolean => a[0] === b[0] && a[1] === b[1];
const article = (shape: Shape): string => `${shape === 'angle' || shape === 'ellipse' ? 'an' : 'a'} ${shape}`;
