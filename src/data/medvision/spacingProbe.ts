/**
 * Does a model use the pixel size that stands in its question at all? The picture stays, the pixel size that is stated is multiplied by a
 * factor, and the true length with it: who reads the size follows, who has learnt usual lengths by heart does not.
 */
import { counterHash, streamId } from '../random.ts';
import type { ScoredRow } from './answerRows.ts';
import type { SampleRecord } from './record.ts';

export interface SpacingScale {
  low: number;
  high: number;
  seed: number;
}

const STREAM = streamId('stated pixel size');

/** Between low and high, the same for a row of a seed. @param row its place in its task (`loaderIndex`) */
export function spacingFactor({ low, high, seed }: SpacingScale, row: number): number {
  return low + (high - low) * (counterHash(seed, STREAM, 0, row) / 2 ** 32);
}

/** The record as if its pixels were larger by a factor: stated size and lengths grow, angles and boxes stay. */
export function withSpacing(record: SampleRecord, factor: number): SampleRecord {
  const { frame, annotation } = record;
  const scaled = { ...frame, pixelHeight: frame.pixelHeight * factor, pixelWidth: frame.pixelWidth * factor };
  switch (annotation.kind) {
    case 'box':
    case 'angle':
      return { ...record, frame: scaled };
    case 'distance':
      return { ...record, frame: scaled, annotation: { ...annotation, value: annotation.value * factor } };
    case 'ellipse': {
      const larger = <A extends { major: number; minor: number }>(axes: A): A => ({
        ...axes,
        major: axes.major * factor,
        minor: axes.minor * factor,
      });
      const { others } = annotation;
      return {
        ...record,
        frame: scaled,
        annotation: { ...larger(annotation), ...(others && { others: others.map((one) => larger(one)) }) },
      };
    }
  }
}

export interface SpacingUse {
  num_samples: number;
  /**
   * Slope of log(answer ÷ length as it is on disk) over log(factor), by least squares: 1 where answers follow the stated pixel size, 0
   * where they do not see it. null where factors or answers are too few.
   */
  slope: number | null;
}

/** Of lengths that were answered with a number above 0, and know their factor (`pixel_size_factor`). */
export function spacingUse(rows: readonly ScoredRow[]): SpacingUse {
  const points = rows.flatMap(({ asked, score, doc }) => {
    const factor = doc['pixel_size_factor'];
    if (!asked || !score?.isAnswer || typeof factor !== 'number' || !(factor > 0)) return [];
    return asked.values.flatMap((truth, i) => {
      const answer = score.values[i] ?? NaN;
      return truth > 0 && answer > 0 ? [{ x: Math.log(factor), y: Math.log((answer * factor) / truth) }] : [];
    });
  });
  const count = points.length;
  const mean = (of: (point: { x: number; y: number }) => number): number => points.reduce((sum, point) => sum + of(point), 0) / count;
  const [x, y] = [mean((point) => point.x), mean((point) => point.y)];
  const spread = mean((point) => (point.x - x) ** 2);
  const slope = mean((point) => (point.x - x) * (point.y - y)) / spread;
  return { num_samples: count, slope: count >= 3 && spread > 1e-12 ? slope : null };
}
