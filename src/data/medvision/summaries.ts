/**
 * What an evaluation found, in the files that medvision_bm leaves for a model: figures and values of each group as JSON, boxes of anatomy
 * against those of tumours and lesions, and a readable table for each kind of task. `summary.json` beside them has the same by task, by
 * kind and by group in one place.
 */
import { filteredText, jsonNumber, targetText } from './answerRows.ts';
import type { AnswerTask, ScoredRow } from './answerRows.ts';
import type { AnswerMode } from './answers.ts';
import { figuresOf } from './metrics.ts';
import type { AnswerScore, Figures } from './metrics.ts';
import type { TaskTag, TaskType } from './tasks.ts';

export interface SummaryFile {
  name: string;
  text: string;
}

export interface SummarySettings {
  /** Shown above the tables. */
  model: string;
  parser: AnswerMode;
  /** Groups of fewer samples take no part in the means of anatomy and of tumours and lesions. */
  minGroupSize: number;
}

/** A row that was scored. */
interface Answered {
  asked: AnswerTask;
  score: AnswerScore;
  response: string;
}

/** In the order of the reference's chapters; how its file names call each kind. */
const KINDS: readonly { type: TaskType; tag: TaskTag; json: string; table: string }[] = [
  { type: 'BiometricsFromLandmarks', tag: 'AD', json: 'AD', table: 'AD' },
  { type: 'BoxSize', tag: 'Detection', json: 'detect', table: 'detection' },
  { type: 'TumorLesionSize', tag: 'TL', json: 'TL', table: 'TL' },
];

/** Groups with these words are left out of the two means, and those that hold tumours or lesions. */
const EXCLUDED = ['miscellaneous', 'others'];
const LESIONS = ['tumor', 'lesion', 'metastatic'];

/** `more`: what else summary.json should say at its top. */
export function summaryFiles(
  rows: readonly ScoredRow[],
  settings: SummarySettings,
  more: Readonly<Record<string, unknown>> = {},
): SummaryFile[] {
  const answered = rows.flatMap(({ asked, score, response }): Answered[] => (asked && score ? [{ asked, score, response }] : []));
  const files: SummaryFile[] = [];
  const groups: Record<string, unknown> = {};
  const kinds: Record<string, unknown> = {};
  for (const { type, tag, json, table } of KINDS) {
    const own = answered.filter(({ asked }) => asked.taskType === type);
    if (own.length === 0) continue;
    const byGroup = figuresBy(own, type, ({ group }) => group);
    kinds[tag] = asJson(
      figuresOf(
        type,
        own.map(({ score }) => score),
      ),
    );
    groups[tag] = mapValues(byGroup, asJson);
    files.push({ name: `summary_metrics_${json}_Task.json`, text: jsonText(groups[tag]) });
    files.push({ name: `summary_values_${json}_Task.json`, text: jsonText(valuesOf(own, type, settings.parser)) });
    if (type === 'BoxSize') {
      const versus = anatomyVersusLesions(byGroup, settings.minGroupSize);
      files.push({ name: 'summary_metrics_anatomy_vs_lesion_detect_Task.json', text: jsonText(versusJson(versus)) });
      files.push({ name: `summary_${table}_task.txt`, text: boxTable(byGroup, versus, settings) });
    } else files.push({ name: `summary_${table}_task.txt`, text: lengthTable(byGroup, settings) });
  }
  const tasks = Object.fromEntries(
    KINDS.flatMap(({ type, tag }) => {
      const figures = figuresBy(
        answered.filter(({ asked }) => asked.taskType === type),
        type,
        ({ task }) => task,
      );
      return Object.entries(figures).map(([task, own]) => [task, { task_type: tag, ...asJson(own) }]);
    }),
  );
  const { model, parser } = settings;
  files.push({ name: 'summary.json', text: jsonText({ model, parser, num_samples: rows.length, ...more, kinds, tasks, groups }) });
  return files;
}

function figuresBy(rows: readonly Answered[], type: TaskType, keyOf: (asked: AnswerTask) => string): Record<string, Figures> {
  const scores = new Map<string, AnswerScore[]>();
  for (const { asked, score } of rows) {
    const own = scores.get(keyOf(asked));
    if (own) own.push(score);
    else scores.set(keyOf(asked), [score]);
  }
  return Object.fromEntries([...scores].map(([key, own]) => [key, figuresOf(type, own)]));
}

/**
 * Targets and what was read of the answers; for angles and distances a list of samples, for the others by group, as the reference has it.
 */
function valuesOf(rows: readonly Answered[], type: TaskType, parser: AnswerMode): unknown {
  const read = ({ asked, score, response }: Answered): string => filteredText(asked, response, score, parser);
  if (type === 'BiometricsFromLandmarks')
    return rows.map((row) => ({ label: row.asked.group, targets: targetText(row.asked), responses: [read(row)] }));
  const groups: Record<string, { targets: string[]; responses: string[] }> = {};
  for (const row of rows) {
    const own = (groups[row.asked.group] ??= { targets: [], responses: [] });
    own.targets.push(targetText(row.asked));
    own.responses.push(read(row));
  }
  return groups;
}

interface Region {
  name: string;
  regions: Record<string, Figures>;
  /** Weighted by samples; figures that are not finite in a region are left out there. */
  mean: Figures;
}

function anatomyVersusLesions(byGroup: Readonly<Record<string, Figures>>, minGroupSize: number): Region[] {
  const counted = Object.entries(byGroup).filter(
    ([name, figures]) => !EXCLUDED.some((word) => name.toLowerCase().includes(word)) && (figures['num_samples'] ?? 0) >= minGroupSize,
  );
  const isLesion = (name: string): boolean => LESIONS.some((word) => name.toLowerCase().includes(word));
  return [
    { name: 'anatomy', chosen: counted.filter(([name]) => !isLesion(name)) },
    { name: 'T/L', chosen: counted.filter(([name]) => isLesion(name)) },
  ].map(({ name, chosen }) => ({
    name,
    regions: Object.fromEntries(chosen),
    mean: weightedMean(
      chosen.map(([, figures]) => figures),
      Number.isFinite,
    ),
  }));
}

function weightedMean(groups: readonly Figures[], isCounted: (value: number) => boolean): Figures {
  const [first] = groups;
  if (first === undefined) return {};
  const mean: Figures = {};
  for (const name of Object.keys(first)) {
    if (name === 'num_samples') continue;
    const known = groups.filter((figures) => isCounted(figures[name] ?? NaN));
    const weight = known.reduce((sum, { num_samples: count = 0 }) => sum + count, 0);
    if (weight > 0) mean[name] = known.reduce((sum, figures) => sum + (figures[name] ?? 0) * (figures['num_samples'] ?? 0), 0) / weight;
  }
  return mean;
}

const samplesOf = (groups: Readonly<Record<string, Figures>>): number =>
  Object.values(groups).reduce((sum, { num_samples: count = 0 }) => sum + count, 0);

function versusJson(versus: readonly Region[]): unknown {
  return Object.fromEntries(
    versus.map(({ name, regions, mean }) => {
      const count = Object.keys(regions).length;
      const figures = count === 0 ? {} : { ...asJson(mean), total_samples: samplesOf(regions), num_regions: count };
      return [name, { mean_metrics: figures, regions: Object.keys(regions), detailed_data: mapValues(regions, asJson) }];
    }),
  );
}

const LINE = '='.repeat(100);

/** The table of angles and distances, or of tumours and lesions: the weighted means, then a line a group, the largest first. */
function lengthTable(byGroup: Readonly<Record<string, Figures>>, { model, parser }: SummarySettings): string {
  const mean = weightedMean(Object.values(byGroup), (value) => !Number.isNaN(value));
  const text = (name: string): string => fixed4(mean[name]);
  return [
    '========== MODEL SUMMARIES ==========',
    '',
    `Model: ${model}`,
    `Weighted Average MAE: ${text('avgMAE')}, MRE: ${text('avgMRE')}, SR: ${text('SuccessRate')} (Total Samples: ${samplesOf(byGroup)})`,
    ['MRE<0.1', 'MRE<0.2', 'MRE<0.3'].map((name) => `Weighted ${name}: ${text(name)}`).join(' | '),
    ...(parser === 'reference' ? [] : ['(answers read by the robust parser; --parser reference reads them as medvision_bm does)']),
    '',
    'Label-specific metrics:',
    ...table(byGroup, {
      MAE: 'avgMAE',
      MRE: 'avgMRE',
      SR: 'SuccessRate',
      'MRE<0.1': 'MRE<0.1',
      'MRE<0.2': 'MRE<0.2',
      'MRE<0.3': 'MRE<0.3',
    }),
    '',
    LINE,
    '',
  ].join('\n');
}

function boxTable(
  byGroup: Readonly<Record<string, Figures>>,
  versus: readonly Region[],
  { model, parser, minGroupSize }: SummarySettings,
): string {
  const shown = ['Recall', 'Precision', 'F1', 'IoU', 'SuccessRate', 'IoU>0.5', 'F1>0.5'];
  const lines = versus.map(({ name, regions, mean }) => {
    const count = Object.keys(regions).length;
    const figures =
      count === 0
        ? `no group of at least ${minGroupSize} samples`
        : shown.map((figure) => `${figure}=${(mean[figure] ?? NaN).toFixed(3)}`).join(', ');
    return (
      `  ${name.toUpperCase().padEnd(8)} (${String(count).padStart(2)} regions, ${String(samplesOf(regions)).padStart(4)} samples): ` +
      `${figures}`
    );
  });
  return [
    '='.repeat(80),
    'SUMMARY METRICS: Recall, Precision, and F1',
    '='.repeat(80),
    '',
    `Model: ${model}`,
    ...lines,
    ...(parser === 'reference' ? [] : ['(answers read by the robust parser; --parser reference reads them as medvision_bm does)']),
    '',
    'Label-specific metrics:',
    ...table(byGroup, {
      IoU: 'IoU',
      F1: 'F1',
      Precision: 'Precision',
      Recall: 'Recall',
      SR: 'SuccessRate',
      'IoU>0.5': 'IoU>0.5',
      MAE: 'avgMAE',
    }),
    '',
    LINE,
    '',
  ].join('\n');
}

function table(byGroup: Readonly<Record<string, Figures>>, columns: Readonly<Record<string, string>>): string[] {
  const heads = Object.keys(columns);
  const width = Math.max(50, ...Object.keys(byGroup).map((name) => name.length));
  const line = (label: string, cells: readonly string[]): string =>
    [label.padEnd(width), ...cells.map((cell) => cell.padEnd(9))].join(' | ').trimEnd();
  const rows = Object.entries(byGroup).sort(([, a], [, b]) => (b['num_samples'] ?? 0) - (a['num_samples'] ?? 0));
  return [
    line('Label', [...heads, 'Samples']),
    '-'.repeat(width + 12 * (heads.length + 1)),
    ...rows.map(([label, figures]) =>
      line(label, [...heads.map((head) => fixed4(figures[columns[head] ?? ''])), String(figures['num_samples'] ?? 0)]),
    ),
  ];
}

function fixed4(value = NaN): string {
  if (!Number.isFinite(value)) return String(jsonNumber(value) ?? 'nan');
  return Math.abs(value) < 1e9 ? value.toFixed(4) : value.toExponential(2);
}

function asJson(figures: Figures): Record<string, number | string | null> {
  return mapValues(figures, jsonNumber);
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
