/** The rows of an evaluation, in their order: test, validation or training samples of task lists, a prepared folder's, or conversations. */
import { openRowFile } from '../../data/conversations/rowFile.ts';
import type { RowFile, ScannedRow } from '../../data/conversations/rowFile.ts';
import type { Processor } from '../../data/example.ts';
import type { RowRequest } from '../../data/exampleMaker.ts';
import { beforeLastAnswer } from '../../data/exampleMaker.ts';
import { askedOf, docOf, unansweredRow } from '../../data/medvision/answerRows.ts';
import type { UnansweredRow } from '../../data/medvision/answerRows.ts';
import { readAnswerTemplate } from '../../data/medvision/namedTemplate.ts';
import { collectSamples } from '../../data/medvision/collect.ts';
import { readShape } from '../../data/medvision/canvas.ts';
import { planRecord } from '../../data/medvision/plan.ts';
import type { Plan, PlanRecord } from '../../data/medvision/plan.ts';
import { preparedSize } from '../../data/medvision/resizing.ts';
import type { MedvisionSample } from '../../data/medvision/sample.ts';
import { medvisionSamples } from '../../data/medvision/samples.ts';
import type { SampleRecord } from '../../data/medvision/record.ts';
import { spacingFactor, withSpacing } from '../../data/medvision/spacingProbe.ts';
import { VolumeCache } from '../../data/medvision/slices.ts';
import { readTaskList } from '../../data/medvision/tasks.ts';
import type { MedvisionTask } from '../../data/medvision/tasks.ts';
import { sha256Hex } from '../../data/prepared/identity.ts';
import { plansOfManifest } from '../../data/prepared/settings.ts';
import { PreparedSet } from '../../data/prepared/preparedSet.ts';
import { readingUntil } from '../../io/stoppablePlatform.ts';
import { readIndices } from '../../options/evaluate.ts';
import type { EvaluateOptions } from '../../options/evaluate.ts';
import { countOf, UserError } from '../../platform.ts';
import { keptRows } from '../inputs/checking.ts';
import type { RowModel } from '../inputs/checking.ts';
import { dataFolder } from '../inputs/hubInputs.ts';
import type { EvaluateContext } from './context.ts';

/** A row before it is answered. */
export interface PendingRow {
  row: UnansweredRow;
  request: RowRequest;
  /** What it is read from. */
  place: string;
}

export interface PendingRows {
  rows: PendingRow[];
  /** The plans that task lists were read from. */
  plans?: readonly PlanRecord[];
  dataDir?: string;
  preparedDir?: string;
}

const LISTS = [
  ['AD', 'tasks_list_json_path_AD'],
  ['detect', 'tasks_list_json_path_detect'],
  ['TL', 'tasks_list_json_path_TL'],
] as const;

/**
 * Undefined, or the reason of the stop thrown, when Ctrl-C ended the look at them. @throws UserError for whatever is wrong with the rows;
 * none at all is an error too
 */
export async function findRows(given: EvaluateContext, model: RowModel): Promise<PendingRows | undefined> {
  const context = { ...given, platform: readingUntil(given.platform, given.stop) };
  const { options, say } = context;
  const choice = new RowChoice(options);
  const told = (found: PendingRow[] | undefined): void => {
    if (found !== undefined) for (const note of choice.notes()) say(`Note: ${note}.`);
  };
  if (options.eval_file !== null) {
    const file = context.rows ?? (await openRowFile(context.platform, options.eval_file, { isForTraining: false }));
    try {
      const rows = await conversations(context, file, model, choice);
      told(rows);
      return rows && { rows };
    } finally {
      await file.close();
    }
  }
  const found =
    options.prepared_ds_dir !== null
      ? await prepared(context, options.prepared_ds_dir, choice)
      : await taskSamples(context, model.processor, choice);
  told(found.rows);
  if (found.rows.length === 0)
    throw new UserError(
      `There are no ${options.eval_split} rows to evaluate on: check the task lists, and that the plans have ${options.eval_split} cases.`,
    );
  return found;
}

/** Rows beyond the limit are checked too: a file is good or it is not. Undefined when Ctrl-C ended it. */
async function conversations(
  context: EvaluateContext,
  file: RowFile,
  model: RowModel,
  choice: RowChoice,
): Promise<PendingRow[] | undefined> {
  /** What is asked is the row up to its last answer. */
  async function* questions(): AsyncGenerator<ScannedRow, void, undefined> {
    for await (const { row, ...scanned } of file.scan()) {
      yield row ? { ...scanned, row: { ...row, conversation: beforeLastAnswer(row.conversation) } } : scanned;
    }
  }
  const { path, isInMemory } = file;
  const checked = await keptRows(context, { path, isInMemory, scan: questions }, model, { mask: 'completion', isForTraining: false });
  if (checked === undefined) return undefined;
  const rows: PendingRow[] = [];
  for (const index of checked.kept) {
    const { conversation, where } = await file.row(index);
    const row = unansweredRow({ conversation, where }, rows.length);
    if (choice.next(row.asked?.task ?? '') !== 'take') continue;
    rows.push({
      row,
      request: { kind: 'conversation', conversation, where, ask: true },
      place: where,
    });
  }
  return rows;
}

async function prepared({ platform, options }: EvaluateContext, dir: string, choice: RowChoice): Promise<PendingRows> {
  const set = await PreparedSet.open(platform, dir);
  const split = options.eval_split === 'train' ? 'train' : 'validation';
  const rows: PendingRow[] = [];
  for (let index = 0; index < set.rows(split); index++) {
    const { sample } = await set.row(split, index);
    if (choice.next(sample.task) === 'take')
      rows.push({
        row: rowOf(sample, rows.length),
        request: { kind: 'prepared', split, index, ask: true },
        place: set.locate(split, index).path,
      });
  }
  const plans = plansOfManifest(set.manifest);
  return { rows, preparedDir: dir, plans, ...(options.data_dir !== null && { dataDir: options.data_dir }) };
}

async function taskSamples(context: EvaluateContext, processor: Processor, choice: RowChoice): Promise<PendingRows> {
  const { platform, options, say } = context;
  const split = options.eval_split === 'test' ? 'test' : 'train';
  const tasks: MedvisionTask[] = [];
  for (const [family, list] of LISTS) {
    const path = options[list];
    if (path !== null) tasks.push(...(await readTaskList(platform, path, family)));
  }
  const dataDir = await dataFolder(context, options.data_dir ?? '', { tasks, split, plannerVersion: options.planner_version });
  const rows: PendingRow[] = [];
  const { scaled_ps_low: low, scaled_ps_high: high, seed } = options;
  const scale = low === null || high === null ? undefined : { low, high, seed };
  const change = scale && ((record: SampleRecord): SampleRecord => withSpacing(record, spacingFactor(scale, record.loaderIndex)));
  /** False when the task has enough. */
  const add = (sample: MedvisionSample): boolean => {
    const next = choice.next(sample.task);
    if (next !== 'take') return next === 'skip';
    const factor = scale && hasLength(sample) ? spacingFactor(scale, sample.loaderIndex) : undefined;
    rows.push({ row: rowOf(sample, rows.length, factor), request: { kind: 'sample', sample, ask: true }, place: sample.imageFile });
    return true;
  };
  if (options.eval_split === 'validation') {
    const { validation, report } = await collectSamples(platform, { ...NO_TRAINING_LIMITS, ...options, data_dir: dataDir }, processor);
    for (const note of report.notes) say(`Note: ${note}`);
    for (const sample of validation.each(change)) add(sample);
    return { rows, dataDir, plans: report.plans };
  }
  const volumes = new VolumeCache(platform, dataDir);
  const plans = new Map<string, Plan>();
  const template = await readAnswerTemplate(platform, options.answer_template);
  const settings = {
    split,
    onPlan: (plan: Plan): void => void plans.set(plan.path, plan),
    promptStyle: options.prompt_style,
    ...(template && { template }),
    intensity: options.intensity,
    resizedSize: preparedSize(processor, options.image_size),
    newShape: readShape(options),
    volumes,
    isFiltered: !options.disable_sample_filtering,
    ...(change && { change }),
    ...(options.planner_version !== null && { plannerVersion: options.planner_version }),
  } as const;
  for (const task of tasks) {
    // A full config name (…_Train) belongs to its own split.
    if (task.split !== undefined && task.split !== split)
      throw new UserError(`${task.name} is listed for its ${task.split} cases, --eval_split ${options.eval_split} asks for others.`);
    for await (const sample of medvisionSamples(platform, dataDir, [task], settings)) if (!add(sample)) break;
  }
  for (const note of volumes.unitNotes()) say(`Note: ${note}`);
  return {
    rows,
    dataDir,
    plans: await Promise.all([...plans.values()].map((plan) => planRecord(platform, plan, options.planner_version))),
  };
}

/** What is held out does not depend on how many of the other rows are trained on. */
const NO_TRAINING_LIMITS = {
  mixing: 'concatenate',
  mixing_temperature: 5,
  temperature_sampler_num_samples: -1,
  train_sample_limit: -1,
  train_sample_limit_per_task: -1,
  train_sample_limit_task_AD: -1,
  train_sample_limit_task_Detection: -1,
  train_sample_limit_task_TL: -1,
} as const;

/** @param factor by which the pixel size in the question, and the length, are larger than on the disk */
function rowOf(sample: MedvisionSample, id: number, factor?: number): PendingRow['row'] {
  const doc = { ...docOf(sample), ...(factor !== undefined && { pixel_size_factor: factor }) };
  return { id, asked: askedOf(sample), prompt: sample.prompt, target: sample.target, doc };
}

const hasLength = ({ annotation: { kind } }: MedvisionSample): boolean => kind === 'distance' || kind === 'ellipse';

/** Which rows of each task `--limit` and `--sample_indices` ask for. */
export class RowChoice {
  private readonly limit: number;
  private readonly places: ReadonlySet<number> | undefined;
  private readonly last: number;
  private readonly seen = new Map<string, { place: number; taken: number }>();

  /** @throws UserError for places that are none */
  constructor({ limit, sample_indices }: Pick<EvaluateOptions, 'limit' | 'sample_indices'>) {
    this.limit = limit;
    this.places = readIndices(sample_indices);
    this.last = [...(this.places ?? [])].reduce((last, place) => Math.max(last, place), this.places ? -1 : Infinity);
  }

  /** Whether the next row of a task is wanted; enough: no later one is. */
  next(task: string): 'take' | 'skip' | 'enough' {
    const { place, taken } = this.seen.get(task) ?? { place: 0, taken: 0 };
    if (this.isFull(taken) || place > this.last) return 'enough';
    const isTaken = this.places?.has(place) ?? true;
    this.seen.set(task, { place: place + 1, taken: taken + Number(isTaken) });
    return isTaken ? 'take' : 'skip';
  }

  /** Once all rows went by: a sentence for each task that has no row at places that were asked for. */
  notes(): string[] {
    const { last } = this;
    if (last === Infinity) return [];
    return [...this.seen].flatMap(([task, { place: rows, taken }]) => {
      if (this.isFull(taken) || rows > last) return [];
      const beyond = [...(this.places ?? [])].filter((place) => place >= rows).length;
      const those = `${beyond} of the places in --sample_indices (up to ${last}) ${beyond === 1 ? 'is' : 'are'} none`;
      return `${task === '' ? 'the file' : task} has ${countOf(rows, 'row')}, so ${those}`;
    });
  }

  private isFull(taken: number): boolean {
    return this.limit >= 0 && taken >= this.limit;
  }
}

/** Of all that decides what the rows ask and what is right. */
export async function rowsFingerprint({ rows }: PendingRows): Promise<string> {
  const text = rows.map(({ row: { asked, prompt, target, doc } }) => JSON.stringify([asked, prompt, target, doc])).join('\n');
  return sha256Hex(new TextEncoder().encode(text));
}

/** For messages: "validation rows of …". */
export function describeSource({ eval_file, prepared_ds_dir, eval_split }: EvaluateOptions): string {
  return eval_file ?? (prepared_ds_dir === null ? `${eval_split} cases of the task lists` : `${eval_split} rows of ${prepared_ds_dir}`);
}
