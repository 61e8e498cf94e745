/**
 * The key `measure` of a row: what its answer measures, so that reports draw and count it as they do MedVision's rows. It changes nothing
 * of what is learnt.
 */
import { ownValue } from '../../io/ownValue.ts';
import { UserError } from '../../platform.ts';
import { isEmpty, isObject, shown } from './shown.ts';
import type { JsonObject } from './shown.ts';

const MEASURE_KINDS = ['box', 'distance', 'angle', 'ellipse'] as const;
export type MeasureKind = (typeof MEASURE_KINDS)[number];

export interface AskedMeasure {
  kind: MeasureKind;
  /** The structure, or what is measured. */
  name: string;
  /** "mm", "cm" or "degrees"; of boxes "". */
  unit: string;
  landmarks: string[];
  /** mm: [height, width] of a pixel of the (only) picture. */
  pixelSize?: [number, number];
  /** [height, width] in pixels of the slice, by which boxes are grouped by size. */
  imageSize?: [number, number];
  /** What the true answer measures: [row, column] of both ends, pixel centres at whole numbers. Empty where it is not said. */
  lines: [[number, number], [number, number]][];
  modality?: string;
  /** The scan that the picture is from. */
  scan?: string;
  plane?: 'sagittal' | 'coronal' | 'axial';
  slice?: number;
}

/** Kinds of `task` that a measure is of. */
export const TASK_OF_KIND: Readonly<Record<MeasureKind, string>> = { box: 'Detection', distance: 'AD', angle: 'AD', ellipse: 'TL' };

const UNITS: Readonly<Record<MeasureKind, readonly string[]>> = {
  box: [],
  distance: ['mm', 'cm'],
  angle: ['degrees'],
  ellipse: ['mm', 'cm'],
};
const LINES: Readonly<Record<MeasureKind, number>> = { box: 0, distance: 1, angle: 2, ellipse: 2 };
const PLANES: Readonly<Record<string, NonNullable<AskedMeasure['plane']>>> = {
  sagittal: 'sagittal',
  coronal: 'coronal',
  axial: 'axial',
};

/** @param where of the row @throws UserError that begins with it and names the key */
export function readMeasure(value: unknown, where: string): AskedMeasure | undefined {
  if (isEmpty(value)) return undefined;
  const place = `${where}: measure`;
  const wrong = (key: string, expected: string, found: unknown): UserError =>
    new UserError(`${place}${key}: ${expected} expected, ${shown(found)} found.`);
  if (!isObject(value)) {
    throw new UserError(
      `${place}: an object with "kind" and "name" expected, ${shown(value)} found. Where it means something else, rename the key.`,
    );
  }
  // Python's `datasets` fills what a row does not have with nulls.
  const given: JsonObject = Object.fromEntries(Object.entries(value).filter(([, one]) => !isEmpty(one)));
  const text = (key: string): string | undefined => {
    const found = given[key];
    if (found !== undefined && typeof found !== 'string') throw wrong(`.${key}`, 'a text', found);
    return found?.trim();
  };
  const kind = MEASURE_KINDS.find((one) => one === given['kind']);
  if (kind === undefined) throw wrong('.kind', MEASURE_KINDS.join(', '), given['kind']);
  const name = text('name') ?? '';
  if (name === '') throw wrong('.name', 'the name of what is measured', given['name']);
  const unit = text('unit') ?? UNITS[kind][0] ?? '';
  if (unit !== '' && !UNITS[kind].includes(unit)) throw wrong('.unit', UNITS[kind].join(' or ') || 'no unit', unit);
  const { pixel_size: size, image_size: whole, landmarks = [], lines = [], slice } = given;
  if (!Array.isArray(landmarks) || !landmarks.every((one) => typeof one === 'string'))
    throw wrong('.landmarks', 'a list of names', landmarks);
  const pixelSize = size === undefined ? undefined : numbers(size, 2);
  if (size !== undefined && !pixelSize?.every((mm) => mm > 0)) throw wrong('.pixel_size', 'mm of a pixel, [height, width],', size);
  const imageSize = whole === undefined ? undefined : numbers(whole, 2);
  if (whole !== undefined && !imageSize?.every((side) => Number.isSafeInteger(side) && side > 0))
    throw wrong('.image_size', 'pixels of the picture, [height, width],', whole);
  const drawn = Array.isArray(lines) ? lines.map(line) : [undefined];
  if (drawn.includes(undefined) || ![0, LINES[kind]].includes(drawn.length)) {
    throw wrong('.lines', `${LINES[kind] === 0 ? 'nothing' : `${LINES[kind]} × [[row, column], [row, column]]`}`, lines);
  }
  const modality = text('modality');
  const scan = text('scan');
  const named = text('plane');
  const plane = named === undefined ? undefined : ownValue(PLANES, named);
  if (named !== undefined && plane === undefined) throw wrong('.plane', Object.keys(PLANES).join(', '), named);
  const index = slice === undefined ? undefined : Number(slice);
  if (index !== undefined && (!Number.isSafeInteger(index) || index < 0)) throw wrong('.slice', 'a whole number from 0', slice);
  return {
    kind,
    name,
    unit,
    landmarks,
    lines: drawn.filter((one) => one !== undefined),
    ...(pixelSize && { pixelSize: [pixelSize[0] ?? NaN, pixelSize[1] ?? NaN] as [number, number] }),
    ...(imageSize && { imageSize: [imageSize[0] ?? NaN, imageSize[1] ?? NaN] as [number, number] }),
    ...(modality !== undefined && { modality }),
    ...(scan !== undefined && { scan }),
    ...(plane !== undefined && { plane }),
    ...(index !== undefined && { slice: index }),
  };
}

function line(value: unknown): AskedMeasure['lines'][number] | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [[r0, c0] = [], [r1, c1] = []] = value.map((end) => numbers(end, 2) ?? []);
  return r0 === undefined || c0 === undefined || r1 === undefined || c1 === undefined
    ? undefined
    : [
        [r0, c0],
        [r1, c1],
      ];
}

/** Parquet's whole numbers are bigints. */
function numbers(value: unknown, count: number): number[] | undefined {
  if (!Array.isArray(value) || value.length !== count) return undefined;
  const found = value.map((one: unknown) => (typeof one === 'bigint' ? Number(one) : one));
  return found.every((one) => typeof one === 'number' && Number.isFinite(one)) ? (found as number[]) : undefined;
}
