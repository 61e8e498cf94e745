/**
 * Evaluation between two steps of training: the loss and token accuracy of held-out rows, and the answers the model writes to some of them,
 * read and scored as MedVision does. Rows of one task are evaluated together, so that every figure exists for each task (`eval_AD_loss`)
 * and for all (`eval_loss`, which weighs every token alike). Nothing that trains is touched: no gradients, no dropout, no random numbers.
 */
import { scoreAnswer } from '../data/medvision/metrics.ts';
import type { AnswerMode } from '../data/medvision/answers.ts';
import { TASK_TAGS } from '../data/medvision/tasks.ts';
import type { TaskTag, TaskType } from '../data/medvision/tasks.ts';
import type { Example } from '../data/example.ts';
import { shuffled, streamId } from '../data/random.ts';
import { ahead, unlessStopped } from '../io/ahead.ts';
import { Turns } from '../io/turns.ts';
import { generateBatch } from '../models/generate.ts';
import type { Row } from '../track/tracker.ts';
import { ALONE, fromFirst, inOrder, isDealtTo } from '../world/world.ts';
import { answerFigures } from './answerFigures.ts';
import type { EvaluationMoment, Evaluator } from './evaluator.ts';
import { evaluateMicroBatch, labelWeight } from './microBatch.ts';
import { PICTURES, PredictionPictures } from './predictionPictures.ts';
import type { AnsweredRow, Scene } from './predictionPictures.ts';
import type { Session } from './session.ts';
import type { ExampleSource } from './exampleSource.ts';

export interface EvaluationRows extends ExampleSource {
  /** What a row's answer is measured by; undefined for a row that is no MedVision task, absent where none is. */
  question?(index: number): Promise<Question | undefined>;
  /** The row up to where its last answer begins; absent where no answers can be asked for. */
  ask?: ExampleSource['get'];
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
  /** mm, cm or °; absent where it is not known. */
  unit?: string;
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

/**
 * Figures by task and together: `eval_loss` in nats a token, `eval_mean_token_accuracy` from 0 to 1, those of answers as `figuresOf` has
 * them.
 */
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

  async evaluate(session: Session, { step, tracker, stop, world = ALONE }: EvaluationMoment): Promise<Row | undefined> {
    const startedAt = performance.now();
    const { scene } = this.rows;
    const pictures =
      tracker.picture && scene ? (this.pictures ??= new PredictionPictures((index) => scene(index), session.platform)) : undefined;
    pictures?.begin();
    const found = (this.tasks ??= await this.findTasks());
    const arePicturesWanted = await fromFirst(world, pictures !== undefined);
    const tasks = arePicturesWanted ? found : found.map((task) => (task.tag === undefined ? { ...task, asked: [] } : task));
    const total = tasks.reduce((sum, { rows, asked }) => sum + rows.length + asked.length, 0);
    let done = 0;
    this.onProgress(done, total);
    const advance = (count: number): void => this.onProgress((done += count), total);
    const around: Around = {
      stop,
      advance,
      dealt: (batches) => batches.filter((_, at) => isDealtTo(world, at)),
      async together(own) {
        const hands = await world.gather(own ?? null);
        return hands.includes(null) ? undefined : inOrder(hands.map((hand) => hand ?? []));
      },
    };
    const row: Row = {};
    const all: TokenSums = { loss: 0, correct: 0, labels: 0 };
    let batches = 0;
    const answers: AnsweredRow[] = [];
    for (const { tag, rows } of tasks) {
      const sums = await this.tokenSums(session, rows, around);
      if (sums === undefined) return undefined;
      for (const key of ['loss', 'correct', 'labels'] as const) all[key] += sums[key];
      batches += Math.ceil(rows.length / this.settings.per_device_eval_batch_size);
      if (tag !== undefined) Object.assign(row, tokenFigures(`eval_${tag}`, sums));
    }
    for (const { tag, asked } of tasks) {
      const [first] = asked;
      if (first === undefined) continue;
      const answered = await this.answers(session, asked, around);
      if (answered === undefined) return undefined;
      answers.push(...answered);
      if (tag !== undefined && first.question) {
        Object.assign(
          row,
          answerFigures(
            `eval_${tag}`,
            first.question.taskType,
            answered.flatMap(({ score }, at) => (score ? [{ score, unit: asked[at]?.question?.unit }] : [])),
          ),
        );
      }
      await pictures?.draw(tag, answered, tracker);
    }
    pictures?.tell(tracker, step);
    this.onAnswered(step, answers);
    const seconds = (performance.now() - startedAt) / 1000;
    const figures: Row = {
      ...tokenFigures('eval', all),
      ...row,
      eval_runtime: seconds,
      eval_samples_per_second: this.rows.length / seconds,
      eval_steps_per_second: batches / seconds,
    };
    // Clocks differ, and ranks that compare different rows would part.
    return fromFirst(world, figures);
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

  /** Batches are dealt to the ranks; what each comes to is added up in the order of the rows, whoever computed it. */
  private async tokenSums(session: Session, rows: readonly number[], around: Around): Promise<TokenSums | undefined> {
    const size = this.settings.per_device_eval_batch_size;
    const own = around.dealt(batchesOf(rows, size));
    const all = await around.together(await this.ownTokenSums(session, own, around));
    return all?.reduce<TokenSums>(
      (total, [loss, correct, labels]) => ({ loss: total.loss + loss, correct: total.correct + correct, labels: total.labels + labels }),
      { loss: 0, correct: 0, labels: 0 },
    );
  }

  private async ownTokenSums(
    { device, model }: Session,
    batches: readonly (readonly number[])[],
    { stop, advance }: Around,
  ): Promise<[loss: number, correct: number, labels: number][] | undefined> {
    const sums: [number, number, number][] = [];
    const examplesOf = (at: number): Promise<Example[]> => Promise.all((batches[at] ?? []).map((index) => this.rows.get(index, model)));
    let next = ahead(examplesOf(0));
    // A batch is read back while the next one is encoded, so that the GPU is not left waiting.
    let reading: Promise<void> = Promise.resolve();
    for (let at = 0; at < batches.length; at++) {
      const examples = await unlessStopped(next, stop);
      if (examples === undefined) {
        await reading;
        return undefined;
      }
      next = ahead(examplesOf(at + 1));
      const computed = await evaluateMicroBatch(device, model, examples);
      await reading;
      const labels = examples.reduce((sum, example) => sum + labelWeight(example), 0);
      reading = computed.sums.then(([loss, correct]) => {
        sums.push([loss!, correct!, labels]);
        advance(examples.length);
      });
      void ahead(reading);
    }
    await reading;
    return sums;
  }

  private async answers(session: Session, asked: TaskRows['asked'], around: Around): Promise<AnsweredRow[] | undefined> {
    const { per_device_eval_batch_size: size, parser } = this.settings;
    const own = around.dealt(batchesOf(asked, size));
    const texts = (await around.together(await this.ownTexts(session, own, around)))?.flat();
    return texts?.map((text, at) => {
      const { index, question } = asked[at]!;
      const { taskType, values = [] } = question ?? {};
      return { index, text, ...(taskType && { score: scoreAnswer(taskType, text, values, parser), values }) };
    });
  }

  /** By batch. */
  private async ownTexts(
    { device, model, processor }: Session,
    batches: readonly TaskRows['asked'][],
    { stop, advance }: Around,
  ): Promise<string[][] | undefined> {
    const maxNewTokens = this.settings.eval_max_new_tokens;
    const written: string[][] = [];
    const turns = new Turns();
    for (const batch of batches) {
      const prompts = await unlessStopped(Promise.all(batch.map(({ index }) => this.rows.ask!(index, model))), stop);
      if (prompts === undefined) return undefined;
      const answers = await generateBatch(device, model, prompts, { maxNewTokens, endIds: processor.endOfTurnIds, ...(stop && { stop }) });
      const texts: string[] = [];
      for (const { ids } of answers) {
        if (stop?.aborted) return undefined;
        texts.push(await turns.run(() => processor.decode(ids, { skipSpecialTokens: true })));
      }
      written.push(texts);
      advance(batch.length);
    }
    return written;
  }
}

/** What the parts of one evaluation share. */
interface Around {
  stop: AbortSignal | undefined;
  advance: (count: number) => void;
  /** Those of some batches that are this rank's. */
  dealt<T>(batches: readonly T[]): T[];
  /** What all ranks have made of their batches, in the order of the batches; undefined where one of them was stopped. */
  together<T>(own: readonly T[] | undefined): Promise<T[] | undefined>;
}

function batchesOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size));
}

function tokenFigures(prefix: string, { loss, correct, labels }: TokenSums): Row {
  return { [`${prefix}_loss`]: loss / labels, [`${prefix}_mean_token_accuracy`]: correct / labels };
}
