/**
 * How sure a figure is: percentile intervals of a bootstrap that draws whole volumes, since the slices of one scan resemble each other and
 * rows by themselves would look more certain than they are.
 */
import { counterHash, streamId } from '../random.ts';
import { COCO_LIMITS } from './metrics.ts';
import type { AnswerScore } from './metrics.ts';

export interface BootstrapSettings {
  /** Resamples; 0: no intervals. */
  draws: number;
  seed: number;
}

export type Interval = [low: number, high: number];

/** A row's share in a figure: figures are sums of `value` over sums of `weight`. */
export interface Term {
  value: number;
  weight: number;
}

/** A row, and the scan that it is of. */
export interface OfVolume<Row> {
  row: Row;
  volume: string;
}

const STREAM = streamId('bootstrap by volume');

/**
 * 95 % intervals, from the 2.5th to the 97.5th percentile with linear interpolation; the same for the same seed and order of rows.
 * @param terms of each figure, of a row
 * @returns nothing for fewer than two volumes, and no interval for a figure that a resample may not have
 */
export function intervals<Row, Name extends string>(
  rows: readonly OfVolume<Row>[],
  terms: Readonly<Record<Name, (row: Row) => Term>>,
  { draws, seed }: BootstrapSettings,
): Partial<Record<Name, Interval>> {
  const places = new Map<string, number>();
  for (const { volume } of rows) if (!places.has(volume)) places.set(volume, places.size);
  const names = Object.keys(terms) as Name[];
  const count = places.size;
  if (count < 2 || draws < 1) return {};
  const values = new Float64Array(count * names.length);
  const weights = new Float64Array(count * names.length);
  for (const { row, volume } of rows)
    names.forEach((name, n) => {
      const at = (places.get(volume) ?? 0) * names.length + n;
      const { value, weight } = terms[name](row);
      if (weight === 0) return;
      values[at] = (values[at] ?? 0) + value;
      weights[at] = (weights[at] ?? 0) + weight;
    });
  const drawn = names.map(() => new Float64Array(draws));
  const [value, weight] = [new Float64Array(names.length), new Float64Array(names.length)];
  for (let draw = 0; draw < draws; draw++) {
    value.fill(0);
    weight.fill(0);
    for (let i = 0; i < count; i++) {
      const chosen = Math.floor((counterHash(seed, STREAM, draw, i) / 2 ** 32) * count) * names.length;
      for (let n = 0; n < names.length; n++) {
        value[n] = (value[n] ?? 0) + (values[chosen + n] ?? 0);
        weight[n] = (weight[n] ?? 0) + (weights[chosen + n] ?? 0);
      }
    }
    drawn.forEach((own, n) => (own[draw] = (value[n] ?? 0) / (weight[n] ?? 0)));
  }
  return Object.fromEntries(
    names.flatMap((name, n) => {
      const sorted = (drawn[n] ?? new Float64Array(0)).sort(); // NaN comes last
      return sorted.some(Number.isNaN) ? [] : [[name, [percentile(sorted, 0.025), percentile(sorted, 0.975)]]];
    }),
  ) as Partial<Record<Name, Interval>>;
}

function percentile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)] ?? NaN;
  const above = sorted[Math.ceil(place)] ?? NaN;
  return below === above ? below : below + (above - below) * (place - Math.floor(place));
}

const every = (value: number): Term => ({ value, weight: 1 });
const answered = ({ isAnswer }: AnswerScore, value: number): Term => (isAnswer ? { value, weight: 1 } : { value: 0, weight: 0 });
const share = (matches: (score: AnswerScore) => boolean) => (score: AnswerScore) => every(matches(score) ? 1 : 0);

/** The figures that get an interval, as `figuresOf` has them. */
const LENGTHS = {
  avgMAE: (score: AnswerScore) => answered(score, score.mae),
  avgMRE: (score: AnswerScore) => answered(score, score.mre),
  nMAE: (score: AnswerScore): Term => (score.isAnswer ? { value: score.mae, weight: score.scale } : { value: 0, weight: 0 }),
  SuccessRate: share(({ isAnswer }) => isAnswer),
  'MRE<0.1': share(({ mre }) => mre < 0.1),
};
const BOXES = {
  avgMAE: LENGTHS.avgMAE,
  IoU: ({ box }: AnswerScore) => every(box?.iou ?? 0),
  F1: ({ box }: AnswerScore) => every(box?.f1 ?? 0),
  Precision: ({ box }: AnswerScore) => every(box?.precision ?? 0),
  Recall: ({ box }: AnswerScore) => every(box?.recall ?? 0),
  'IoU@.50:.95': ({ box }: AnswerScore) => every(COCO_LIMITS.filter((limit) => (box?.iou ?? 0) >= limit).length / COCO_LIMITS.length),
  SuccessRate: share(({ isAnswer }) => isAnswer),
  'IoU>0.5': share(({ box }) => (box?.iou ?? 0) >= 0.5),
};

/** Of answers of one kind of task. */
export function scoreIntervals(
  isBox: boolean,
  rows: readonly OfVolume<AnswerScore>[],
  settings: BootstrapSettings,
): Readonly<Record<string, Interval>> {
  return (isBox ? intervals(rows, BOXES, settings) : intervals(rows, LENGTHS, settings)) as Record<string, Interval>;
}

/** What a row's slices are resampled with: its volume, or what it is called; a row of which nothing is known stands for itself. */
export function volumeOf({ id, doc }: { id: number; doc: Readonly<Record<string, unknown>> }): string {
  const { image_file: file, dataset_name: dataset, case_ID: name } = doc;
  if (typeof file === 'string') return file;
  if (typeof name === 'string') return `${typeof dataset === 'string' ? dataset : ''} ${name}`;
  const [picture] = Array.isArray(doc['images']) ? (doc['images'] as unknown[]) : [];
  return typeof picture === 'string' ? picture : `row ${id}`;
}
