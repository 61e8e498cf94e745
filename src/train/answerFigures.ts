/** Figures of answers under the names that log rows have for them (`eval_AD_mre`), and how sure they are. */
import { scoreIntervals } from '../data/medvision/bootstrap.ts';
import type { BootstrapSettings, Interval } from '../data/medvision/bootstrap.ts';
import { figuresOf } from '../data/medvision/metrics.ts';
import type { AnswerScore, Figures } from '../data/medvision/metrics.ts';
import type { TaskType } from '../data/medvision/tasks.ts';

export interface AnswerOfUnit {
  score: AnswerScore;
  unit?: string | undefined;
}

export interface AnswerOfVolume extends AnswerOfUnit {
  /** The scan that was asked about. */
  volume: string;
}

/** Figures of answers that log rows show: key suffix → medvision_bm's name. */
const LENGTHS: Readonly<Record<string, string>> = {
  mae: 'avgMAE',
  mre: 'avgMRE',
  nmae: 'nMAE',
  'mre<0.1': 'MRE<0.1',
  success_rate: 'SuccessRate',
};
/** Of angles and distances. */
const UNITS: Readonly<Record<string, string>> = { mm: 'mm', deg: '°' };
const BOXES: Readonly<Record<string, string>> = {
  mae: 'avgMAE',
  iou: 'IoU',
  f1: 'F1',
  precision: 'Precision',
  recall: 'Recall',
  'iou>0.5': 'IoU>0.5',
  'iou_.50:.95': 'IoU@.50:.95',
  success_rate: 'SuccessRate',
};

/** Figures of answers as log rows have them, but for those that are means of nothing. @param prefix `eval_AD` */
export function answerFigures(prefix: string, taskType: TaskType, answers: readonly AnswerOfUnit[]): Record<string, number> {
  const figures: Figures = figuresOf(
    taskType,
    answers.map(({ score }) => score),
  );
  const shown = Object.entries(taskType === 'BoxSize' ? BOXES : LENGTHS).map(
    ([suffix, name]) => [`${prefix}_${suffix}`, figures[name] ?? NaN] as const,
  );
  // medvision_bm's avgMAE averages millimetres and degrees.
  const ofUnits = Object.entries(taskType === 'BiometricsFromLandmarks' ? UNITS : {}).map(([suffix, sign]) => {
    const own = answers.flatMap(({ score, unit }) => (unit === sign ? [score] : []));
    return [`${prefix}_mae_${suffix}`, figuresOf(taskType, own)['avgMAE'] ?? NaN] as const;
  });
  // A mean of lengths and angles is a length of nothing.
  const isMixed = new Set(answers.map(({ unit }) => unit)).size > 1;
  const told = [...shown, ...ofUnits].filter(([name, value]) => !Number.isNaN(value) && !(isMixed && name.endsWith('_nmae')));
  return Object.fromEntries(told);
}

/** 95 % intervals of those figures, by volume, as `scoreIntervals` has them: in the unit of the figure, and of those that have one. */
export function answerIntervals(
  prefix: string,
  taskType: TaskType,
  answers: readonly AnswerOfVolume[],
  settings: BootstrapSettings,
): Record<string, Interval> {
  const isBox = taskType === 'BoxSize';
  const of = (chosen: readonly AnswerOfVolume[]): Readonly<Record<string, Interval>> =>
    scoreIntervals(
      isBox,
      chosen.map(({ score, volume }) => ({ row: score, volume })),
      settings,
    );
  const all = of(answers);
  const found: Record<string, Interval> = {};
  const keep = (suffix: string, interval: Interval | undefined): void => {
    if (interval) found[`${prefix}_${suffix}`] = interval;
  };
  for (const [suffix, name] of Object.entries(isBox ? BOXES : LENGTHS)) keep(suffix, all[name]);
  for (const [suffix, sign] of Object.entries(taskType === 'BiometricsFromLandmarks' ? UNITS : {})) {
    const own = answers.filter(({ unit }) => unit === sign);
    keep(`mae_${suffix}`, (own.length === answers.length ? all : of(own))['avgMAE']);
  }
  return found;
}
