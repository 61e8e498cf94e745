/** Where a frame lies in the patient, in the coordinates of DICOM: mm to the left, to the back, to the head (PS3.3, C.7.6.2.1.1). */
import { UserError } from '../../platform.ts';
import type { Attributes } from './attributes.ts';

export type Vector = [number, number, number];

export interface Placement {
  /** Of the centre of the first pixel. */
  position: Vector;
  /** The way along a row, to the next column. */
  alongRow: Vector;
  /** The way along a column, to the next row. */
  alongColumn: Vector;
  /** Their cross product. */
  normal: Vector;
}

export const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const cross = (a: Vector, b: Vector): Vector => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

const unit = (vector: Vector): Vector => vector.map((value) => value / Math.hypot(...vector)) as Vector;

/** How far from unit length, and from a right angle, directions may be: they are written with some digits. */
const TOLERANCE = 0.02;

/** @param groups of the frame, of all frames, of the object @returns undefined where the file does not tell */
export function placementOf(groups: readonly Attributes[], path: string): Placement | undefined {
  const position =
    vectorOf(groups, 'PlanePositionSequence', 'ImagePositionPatient', 3) ??
    vectorOf(groups, 'PlanePositionVolumeSequence', 'ImagePositionVolume', 3);
  const orientation =
    vectorOf(groups, 'PlaneOrientationSequence', 'ImageOrientationPatient', 6) ??
    vectorOf(groups, 'PlaneOrientationVolumeSequence', 'ImageOrientationVolume', 6);
  if (position === undefined || orientation === undefined) return undefined;
  const alongRow = orientation.slice(0, 3) as Vector;
  const alongColumn = orientation.slice(3) as Vector;
  const isRight =
    Math.abs(Math.hypot(...alongRow) - 1) < TOLERANCE &&
    Math.abs(Math.hypot(...alongColumn) - 1) < TOLERANCE &&
    Math.abs(dot(alongRow, alongColumn)) < TOLERANCE;
  if (!isRight)
    throw new UserError(
      `${path}: ImageOrientationPatient ${orientation.join('\\')} is no pair of directions at right angles. Export the file again.`,
    );
  // Files have directions with six digits or so; lengths are to be 1.
  const [row, column] = [unit(alongRow), unit(alongColumn)];
  return { position: position as Vector, alongRow: row, alongColumn: column, normal: unit(cross(row, column)) };
}

function vectorOf(
  groups: readonly Attributes[],
  sequence: 'PlanePositionSequence' | 'PlaneOrientationSequence' | 'PlanePositionVolumeSequence' | 'PlaneOrientationVolumeSequence',
  name: 'ImagePositionPatient' | 'ImageOrientationPatient' | 'ImagePositionVolume' | 'ImageOrientationVolume',
  count: 3 | 6,
): number[] | undefined {
  for (const group of groups) {
    const values = group.item(sequence)?.vector(name, count) ?? group.vector(name, count);
    if (values !== undefined) return values;
  }
  return undefined;
}
