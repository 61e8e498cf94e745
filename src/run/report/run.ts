/** A run as its folder tells of it: of a training or an evaluation, finished or not, with or without a record of its report. */
import { readRow, scoreRow } from '../../data/medvision/answerRows.ts';
import type { ScoredRow } from '../../data/medvision/answerRows.ts';
import type { AnswerMode } from '../../data/medvision/answers.ts';
import type { BootstrapSettings } from '../../data/medvision/bootstrap.ts';
import type { Decisions } from '../../data/medvision/cutoffs.ts';
import { readJsonFile } from '../../data/jsonFile.ts';
import { countOf, joinPath, lastName, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { logEntries } from '../../track/jsonl.ts';
import type { LogEntry } from '../../track/jsonl.ts';
import { listCheckpoints, readTrainerState, TRAINER_STATE } from '../../train/checkpointFolder.ts';
import type { LogRow } from '../../train/checkpointFolder.ts';
import { EVALUATION_FILE, SAMPLES } from '../evaluate/folder.ts';
import { evaluationFigures } from './figures.ts';
import { readRecord, RECORD_FILE } from './record.ts';
import type { RunRecord } from './record.ts';
import { rowFigures, USUAL_BOOTSTRAP } from './rowFigures.ts';

export interface Run extends RunRecord {
  /** Its folder's last part. */
  folder: string;
  /** Whether the folder has a record; else the rest is what its other files say. */
  hasRecord: boolean;
  /** Rows of its log, oldest first. */
  history: LogRow[];
  /** Answers that count as the result, and of a training those of its first evaluation. */
  rows: ScoredRow[];
  rowsBefore: ScoredRow[];
  /** Figures of the result, and of a training those of its first evaluation, under the log's names (`eval_loss`, `eval_AD_mre`). */
  figures: Record<string, number>;
  figuresBefore: Record<string, number> | undefined;
  /** Steps of the two evaluations. */
  steps: { from: number; to: number } | undefined;
  /** How likely ranges are resampled. */
  bootstrap: BootstrapSettings;
  /** How answers decide at the cut-offs that an evaluation was given. */
  decisions: Decisions[];
}

/** @throws UserError for a folder that is no run's, and for files of a run that cannot be read */
export async function openRun(platform: Platform, dir: string): Promise<Run> {
  if (!(await platform.isDirectory(dir))) {
    const what = (await platform.exists(dir)) ? 'is a file' : 'does not exist';
    throw new UserError(`${dir} ${what}; the --output_dir of a training or an evaluation is expected.`);
  }
  const has = (name: string): Promise<boolean> => platform.exists(joinPath(dir, name));
  const path = joinPath(dir, RECORD_FILE);
  const json = await readJsonFile(platform, path);
  const record = json && readRecord(json, path);
  const folder = lastName(platform.absolutePath(dir));
  if (record?.kind === 'evaluation' || (record === undefined && (await has(EVALUATION_FILE)) && (await has(SAMPLES))))
    return evaluationOf(platform, dir, folder, record);
  const history = await historyOf(platform, dir);
  if (history === undefined)
    throw new UserError(
      `${dir} holds no run: neither ${TRAINER_STATE} or a checkpoint of a training, nor ${EVALUATION_FILE} and ${SAMPLES} of an ` +
        'evaluation. Name the --output_dir of one.',
    );
  return trainingOf(history, folder, record ?? (await recordFromLog(platform, dir, folder)), record !== undefined);
}

/** Of the run's end, or of its last checkpoint; of a run that has neither yet, as its log has it. */
async function historyOf(platform: Platform, dir: string): Promise<LogRow[] | undefined> {
  if (await platform.exists(joinPath(dir, TRAINER_STATE))) return (await readTrainerState(platform, dir)).log_history;
  const last = (await listCheckpoints(platform, dir)).at(-1);
  if (last) return (await readTrainerState(platform, joinPath(dir, last.name))).log_history;
  const entries = await logEntries(platform, dir);
  return entries?.flatMap((entry) => (typeof entry['step'] === 'number' ? [numbersOf(entry, entry['step'])] : []));
}

/** A figure that was not finite is a word in the log. */
function numbersOf(entry: LogEntry, step: number): LogRow {
  const values = Object.entries(entry).map(([key, value]) => [key, typeof value === 'number' ? value : NaN]);
  return { ...(Object.fromEntries(values) as LogRow), step };
}

function trainingOf(history: LogRow[], folder: string, record: RunRecord, hasRecord: boolean): Run {
  const evaluations = history.filter((row) => 'eval_loss' in row);
  const first = evaluations[0];
  const last = evaluations.findLast(({ step }) => step === record.resultStep) ?? evaluations.at(-1);
  const answersAt = (step: number | undefined): ScoredRow[] => {
    const rows = record.answers.find((one) => one.step === step)?.rows ?? [];
    return rows.map((row, i) => scoredRow(JSON.stringify(row), i, `${RECORD_FILE} of ${folder}`));
  };
  const hasTwo = first !== undefined && last !== undefined && first.step !== last.step;
  return {
    ...record,
    folder,
    hasRecord,
    history,
    rows: answersAt(last?.step),
    rowsBefore: hasTwo ? answersAt(first.step) : [],
    figures: last ? evaluationFigures(last) : {},
    figuresBefore: hasTwo ? evaluationFigures(first) : undefined,
    steps: hasTwo ? { from: first.step, to: last.step } : undefined,
    bootstrap: USUAL_BOOTSTRAP,
    decisions: [],
  };
}

async function evaluationOf(platform: Platform, dir: string, folder: string, record: RunRecord | undefined): Promise<Run> {
  const path = joinPath(dir, SAMPLES);
  const text = (await platform.exists(path)) ? new TextDecoder().decode(await platform.readFile(path)) : '';
  // A line that is still being written is not there yet.
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  const identity = (await readJsonFile(platform, joinPath(dir, EVALUATION_FILE)))?.['identity'];
  const settings: Record<string, unknown> = typeof identity === 'object' && identity !== null ? { ...identity } : {};
  const parser = settings['parser'] === 'reference' ? 'reference' : 'robust';
  const rows = lines.flatMap((line, i) => (line.trim() === '' ? [] : [scoredRow(line, i, `${path}:${i + 1}`, parser)]));
  const summary = await readJsonFile(platform, joinPath(dir, 'summary.json'));
  const model = summary?.['model'];
  return {
    ...(record ?? {
      ...EMPTY,
      kind: 'evaluation',
      name: folder,
      model: typeof model === 'string' ? model : '',
      settings,
      data: [['Rows', String(rows.length)]],
    }),
    folder,
    hasRecord: record !== undefined,
    history: [],
    rows,
    rowsBefore: [],
    figures: figuresOfRows(rows, summary),
    figuresBefore: undefined,
    steps: undefined,
    bootstrap: bootstrapOf(summary),
    decisions: decisionsIn(summary),
  };
}

function scoredRow(line: string, id: number, where: string, parser: AnswerMode = 'robust'): ScoredRow {
  return scoreRow(readRow(line, id, where), parser);
}

/** @param summary of the folder, which has the loss of rows that are no MedVision task */
function figuresOfRows(rows: readonly ScoredRow[], summary: Readonly<Record<string, unknown>> | undefined): Record<string, number> {
  const all: Record<string, number> = {};
  const { loss, mean_token_accuracy: accuracy } = summary ?? {};
  if (typeof loss === 'number') all['eval_loss'] = loss;
  if (typeof accuracy === 'number') all['eval_mean_token_accuracy'] = accuracy;
  return evaluationFigures({ ...all, ...rowFigures(rows) });
}

function bootstrapOf(summary: Readonly<Record<string, unknown>> | undefined): BootstrapSettings {
  const { draws, seed } = { ...(summary?.['bootstrap'] as Partial<Record<string, unknown>> | undefined) };
  return typeof draws === 'number' && typeof seed === 'number' ? { draws, seed } : USUAL_BOOTSTRAP;
}

/** As summary.json has them. */
function decisionsIn(summary: Readonly<Record<string, unknown>> | undefined): Decisions[] {
  const found = summary?.['decisions'];
  if (!Array.isArray(found)) return [];
  return found.filter((one): one is Decisions => {
    const { name, at, num_samples: count } = { ...(one as Partial<Record<string, unknown>> | null) };
    return typeof name === 'string' && Array.isArray(at) && at.every(Number.isFinite) && typeof count === 'number';
  });
}

const EMPTY: RunRecord = {
  kind: 'training',
  name: '',
  model: '',
  outcome: 'finished',
  writtenAt: '',
  facts: [],
  data: [],
  settings: {},
  changed: [],
  parts: [],
  speeds: [],
  memory: [],
  answers: [],
  pictures: [],
};

/** Of a run from before there were records, or one that was killed: what its log says of it. */
async function recordFromLog(platform: Platform, dir: string, folder: string): Promise<RunRecord> {
  const record: RunRecord = { ...EMPTY, name: folder };
  for (const entry of (await logEntries(platform, dir)) ?? []) {
    if (entry['event'] === 'start') {
      const { name, config, facts } = entry;
      if (typeof name === 'string') record.name = name;
      if (typeof config === 'object' && config !== null) record.settings = { ...config };
      const model = record.settings['base_model_hf'];
      if (typeof model === 'string') record.model = model;
      const rows = typeof facts === 'object' && facts !== null ? (facts as Record<string, unknown>)['rows'] : undefined;
      if (typeof rows === 'number') record.data = [['Training rows', countOf(rows, 'row')]];
    }
    if (entry['event'] === 'finish') {
      record.outcome = entry['outcome'] === 'finished' ? 'finished' : 'stopped';
      const { train_runtime: seconds, time } = entry;
      if (typeof seconds === 'number') record.parts = [['training', seconds]];
      if (typeof time === 'string') record.writtenAt = time;
    }
  }
  return record;
}
