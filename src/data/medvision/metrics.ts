/**
 * How good an answer is: overlap of boxes, absolute and relative error of lengths and angles, and their summary over a task. With mode
 * `reference` the figures are medvision_bm's to the last bit: predictions are float32, and numpy keeps float32 wherever both operands are.
 */
import type { AnswerMode } from './answers.ts';
import { parseAnswer } from './answers.ts';
import { ANSWER_LENGTH } from './sample.ts';
import type { TaskType } from './tasks.ts';

export interface BoxScores {
  iou: number;
  f1: number;
  precision: number;
  recall: number;
}

export interface AnswerScore {
  taskType: TaskType;
  /** The answer had as many numbers as it should have. */
  isAnswer: boolean;
  /** Those numbers; empty for a failed answer. */
  values: readonly number[];
  /** Mean absolute error; NaN for a failed answer. mm, degrees, or relative coordinates. */
  mae: number;
  /** Mean of |p−t|/t; NaN for a failed answer and for boxes. */
  mre: number;
  /** Mean of the right numbers, which errors are measured by in nMAE. */
  scale: number;
  /** Boxes only; a failed answer overlaps nothing. */
  box: BoxScores | undefined;
}

const NO_OVERLAP: BoxScores = { iou: 0, f1: 0, precision: 0, recall: 0 };

/** `target` is the sample's `values`; as many numbers are read. Of several boxes or ellipses the figures are means over all of them. */
export function scoreAnswer(taskType: TaskType, text: string, target: readonly number[], mode: AnswerMode = 'robust'): AnswerScore {
  const isBox = taskType === 'BoxSize';
  const answer = parseAnswer(text, target.length, mode);
  const scale = mean(target);
  const failed = { taskType, isAnswer: false, values: [], mae: NaN, mre: NaN, scale, box: isBox ? NO_OVERLAP : undefined };
  if (answer === undefined) return failed;
  const predicted = mode === 'reference' ? answer.map(Math.fround) : answer;
  if (target.length > ANSWER_LENGTH[taskType]) return { ...severalScores(taskType, predicted, target), values: answer };
  const errors = predicted.map((value, i) => Math.abs(value - (target[i] ?? NaN)));
  return {
    taskType,
    isAnswer: true,
    values: answer,
    scale,
    mae: mean(errors),
    mre: isBox ? NaN : mean(errors.map((error, i) => error / ((target[i] ?? NaN) + 1e-15))),
    box: isBox ? (mode === 'reference' ? referenceBoxScores(predicted, target) : boxScores(predicted, target)) : undefined,
  };
}

/** Boxes find their partners by overlap, the largest first; ellipses by size. */
function severalScores(taskType: TaskType, predicted: readonly number[], target: readonly number[]): Omit<AnswerScore, 'values'> {
  const size = ANSWER_LENGTH[taskType];
  const parts = (values: readonly number[]): number[][] =>
    Array.from({ length: values.length / size }, (_, i) => values.slice(i * size, (i + 1) * size));
  const isBox = taskType === 'BoxSize';
  const [answers, truths] = [parts(predicted), parts(target)];
  const pairs = isBox ? overlapping(answers, truths) : bySize(answers).map((own, i) => [own, bySize(truths)[i] ?? []] as const);
  const errors = pairs.map(([own, truth]) => own.map((value, i) => Math.abs(value - (truth[i] ?? NaN))));
  const relative = pairs.map(([, truth], n) => mean((errors[n] ?? []).map((error, i) => error / ((truth[i] ?? NaN) + 1e-15))));
  const boxes = pairs.map(([own, truth]) => boxScores(own, truth));
  const over = (key: keyof BoxScores): number => mean(boxes.map((box) => box[key]));
  return {
    taskType,
    isAnswer: true,
    scale: mean(target),
    mae: mean(errors.map(mean)),
    mre: isBox ? NaN : mean(relative),
    box: isBox ? { iou: over('iou'), f1: over('f1'), precision: over('precision'), recall: over('recall') } : undefined,
  };
}

const bySize = (ellipses: readonly number[][]): number[][] => [...ellipses].sort((a, b) => Math.max(...b) - Math.max(...a));

/** Pairs of an answered and a true box, all of both: those that overlap most find each other first, what is left as it stands. */
function overlapping(answers: readonly number[][], truths: readonly number[][]): (readonly [number[], number[]])[] {
  const all = answers.flatMap((own, i) => truths.map((truth, j) => ({ i, j, iou: boxScores(own, truth).iou })));
  const partner = new Map<number, number>();
  const taken = new Set<number>();
  for (const { i, j } of all.sort((a, b) => b.iou - a.iou || a.i - b.i || a.j - b.j)) {
    if (partner.has(i) || taken.has(j)) continue;
    partner.set(i, j);
    taken.add(j);
  }
  return answers.map((own, i) => [own, truths[partner.get(i) ?? -1] ?? []] as const);
}

/** Two boxes x1, y1, x2, y2; corners may come in either order. */
export function boxScores(predicted: readonly number[], target: readonly number[]): BoxScores {
  const sides = (box: readonly number[], low: number): [number, number] => {
    const a = box[low] ?? NaN;
    const b = box[low + 2] ?? NaN;
    return a <= b ? [a, b] : [b, a];
  };
  let overlap = 1;
  let predictedArea = 1;
  let targetArea = 1;
  for (const axis of [0, 1]) {
    const [p1, p2] = sides(predicted, axis);
    const [t1, t2] = sides(target, axis);
    overlap *= Math.max(0, Math.min(p2, t2) - Math.max(p1, t1));
    predictedArea *= p2 - p1;
    targetArea *= t2 - t1;
  }
  if (!(overlap > 0)) return NO_OVERLAP;
  return {
    iou: Math.min(1, overlap / (predictedArea + targetArea - overlap)),
    f1: Math.min(1, (2 * overlap) / (predictedArea + targetArea)),
    precision: Math.min(1, overlap / predictedArea),
    recall: Math.min(1, overlap / targetArea),
  };
}

/** A numpy scalar: its value and whether it is a float32. */
interface Scalar {
  value: number;
  isFloat32: boolean;
}

function combine(a: Scalar, b: Scalar, operation: (x: number, y: number) => number): Scalar {
  const isFloat32 = a.isFloat32 && b.isFloat32;
  const value = operation(a.value, b.value);
  return { value: isFloat32 ? Math.fround(value) : value, isFloat32 };
}

const minus = (a: Scalar, b: Scalar): Scalar => combine(a, b, (x, y) => x - y);
const plus = (a: Scalar, b: Scalar): Scalar => combine(a, b, (x, y) => x + y);
const times = (a: Scalar, b: Scalar): Scalar => combine(a, b, (x, y) => x * y);
const over = (a: Scalar, b: Scalar): number => combine(a, b, (x, y) => x / y).value;

/** As the reference: corners are taken as they come, so swapped ones overlap nothing. */
function referenceBoxScores(predicted: readonly number[], target: readonly number[]): BoxScores {
  const p = (i: number): Scalar => ({ value: predicted[i] ?? NaN, isFloat32: true });
  const t = (i: number): Scalar => ({ value: target[i] ?? NaN, isFloat32: false });
  // Python's max and min return their first argument on a tie, and with it its type.
  const max = (a: Scalar, b: Scalar): Scalar => (b.value > a.value ? b : a);
  const min = (a: Scalar, b: Scalar): Scalar => (b.value < a.value ? b : a);
  const x1 = max(p(0), t(0));
  const y1 = max(p(1), t(1));
  const x2 = min(p(2), t(2));
  const y2 = min(p(3), t(3));
  if (x1.value >= x2.value || y1.value >= y2.value) return NO_OVERLAP;
  const overlap = times(minus(x2, x1), minus(y2, y1));
  const predictedArea = times(minus(p(2), p(0)), minus(p(3), p(1)));
  const targetArea = times(minus(t(2), t(0)), minus(t(3), t(1)));
  const both = plus(predictedArea, targetArea);
  const union = minus(both, overlap);
  const two: Scalar = { value: 2, isFloat32: overlap.isFloat32 }; // a Python float takes the type of what it multiplies
  return {
    iou: union.value > 0 ? over(overlap, union) : 0,
    f1: both.value > 0 ? over(times(two, overlap), both) : NaN,
    precision: predictedArea.value > 0 ? over(overlap, predictedArea) : NaN,
    recall: targetArea.value > 0 ? over(overlap, targetArea) : NaN,
  };
}

/**
 * Figures of a set of answers, under medvision_bm's names: avgMAE, avgMRE, IoU, F1, Precision, Recall, SuccessRate, num_samples, MRE<0.1,
 * IoU>0.5, … and two of later versions: nMAE, the mean error over the mean length, and IoU@.50:.95, COCO's mean of the shares of boxes
 * above ten overlaps.
 */
export type Figures = Record<string, number>;

/**
 * Means and shares over answers of one task type, as the reference's summaries have them: errors over the answers that could be read,
 * overlaps and shares over all (a box that could not be read overlaps nothing). `MRE<k` are shares below k, `IoU>k` shares of at least k. A
 * mean of nothing is NaN.
 */
export function figuresOf(taskType: TaskType, scores: readonly AnswerScore[]): Figures {
  const count = scores.length;
  const share = (matches: (score: AnswerScore) => boolean): number => (count === 0 ? 0 : scores.filter(matches).length / count);
  const meanOf = (value: (score: AnswerScore) => number | undefined): number =>
    mean(scores.map((score) => value(score) ?? NaN).filter((x) => !Number.isNaN(x)));
  const successRate = share(({ isAnswer }) => isAnswer);
  if (taskType !== 'BoxSize') {
    return {
      avgMAE: meanOf(({ mae }) => mae),
      avgMRE: meanOf(({ mre }) => mre),
      nMAE: ratio(scores.filter(({ isAnswer }) => isAnswer)),
      SuccessRate: successRate,
      num_samples: count,
      ...tenths(1, 10, (limit) => [`MRE<${limit.toFixed(1)}`, share(({ mre }) => mre < limit)]),
    };
  }
  return {
    avgMAE: meanOf(({ mae }) => mae),
    ...Object.fromEntries(OVERLAPS.map(([name, key]) => [name, meanOf(({ box }) => box?.[key])])),
    'IoU@.50:.95': mean(COCO_LIMITS.map((limit) => share(({ box }) => (box?.iou ?? 0) >= limit))),
    SuccessRate: successRate,
    num_samples: count,
    ...tenths(1, 10, (limit) => [`MAE<${limit.toFixed(1)}`, share(({ mae }) => mae < limit)]),
    ...Object.fromEntries(
      OVERLAPS.flatMap(([name, key]) =>
        Object.entries(tenths(5, 9, (limit) => [`${name}>${limit.toFixed(1)}`, share(({ box }) => (box?.[key] ?? 0) >= limit)])),
      ),
    ),
  };
}

/** 0.50, 0.55, … 0.95 */
export const COCO_LIMITS: readonly number[] = Array.from({ length: 10 }, (_, i) => (50 + 5 * i) / 100);

/** Errors over what they are errors of. */
function ratio(scores: readonly AnswerScore[]): number {
  return scores.reduce((sum, { mae }) => sum + mae, 0) / scores.reduce((sum, { scale }) => sum + scale, 0);
}

const OVERLAPS = [
  ['IoU', 'iou'],
  ['F1', 'f1'],
  ['Precision', 'precision'],
  ['Recall', 'recall'],
] as const satisfies readonly [string, keyof BoxScores][];

function tenths(from: number, to: number, figure: (limit: number) => [string, number]): Figures {
  return Object.fromEntries(Array.from({ length: to - from + 1 }, (_, i) => figure((from + i) / 10)));
}

/** NaN for an empty list. */
function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
