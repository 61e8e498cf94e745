/**
 * What an evaluation found, in the files that medvision_bm leaves for a model: figures and values of each group as JSON, boxes of anatomy
 * against those of tumours and lesions, and a readable table for each kind of task. `summary.json` beside them has the same by task, by
 * kind and by group in one place.
 */
import { filteredText, jsonNumber, targetText } from './answerRows.ts';
import type { AnswerRow, AnswerTask, ScoredRow } from './answerRows.ts';
import type { AnswerMode } from './answers.ts';
import { scoreIntervals, volumeOf } from './bootstrap.ts';
import type { BootstrapSettings, Interval } from './bootstrap.ts';
import { decisionsOf } from './cutoffs.ts';
import type { Cutoff } from './cutoffs.ts';
import { figuresOf } from './metrics.ts';
import type { AnswerScore, Figures } from './metrics.ts';
import { sizeGroup } from './sizeGroups.ts';
import { spacingUse } from './spacingProbe.ts';
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
  /** Default: 1000 resamples, seed 0. */
  bootstrap?: BootstrapSettings;
  /** Where a measure decides something. */
  cutoffs?: readonly Cutoff[];
}

/** A row that was scored. */
interface Answered {
  asked: AnswerTask;
  score: AnswerScore;
  response: string;
  volume: string;
  doc: AnswerRow['doc'];
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
  const { bootstrap = { draws: 1000, seed: 0 } } = settings;
  const answered = rows.flatMap(({ id, asked, score, response, doc }): Answered[] =>
    asked && score ? [{ asked, score, response, doc, volume: volumeOf({ id, doc }) }] : [],
  );
  const files: SummaryFile[] = [];
  const groups: Record<string, unknown> = {};
  const kinds: Record<string, unknown> = {};
  const intervals: Record<string, Readonly<Record<string, Interval>>> = {};
  const sizes: Record<string, unknown> = {};
  for (const { type, tag, json, table } of KINDS) {
    const own = answered.filter(({ asked }) => asked.taskType === type);
    if (own.length === 0) continue;
    const byGroup = figuresBy(own, type, ({ asked }) => asked.group);
    kinds[tag] = asJson(
      figuresOf(
        type,
        own.map(({ score }) => score),
      ),
    );
    const volumes = own.map(({ score, volume }) => ({ row: score, volume }));
    const sure = (intervals[tag] = scoreIntervals(type === 'BoxSize', volumes, bootstrap));
    const line = settings.parser === 'reference' ? '' : intervalLine(sure, new Set(own.map(({ volume }) => volume)).size);
    sizes[tag] = mapValues(figuresBy(own, type, sizeGroupOf), asJson);
    groups[tag] = mapValues(byGroup, asJson);
    const shown = settings.parser === 'reference' ? mapValues(byGroup, (figures) => asJson(asReference(figures))) : groups[tag];
    files.push({ name: `summary_metrics_${json}_Task.json`, text: jsonText(shown) });
    files.push({ name: `summary_values_${json}_Task.json`, text: jsonText(valuesOf(own, type, settings.parser)) });
    if (type === 'BoxSize') {
      const kept = settings.parser === 'reference' ? mapValues(byGroup, asReference) : byGroup;
      const versus = anatomyVersusLesions(kept, settings.minGroupSize);
      files.push({ name: 'summary_metrics_anatomy_vs_lesion_detect_Task.json', text: jsonText(versusJson(versus)) });
      files.push({ name: `summary_${table}_task.txt`, text: boxTable(byGroup, versus, settings, line) });
    } else files.push({ name: `summary_${table}_task.txt`, text: lengthTable(byGroup, settings, line) });
  }
  const tasks = Object.fromEntries(
    KINDS.flatMap(({ type, tag }) => {
      const figures = figuresBy(
        answered.filter(({ asked }) => asked.taskType === type),
        type,
        ({ asked }) => asked.task,
      );
      return Object.entries(figures).map(([task, own]) => [task, { task_type: tag, ...asJson(own) }]);
    }),
  );
  const { model, parser } = settings;
  const leftOut = rows.filter(({ asked, score }) => asked && !score).length;
  const probed = answered.filter(({ doc }) => 'pixel_size_factor' in doc && doc['pixel_size_factor'] !== null);
  const about = {
    model,
    parser,
    num_samples: rows.length,
    ...(leftOut > 0 && { left_out: { count: leftOut, why: 'angles and distances whose true value is below 0.1' } }),
    ...more,
    ...(probed.length > 0 && { pixel_size_use: spacingUse(rows) }),
    ...(settings.cutoffs && { decisions: decisionsOf(rows, settings.cutoffs, bootstrap) }),
    bootstrap: { ...bootstrap, by: 'volume', level: 0.95 },
  };
  files.push({ name: 'summary.json', text: jsonText({ ...about, kinds, intervals, sizes, tasks, groups }) });
  return files;
}

/** Rows without a key are in no group. */
function figuresBy(rows: readonly Answered[], type: TaskType, keyOf: (row: Answered) => string | undefined): Record<string, Figures> {
  const scores = new Map<string, AnswerScore[]>();
  for (const row of rows) {
    const key = keyOf(row);
    if (key === undefined) continue;
    const own = scores.get(key);
    if (own) own.push(row.score);
    else scores.set(key, [row.score]);
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

const sizeGroupOf = ({ asked, doc }: Answered): string | undefined => sizeGroup(asked, doc);

/** Figures that the code which published results came from did not have. */
function asReference({ nMAE: _, 'IoU@.50:.95': __, ...figures }: Figures): Figures {
  return figures;
}

function intervalLine(sure: Readonly<Record<string, Interval>>, volumes: number): string {
  const named = Object.entries(sure).map(([name, [low, high]]) => `${name} ${fixed4(low)} to ${fixed4(high)}`);
  return named.length === 0 ? '' : `95 % intervals, resampled by volume (${volumes} of them): ${named.join(', ')}`;
}

const LINE = '='.repeat(100);

/** The table of angles and distances, or of tumours and lesions: the weighted means, then a line a group, the largest first. */
function lengthTable(byGroup: Readonly<Record<string, Figures>>, { model, parser }: SummarySettings, sure: string): string {
  const mean = weightedMean(Object.values(byGroup), (value) => !Number.isNaN(value));
  const text = (name: string): string => fixed4(mean[name]);
  return [
    '========== MODEL SUMMARIES ==========',
    '',
    `Model: ${model}`,
    `Weighted Average MAE: ${text('avgMAE')}, MRE: ${text('avgMRE')}, SR: ${text('SuccessRate')} (Total Samples: ${samplesOf(byGroup)})`,
    ['MRE<0.1', 'MRE<0.2', 'MRE<0.3'].map((name) => `Weighted ${name}: ${text(name)}`).join(' | '),
    ...(sure === '' ? [] : [sure]),
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
  sure: string,
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
    ...(sure === '' ? [] : [sure]),
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
