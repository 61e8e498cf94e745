/**
 * Answers as files hold them: a line of `samples.jsonl` for each, with the fields that medvision_bm's results have (doc, target, resps;
 * parsed: filtered_resps, avgMAE, …), so that its tools and ours read each other's. Lines of lmms-eval and of other tools are read too, as
 * long as they say what was asked, what is right and what was written.
 */
import { parseJson, shownJson, textOrNothing } from '../../io/parseJson.ts';
import { ownValue } from '../../io/ownValue.ts';
import { errorText, lastName, UserError } from '../../platform.ts';
import { imageName } from '../conversations/images.ts';
import { TASK_OF_KIND } from '../conversations/measure.ts';
import type { Conversation, Message } from '../example.ts';
import { parseAnswer, referenceFiltered } from './answers.ts';
import { measureDoc, measureGroup } from './askedMeasure.ts';
import type { AnswerMode } from './answers.ts';
import { groupOf } from './groups.ts';
import { scoreAnswer } from './metrics.ts';
import type { AnswerScore } from './metrics.ts';
import { pythonFloat } from './numbers.ts';
import { ANSWER_LENGTH } from './sample.ts';
import type { MedvisionSample } from './sample.ts';
import { TASK_TAGS } from './tasks.ts';
import type { TaskType } from './tasks.ts';
import { unitSign } from './units.ts';

/** What an answer is to be measured by. */
export interface AnswerTask {
  /** Config name; where it is not known, the kind. */
  task: string;
  taskType: TaskType;
  group: string;
  /** The right numbers. */
  values: readonly number[];
  /** Of lengths and angles: mm, cm or °; absent where the file of answers says it in its record alone. */
  unit?: string;
}

/** An answer, not yet read. */
export interface AnswerRow {
  /** Its place in the evaluation. */
  id: number;
  /** Absent for rows that are no MedVision task: they are answered, not scored. */
  asked?: AnswerTask;
  prompt: string;
  /** The right answer as text. */
  target: string;
  response: string;
  /** What else is known of the sample, and of how it was answered. */
  doc: Readonly<Record<string, unknown>>;
  facts: Readonly<Record<string, unknown>>;
}

export type UnansweredRow = Omit<AnswerRow, 'response' | 'facts'>;

export interface ScoredRow extends AnswerRow {
  score?: AnswerScore;
}

/** Angles and distances below this are of landmarks that fell together; later versions of medvision_bm leave them out, and so do we. */
const LEAST_AD = 0.1;

/** Whether a row counts; with the reference's way all do. */
function isMeasurable({ taskType, values: [value = NaN] }: AnswerTask, parser: AnswerMode): boolean {
  return parser === 'reference' || taskType !== 'BiometricsFromLandmarks' || !(value < LEAST_AD);
}

/** Rows without a task, and those that do not count, get no score. */
export function scoreRow(row: AnswerRow, parser: AnswerMode): ScoredRow {
  const { asked, response } = row;
  return asked && isMeasurable(asked, parser) ? { ...row, score: scoreAnswer(asked.taskType, response, asked.values, parser) } : row;
}

/** What a sample's row says of it, under the names of the hub data set's records. */
export function docOf(sample: MedvisionSample): Record<string, unknown> {
  const { annotation } = sample;
  const [, taskID = ''] = /_Task(\d+)_/.exec(sample.task) ?? [];
  return {
    dataset_name: sample.dataset,
    taskID,
    taskType: sample.taskType,
    case_ID: sample.caseId,
    image_file: sample.imageFile,
    slice_dim: sample.sliceDim,
    slice_idx: sample.sliceIdx,
    image_size_2d: [sample.height, sample.width],
    ...('label' in annotation
      ? { label: String(annotation.label), label_name: annotation.labelName }
      : { biometric_profile: { metric_type: annotation.kind, metric_key: annotation.key, metric_unit: annotation.unit } }),
  };
}

/** What a row asks and what is right. @throws UserError for a conversation that names a task that is none, or whose answer is not its */
export function unansweredRow(
  { sample, conversation, where }: { sample?: MedvisionSample; conversation: Conversation; where: string },
  id: number,
): UnansweredRow {
  if (sample) return { id, asked: askedOf(sample), prompt: sample.prompt, target: sample.target, doc: docOf(sample) };
  const asked = askedOfConversation(conversation, where);
  const question = conversation.messages.at(-1)?.role === 'assistant' ? conversation.messages.slice(0, -1) : conversation.messages;
  const last = question.findLast(({ role }) => role === 'user');
  return {
    id,
    ...(asked && { asked }),
    prompt: last ? textOf(last) : '',
    target: answerText(conversation.messages),
    doc: {
      ...(conversation.id !== undefined && { id: conversation.id }),
      ...(asked && conversation.measure && measureDoc(conversation.measure)),
      images: conversation.images.map(imageName).map(lastName),
    },
  };
}

export function askedOf(sample: MedvisionSample): AnswerTask {
  const { annotation, task, taskType, values } = sample;
  return { task, taskType, group: groupOf(sample), values, ...('unit' in annotation && { unit: unitSign(annotation.unit) }) };
}

/** As medvision_bm writes it: `str()` of a float, or of a list of them. */
export function targetText({ taskType, values }: AnswerTask): string {
  const numbers = values.map(pythonFloat);
  return taskType === 'BiometricsFromLandmarks' ? (numbers[0] ?? '') : `[${numbers.join(', ')}]`;
}

/** JSON has no word for what is not finite: NaN is null, infinities are "inf" and "-inf". */
export function jsonNumber(value: number): number | string | null {
  return Number.isFinite(value) ? value : Number.isNaN(value) ? null : value > 0 ? 'inf' : '-inf';
}

/** A line of samples.jsonl, without the line break. */
export function rowText(row: ScoredRow, parser: AnswerMode): string {
  const { id, asked, prompt, target, response, doc, facts, score } = row;
  const task = asked && { task: asked.task, task_type: TASK_TAGS[asked.taskType], group: asked.group };
  const scored = asked &&
    score && {
      filtered_resps: [filteredText(asked, response, score, parser)],
      values: score.values.map(jsonNumber),
      ...scoreFields(score),
    };
  return JSON.stringify({
    doc_id: id,
    doc,
    prompt,
    target: asked ? targetText(asked) : target,
    target_text: target,
    resps: [[response]],
    ...task,
    ...scored,
    ...facts,
  });
}

/** What was read of an answer, as text: numbers with commas, "" for a failed one. */
export function filteredText({ values }: AnswerTask, response: string, score: AnswerScore, parser: AnswerMode): string {
  return parser === 'reference' ? referenceFiltered(response, values.length) : score.values.map(pythonFloat).join(',');
}

/** As parse_outputs writes them, and for boxes as the summaries compute them (a failed one overlaps nothing). */
function scoreFields({ isAnswer: success, mae, mre, box }: AnswerScore): Record<string, unknown> {
  const shared = { avgMAE: { MAE: jsonNumber(mae), success }, SuccessRate: { success } };
  if (box === undefined) return { ...shared, avgMRE: { MRE: jsonNumber(mre), success } };
  return {
    ...shared,
    avgIoU: { IoU: jsonNumber(box.iou) },
    F1: { F1: jsonNumber(box.f1) },
    Precision: { Precision: jsonNumber(box.precision) },
    Recall: { Recall: jsonNumber(box.recall) },
  };
}

const TYPES: Readonly<Record<string, TaskType>> = {
  ...Object.fromEntries(Object.entries(TASK_TAGS).map(([type, tag]) => [tag, type as TaskType])),
  BoxSize: 'BoxSize',
  BoxCoordinate: 'BoxSize',
  TumorLesionSize: 'TumorLesionSize',
  BiometricsFromLandmarks: 'BiometricsFromLandmarks',
};

/** The kind of task that a name says: AD, Detection, TL, a task type, or a config name (`KiTS23_TumorLesionSize_Task01_Axial`). */
export function taskTypeOf(name: string): TaskType | undefined {
  return ownValue(TYPES, name) ?? ownValue(TYPES, name.split('_')[1] ?? '');
}

/** What a conversation's last answer is measured by, where the row names its task. @param where file:line @throws UserError */
export function askedOfConversation({ task, measure, messages }: Conversation, where: string): AnswerTask | undefined {
  if (task === undefined) return undefined;
  const taskType = taskTypeOf(task);
  if (taskType === undefined)
    throw new UserError(
      `${where}: the task ${JSON.stringify(task)} is unknown; ${Object.values(TASK_TAGS).join(', ')} or a MedVision task name is ` +
        `expected. Leave it out elsewhere.`,
    );
  const own = measure && taskTypeOf(TASK_OF_KIND[measure.kind]);
  if (own !== undefined && own !== taskType)
    throw new UserError(
      `${where}: the task ${JSON.stringify(task)} does not ask for the ${measure?.kind ?? ''} that "measure" names; ` +
        `${TASK_TAGS[own]} does. Correct one of them.`,
    );
  const values = parseAnswer(answerText(messages), ANSWER_LENGTH[taskType]);
  if (values === undefined)
    throw new UserError(
      `${where}: the right answer of a ${TASK_TAGS[taskType]} row holds ${ANSWER_LENGTH[taskType]} number(s); ` +
        `${JSON.stringify(answerText(messages))} found.`,
    );
  const unit = measure && unitSign(measure.unit);
  return { task, taskType, group: measure ? measureGroup(measure) : task, values, ...(unit && { unit }) };
}

/** The text of the last message, where it is an answer. */
export function answerText(messages: readonly Message[]): string {
  const last = messages.at(-1);
  return last?.role === 'assistant' ? textOf(last) : '';
}

export function textOf({ content }: Message): string {
  return typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

/** A line of a file of answers. @param name of the task, where the file's name says it @param where file:line @throws UserError */
export function readRow(line: string, id: number, where: string, name?: string): AnswerRow {
  const wrong = (problem: string): UserError => new UserError(`${where}: ${problem}`);
  let parsed: unknown;
  try {
    parsed = parseJson(line);
  } catch (cause) {
    throw wrong(`not valid JSON: ${errorText(cause)}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw wrong('a JSON object a line was expected');
  const json = Object.fromEntries<unknown>(Object.entries(parsed));
  const text = (...keys: string[]): string | undefined => keys.map((key) => json[key]).find((value) => typeof value === 'string');
  const doc = typeof json['doc'] === 'object' && json['doc'] !== null ? Object.fromEntries<unknown>(Object.entries(json['doc'])) : {};
  const response = firstText(json['resps']) ?? text('response', 'answer', 'prediction', 'raw');
  if (response === undefined) throw wrong('no answer: resps (as lmms-eval writes it) or response was expected.');
  const docType = typeof doc['taskType'] === 'string' ? doc['taskType'] : undefined;
  const names = [text('task'), name, text('task_type'), docType].filter((one) => one !== undefined);
  const taskType = names.map(taskTypeOf).find((type) => type !== undefined);
  const target = targetNumbers(json['target']);
  const row = {
    id: typeof json['doc_id'] === 'number' ? json['doc_id'] : id,
    prompt: text('prompt', 'input') ?? '',
    target: text('target_text') ?? (typeof json['target'] === 'string' ? json['target'] : JSON.stringify(json['target'] ?? '')),
    response,
    doc,
    facts: Object.fromEntries(['finish', 'answer_tokens'].filter((key) => key in json).map((key) => [key, json[key]])),
  };
  if (taskType === undefined) return row;
  const own = ANSWER_LENGTH[taskType];
  const isWhole = target !== undefined && (own === 1 ? target.length === 1 : target.length > 0 && target.length % own === 0);
  if (!isWhole)
    throw wrong(`target: ${ANSWER_LENGTH[taskType]} number(s) expected for ${TASK_TAGS[taskType]}, ${shownJson(json['target'])} found.`);
  const task = names.find((one) => /_Task\d/.test(one)) ?? TASK_TAGS[taskType];
  return { ...row, asked: { task, taskType, group: text('group') ?? groupOfDoc(doc, taskType, task), values: target } };
}

/** Resps are nested: a list of requests, each a list of answers. */
function firstText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return Array.isArray(value) ? firstText(value[0]) : undefined;
}

/** "20.25", "[29.0, 22.0]", 20.25 or [29, 22]. */
function targetNumbers(value: unknown): number[] | undefined {
  let found = value;
  if (typeof value === 'string') {
    try {
      found = parseJson(value.replace(/\bnan\b/gi, 'null'));
    } catch {
      return undefined;
    }
  }
  const numbers = [found].flat().map((one) => (one === null ? NaN : one));
  return numbers.every((one) => typeof one === 'number') ? numbers : undefined;
}

const PLANES: Readonly<Record<number, string>> = { 0: 'S', 1: 'C', 2: 'A' };

/** As far as the record says it: the reference looks labels and modalities up in the plans. */
function groupOfDoc(doc: Readonly<Record<string, unknown>>, taskType: TaskType, task: string): string {
  const dataset = typeof doc['dataset_name'] === 'string' ? doc['dataset_name'] : (task.split('_')[0] ?? '');
  if (taskType === 'BiometricsFromLandmarks') {
    const profile = doc['biometric_profile'];
    const { metric_type: kind = '', metric_key: key = '' } =
      typeof profile === 'object' && profile !== null ? (profile as Record<string, unknown>) : {};
    return key === '' ? task : `${dataset}_${textOrNothing(kind)}_${textOrNothing(key)}`;
  }
  const label = doc['label_name'] ?? doc['label'];
  return label === undefined
    ? task
    : `${dataset} label ${textOrNothing(label)} (${PLANES[Number(textOrNothing(doc['slice_dim']) || NaN)] ?? '?'})`;
}
