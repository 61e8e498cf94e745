/** What a row says of its `measure`, in the words of MedVision's records: for scores by structure, and for pictures in reports. */
import { PLANES } from '../planes.ts';
import type { AskedMeasure } from '../conversations/measure.ts';
import type { Point } from './landmarks.ts';
import type { Annotation } from './sample.ts';

/** As those of plans are; `values` is the true answer. */
export function measureAnnotation(measure: AskedMeasure, values: readonly number[]): Annotation {
  const { kind, name, unit, landmarks } = measure;
  const [first = NaN, second = NaN] = values;
  switch (kind) {
    case 'box': // where it lies is said by the answer
      return { kind, label: 0, labelName: name, min: [0, 0], max: [0, 0] };
    case 'ellipse':
      return { kind, label: 0, labelName: name, major: first, minor: second, unit, isSuspect: false };
    case 'distance':
    case 'angle':
      return { kind, key: name, name, value: first, unit, landmarks };
  }
}

/** Ends of the lines in pixels from the upper left corner of the picture. */
export function measureLines({ lines }: AskedMeasure): [Point, Point][] {
  const place = ([row, column]: [number, number]): Point => ({ x: column + 0.5, y: row + 0.5 });
  return lines.map(([from, to]) => [place(from), place(to)]);
}

/** "left femur @ CT (A)": what errors are summed under. Names stay as they are; modality and plane stand where they are known. */
export function measureGroup({ name, modality, plane }: AskedMeasure): string {
  const [letter = ''] = plane?.toUpperCase() ?? '';
  return `${name}${modality === undefined ? '' : ` @ ${modality}`}${letter === '' ? '' : ` (${letter})`}`;
}

/** Under the names of the hub data set's records. */
export function measureDoc({ kind, name, unit, scan, plane, slice, imageSize }: AskedMeasure): Record<string, unknown> {
  return {
    ...(scan !== undefined && { case_ID: scan }),
    ...(plane !== undefined && { slice_dim: PLANES.indexOf(plane) }),
    ...(slice !== undefined && { slice_idx: slice }),
    ...(imageSize && { image_size_2d: imageSize }),
    ...(kind === 'box' || kind === 'ellipse' ? { label_name: name } : {}),
    ...(kind !== 'box' && {
      biometric_profile: { metric_type: kind === 'ellipse' ? 'distance' : kind, metric_key: name, metric_unit: unit },
    }),
  };
}

/** Where the picture is from, in words; "" where it is not said. */
export function measurePlace({ scan, plane, slice }: AskedMeasure): string {
  const cut = plane === undefined ? '' : slice === undefined ? `${plane} slice` : `${plane} slice ${slice}`;
  return [scan ?? '', cut].filter((part) => part !== '').join(', ');
}
