/** Answers by the size of what they measure: small structures are where models fail first. */
import type { AnswerTask } from './answerRows.ts';
import type { TaskType } from './tasks.ts';

/** COCO's areas, in pixels of the slice: small below 32², large from 96². */
const AREAS = [32 ** 2, 96 ** 2] as const;
/** mm of the longest axis; below 10 mm a lesion is not measurable by RECIST 1.1. */
const LENGTHS = [10, 30] as const;

const LENGTH_NAMES = ['< 10 mm', '10 to 30 mm', '≥ 30 mm'] as const;

/** The groups of each kind, the smallest first. */
export const SIZE_NAMES: Readonly<Record<TaskType, readonly [string, string, string]>> = {
  BoxSize: ['small (area < 32² px)', 'medium (32² to 96² px)', 'large (≥ 96² px)'],
  TumorLesionSize: LENGTH_NAMES,
  BiometricsFromLandmarks: LENGTH_NAMES,
};

/**
 * Of a box by the area of the true one, of a tumour or lesion by its true major axis, of a distance by its length; undefined where the size
 * is not known, and of angles. Of several boxes or ellipses the largest counts.
 */
export function sizeGroup({ taskType, values }: AnswerTask, doc: Readonly<Record<string, unknown>>): string | undefined {
  if (taskType === 'BoxSize') {
    const size = doc['image_size_2d'];
    const [height = NaN, width = NaN] = Array.isArray(size) ? size.map(Number) : [];
    const [x1 = NaN, y1 = NaN, x2 = NaN, y2 = NaN] = values;
    const area = Math.round(Math.abs(x2 - x1) * width) * Math.round(Math.abs(y2 - y1) * height);
    return named(area, AREAS, SIZE_NAMES.BoxSize);
  }
  const profile = doc['biometric_profile'];
  const { metric_type: kind, metric_unit: unit } =
    typeof profile === 'object' && profile !== null ? (profile as Record<string, unknown>) : {};
  if (taskType === 'BiometricsFromLandmarks' && kind !== 'distance') return undefined;
  const mm = /^c(m|enti)/i.test(typeof unit === 'string' ? unit.trim() : '') ? 10 : 1;
  const [first = NaN, second = -Infinity] = values;
  return named(Math.max(first, second) * mm, LENGTHS, SIZE_NAMES[taskType]);
}

function named(value: number, [low, high]: readonly [number, number], names: readonly [string, string, string]): string | undefined {
  if (!Number.isFinite(value)) return undefined;
  return value < low ? names[0] : value < high ? names[1] : names[2];
}
