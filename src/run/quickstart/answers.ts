/** Asking the model, and what its answers are worth before and after: the figures of the comparison table. */
import { scoreAnswer } from '../../data/medvision/metrics.ts';
import type { AnswerScore } from '../../data/medvision/metrics.ts';
import { parseAnswer } from '../../data/medvision/answers.ts';
import { ANSWER_LENGTH } from '../../data/medvision/sample.ts';
import type { Example } from '../../data/example.ts';
import type { ComparisonRow } from '../report/figures.ts';
import { subjectOf } from './questions.ts';
import type { Question, SampleData, Subject } from './questions.ts';

export interface Answer {
  /** What the model wrote. */
  text: string;
  /** Its numbers; undefined where it has too few. */
  numbers: number[] | undefined;
  score: AnswerScore;
}

/** The longest right answer ("0.347, 0.326, 0.486, 0.465") has 26 tokens. */
const MAX_NEW_TOKENS = 32;

export interface Writer {
  generate(example: Example, options: { maxNewTokens: number; stop?: AbortSignal }): Promise<string>;
}

export async function askAll(
  writer: Writer,
  data: SampleData,
  questions: readonly Question[],
  stop: AbortSignal,
  onProgress: (done: number) => void = () => undefined,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const { sample } of questions) {
    if (stop.aborted) break;
    const text = await writer.generate(await data.example(sample, 'ask'), { maxNewTokens: MAX_NEW_TOKENS, stop });
    const numbers = parseAnswer(text, ANSWER_LENGTH[sample.taskType]);
    answers.push({ text, numbers, score: scoreAnswer(sample.taskType, text, sample.values) });
    onProgress(answers.length);
  }
  return answers;
}

const SUBJECTS: Readonly<Record<Subject, string>> = { box: 'Detection', distance: 'Distance', angle: 'Angle', ellipse: 'Size' };

/** Means over the answered questions; an unanswered box counts as no overlap. NaN where nothing was answered. */
export function compare(questions: readonly Question[], before: readonly Answer[], after: readonly Answer[]): ComparisonRow[] {
  const rows: ComparisonRow[] = [];
  const add = (
    subject: Subject,
    figure: string,
    unit: ComparisonRow['unit'],
    higherIsBetter: boolean,
    value: (score: AnswerScore) => number,
  ): void => {
    const places = questions.flatMap(({ sample }, i) => (subjectOf(sample) === subject ? [i] : []));
    if (places.length === 0) return;
    const of = (answers: readonly Answer[]): number =>
      mean(places.flatMap((i) => (answers[i] ? [value(answers[i].score)] : [])).filter((x) => !Number.isNaN(x)));
    rows.push({ subject: SUBJECTS[subject], figure, count: places.length, before: of(before), after: of(after), unit, higherIsBetter });
  };
  add('box', 'mean IoU', '', true, (score) => score.box?.iou ?? 0);
  add('box', 'boxes with IoU ≥ 0.5', '%', true, (score) => ((score.box?.iou ?? 0) >= 0.5 ? 100 : 0));
  add('distance', 'mean error', 'mm', false, (score) => score.mae);
  add('distance', 'mean relative error', '%', false, (score) => 100 * score.mre);
  add('angle', 'mean error', '°', false, (score) => score.mae);
  add('ellipse', 'mean error of the axes', 'mm', false, (score) => score.mae);
  add('ellipse', 'mean relative error', '%', false, (score) => 100 * score.mre);
  const share = (answers: readonly Answer[]): number => 100 * mean(answers.map(({ score }) => (score.isAnswer ? 1 : 0)));
  rows.push({
    subject: 'All',
    figure: 'answers that can be read',
    count: questions.length,
    before: share(before),
    after: share(after),
    unit: '%',
    higherIsBetter: true,
  });
  return rows;
}

/** NaN for an empty list. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
