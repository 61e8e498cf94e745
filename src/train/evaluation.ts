/**
 * Evaluation between two steps of training: the loss and token accuracy of held-out rows, and the answers the model writes to some of them,
 * read and scored as MedVision does. Rows of one task are evaluated together, so that every figure exists for each task (`eval_AD_loss`)
 * and for all (`eval_loss`, which weighs every token alike). Nothing that trains is touched: no gradients, no dropout, no random numbers.
 */
import { figuresOf, scoreAnswer } from '../data/medvision/metrics.ts';
import type { AnswerScore, Figures } from '../data/medvision/metrics.ts';
import type { AnswerMode } from '../data/medvision/answers.ts';
import { TASK_TAGS } from '../data/medvision/tasks.ts';
import type { TaskTag, TaskType } from '../data/medvision/tasks.ts';
import type { Example } from '../data/example.ts';
import { shuffled, streamId } from '../data/random.ts';
import { Tensor } from '../gpu/tensor.ts';
import { ahead, unlessStopped } from '../io/ahead.ts';
import { Turns } from '../io/turns.ts';
import { generateBatch } from '../models/generate.ts';
import type { Row } from '../track/tracker.ts';
import type { EvaluationMoment, Evaluator } from './evaluator.ts';
import { countLabels, runMicroBatch } from './microBatch.ts';
import { PICTURES, PredictionPictures } from './predictionPictures.ts';
import type { AnsweredRow, Scene } from './predictionPictures.ts';
import type { Session } from './session.ts';
import type { ExampleSource } from './exampleSource.ts';

export interface EvaluationRows extends ExampleSource {
  /** What a row's answer is measured by; undefined for a row that is no MedVision task, absent where none is. */
  question?(index: number): Promise<Question | undefined>;
  /** The row up to where its last answer begins; absent where no answers can be asked for. */
  ask?(index: number): Promise<Example>;
  /** What pictures of predictions are drawn on; undefined for a row without an image. Asked only where a tracker takes pictures. */
  scene?(index: number): Promise<Scene | undefined>;
}

export interface EvaluationSettings {
  per_device_eval_batch_size: number;
  /** Rows of each task that the model is asked about; 0: none. */
  eval_generate: number;
  eval_max_new_tokens: number;
  parser: AnswerMode;
  seed: number;
}

/** What an answer is measured by. */
export interface Question {
  taskType: TaskType;
  values: readonly number[];
}

/** The rows of one task, or those that are of none. */
interface TaskRows {
  tag: TaskTag | undefined;
  rows: number[];
  /** Those that the model is asked about; of rows that are of no task, some for pictures alone. */
  asked: { index: number; question?: Question }[];
}

interface TokenSums {
  /** Σ −log p, in nats. */
  loss: number;
  correct: number;
  labels: number;
}

/** Figures of answers that log rows show: key suffix → medvision_bm's name. */
const LENGTHS: Readonly<Record<string, string>> = { mae: 'avgMAE', mre: 'avgMRE', 'mre<0.1': 'MRE<0.1', success_rate: 'SuccessRate' };
const BOXES: Readonly<Record<string, string>> = {
  mae: 'avgMAE',
  iou: 'IoU',
  f1: 'F1',
  precision: 'Precision',
  recall: 'Recall',
  'iou>0.5': 'IoU>0.5',
  success_rate: 'SuccessRate',
};

export class RowEvaluator implements Evaluator {
  private readonly rows: EvaluationRows;
  private readonly settings: EvaluationSettings;
  private readonly onProgress: (done: number, total: number) => void;
  private readonly onAnswered: (step: number, rows: readonly AnsweredRow[]) => void;
  private tasks: TaskRows[] | undefined;
  private pictures: PredictionPictures | undefined;

  /**
   * @param onProgress rows evaluated and answered, of how many
   * @param onAnswered what was answered, when an evaluation has come to its end
   */
  constructor(
    rows: EvaluationRows,
    settings: EvaluationSettings,
    onProgress: (done: number, total: number) => void = () => undefined,
    onAnswered: (step: number, rows: readonly AnsweredRow[]) => void = () => undefined,
  ) {
    this.rows = rows;
    this.settings = settings;
    this.onProgress = onProgress;
    this.onAnswered = onAnswered;
  }

  async evaluate(session: Session, { step, tracker, stop }: EvaluationMoment): Promise<Row | undefined> {
    const startedAt = performance.now();
    const { scene } = this.rows;
    const pictures =
      tracker.picture && scene ? (this.pictures ??= new PredictionPictures((index) => scene(index), session.platform)) : undefined;
    pictures?.begin();
    const found = (this.tasks ??= await this.findTasks());
    const tasks = pictures ? found : found.map((task) => (task.tag === undefined ? { ...task, asked: [] } : task));
    const total = tasks.reduce((sum, { rows, asked }) => sum + rows.length + asked.length, 0);
    let done = 0;
    const advance = (count: number): void => this.onProgress((done += count), total);
    const row: Row = {};
    const all: TokenSums = { loss: 0, correct: 0, labels: 0 };
    let batches = 0;
    const answers: AnsweredRow[] = [];
    for (const { tag, rows } of tasks) {
      const sums = await this.tokenSums(session, rows, stop, advance);
      if (sums === undefined) return undefined;
      for (const key of ['loss', 'correct', 'labels'] as const) all[key] += sums[key];
      batches += Math.ceil(rows.length / this.settings.per_device_eval_batch_size);
      if (tag !== undefined) Object.assign(row, tokenFigures(`eval_${tag}`, sums));
    }
    for (const { tag, asked } of tasks) {
      const [first] = asked;
      if (first === undefined) continue;
      const answered = await this.answers(session, asked, stop, advance);
      if (answered === undefined) return undefined;
      answers.push(...answered);
      if (tag !== undefined && first.question) {
        Object.assign(
          row,
          answerFigures(
            `eval_${tag}`,
            first.question.taskType,
            answered.flatMap(({ score }) => score ?? []),
          ),
        );
      }
      await pictures?.draw(tag, answered, tracker);
    }
    pictures?.tell(tracker, step);
    this.onAnswered(step, answers);
    const seconds = (performance.now() - startedAt) / 1000;
    return {
      ...tokenFigures('eval', all),
      ...row,
      eval_runtime: seconds,
      eval_samples_per_second: this.rows.length / seconds,
      eval_steps_per_second: batches / seconds,
    };
  }

  /** Rows by task, in the order of the rows; of each those that are asked, the same in every evaluation. */
  private async findTasks(): Promise<TaskRows[]> {
    const { rows, settings } = this;
    const all = Array.from({ length: rows.length }, (_, index) => index);
    const questions: (Question | undefined)[] = [];
    for (const index of all) questions.push(await rows.question?.(index));
    const tagOf = (index: number): TaskTag | undefined => {
      const question = questions[index];
      return question && TASK_TAGS[question.taskType];
    };
    return [...Object.values(TASK_TAGS), undefined].flatMap((tag): TaskRows[] => {
      const own = all.filter((index) => tagOf(index) === tag);
      if (own.length === 0) return [];
      const most = tag === undefined ? Math.min(PICTURES, settings.eval_generate) : settings.eval_generate;
      const drawn = rows.ask ? shuffled(own.length, settings.seed, streamId('eval_generate')).subarray(0, most).sort() : [];
      const asked = Array.from(drawn, (at) => {
        const index = own[at]!;
        const question = questions[index];
        return { index, ...(question && { question }) };
      });
      return [{ tag, rows: own, asked }];
    });
  }

  private async tokenSums(
    session: Session,
    rows: readonly number[],
    stop: AbortSignal | undefined,
    advance: (count: number) => void,
  ): Promise<TokenSums | undefined> {
    const { device, model } = session;
    const sums: TokenSums = { loss: 0, correct: 0, labels: 0 };
    const size = this.settings.per_device_eval_batch_size;
    const examplesFrom = (start: number): Promise<Example[]> =>
      Promise.all(rows.slice(start, start + size).map((index) => this.rows.get(index)));
    let next = ahead(examplesFrom(0));
    // A batch is read back while the next one is encoded, so that the GPU is not left waiting.
    let reading: Promise<void> = Promise.resolve();
    for (let start = 0; start < rows.length; start += size) {
      const examples = await unlessStopped(next, stop);
      if (examples === undefined) {
        await reading;
        return undefined;
      }
      next = ahead(examplesFrom(start + size));
      const lossSum = new Tensor([2], 'f32', device.pool.acquire(8, 'batch'));
      device.clear(lossSum.view);
      await runMicroBatch(device, model, examples, {
        grad: false,
        training: false,
        checkpointing: true,
        random: { seed: 0, step: 0 },
        lossScale: 1,
        lossSum,
      });
      const read = device.readF32(lossSum);
      device.pool.release(lossSum.view);
      await reading;
      reading = read.then(([loss, correct]) => {
        sums.loss += loss!;
        sums.correct += correct!;
        advance(examples.length);
      });
      void ahead(reading);
      sums.labels += examples.reduce((sum, example) => sum + countLabels(example), 0);
    }
    await reading;
    return sums;
  }

  private async answers(
    { device, model, processor }: Session,
    asked: TaskRows['asked'],
    stop: AbortSignal | undefined,
    advance: (count: number) => void,
  ): Promise<AnsweredRow[] | undefined> {
    const { per_device_eval_batch_size: size, eval_max_new_tokens: maxNewTokens, parser } = this.settings;
    const answered: AnsweredRow[] = [];
    const turns = new Turns();
    for (let start = 0; start < asked.length; start += size) {
      const batch = asked.slice(start, start + size);
      const prompts = await unlessStopped(Promise.all(batch.map(({ index }) => this.rows.ask!(index))), stop);
      if (prompts === undefined) return undefined;
      const written = await generateBatch(device, model, prompts, { maxNewTokens, endIds: processor.endOfTurnIds, ...(stop && { stop }) });
      for (const [i, { index, question }] of batch.entries()) {
        if (stop?.aborted) return undefined;
        const text = await turns.run(() => processor.decode(written[i]!.ids, { skipSpecialTokens: true }));
        answered.push({
          index,
          text,
          ...(question && { score: scoreAnswer(question.taskType, text, question.values, parser), values: question.values }),
        });
      }
      advance(batch.length);
    }
    return answered;
  }
}

function tokenFigures(prefix: string, { loss, correct, labels }: TokenSums): Row {
  return { [`${prefix}_loss`]: loss / labels, [`${prefix}_mean_token_accuracy`]: correct / labels };
}

/** Figures of answers as log rows have them, but for those that are means of nothing. @param prefix `eval_AD` */
export function answerFigures(prefix: string, taskType: TaskType, scores: readonly AnswerScore[]): Record<string, number> {
  const figures: Figures = figuresOf(taskType, scores);
  const shown = Object.entries(taskType === 'BoxSize' ? BOXES : LENGTHS).map(
    ([suffix, name]) => [`${prefix}_${suffix}`, figures[name] ?? NaN] as const,
  );
  return Object.fromEntries(shown.filter(([, value]) => !Number.isNaN(value)));
}
