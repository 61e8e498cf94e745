/** What scored rows come to: figures with their likely ranges, by the size of what is measured, and where a measure decides something. */
import type { ScoredRow } from '../../data/medvision/answerRows.ts';
import { volumeOf } from '../../data/medvision/bootstrap.ts';
import type { BootstrapSettings, Interval } from '../../data/medvision/bootstrap.ts';
import type { Decisions } from '../../data/medvision/cutoffs.ts';
import { sizeGroup, SIZE_NAMES } from '../../data/medvision/sizeGroups.ts';
import { TASK_TAGS } from '../../data/medvision/tasks.ts';
import type { TaskType } from '../../data/medvision/tasks.ts';
import { answerFigures, answerIntervals } from '../../train/answerFigures.ts';
import type { AnswerOfVolume } from '../../train/answerFigures.ts';
import { evaluationFigures, figureRows } from './figures.ts';
import type { FigureRow, Ranges } from './figures.ts';
import { unitOf } from './measures.ts';

/** As `evaluate` resamples where nothing else is said. */
export const USUAL_BOOTSTRAP: BootstrapSettings = { draws: 1000, seed: 0 };

const TASKS = Object.entries(TASK_TAGS) as [TaskType, string][];

function answersOf(rows: readonly ScoredRow[], type: TaskType): AnswerOfVolume[] {
  return rows.flatMap((row) =>
    row.asked?.taskType === type && row.score ? [{ score: row.score, unit: unitOf(row), volume: volumeOf(row) }] : [],
  );
}

/** Under the log's names, as evaluations between steps of training tell them. */
export function rowFigures(rows: readonly ScoredRow[]): Record<string, number> {
  const all: Record<string, number> = {};
  for (const [type, tag] of TASKS) {
    const answers = answersOf(rows, type);
    if (answers.length > 0) Object.assign(all, answerFigures(`eval_${tag}`, type, answers));
  }
  return evaluationFigures(all);
}

/** Intervals of figures that may be of more rows than these: only those that these rows give. */
export function rangesOf(figures: Readonly<Record<string, number>>, rows: readonly ScoredRow[], bootstrap: BootstrapSettings): Ranges {
  const own = rowFigures(rows);
  const isSame = (key: string): boolean => Math.abs((own[key] ?? NaN) - (figures[key] ?? NaN)) <= 1e-9 * Math.abs(own[key] ?? NaN);
  return Object.fromEntries(Object.entries(rowRanges(rows, bootstrap)).filter(([key]) => isSame(key)));
}

/** 95 % intervals of those figures, resampled by whole scans. */
export function rowRanges(rows: readonly ScoredRow[], bootstrap: BootstrapSettings): Ranges {
  const all: Record<string, Interval> = {};
  for (const [type, tag] of TASKS) Object.assign(all, answerIntervals(`eval_${tag}`, type, answersOf(rows, type), bootstrap));
  return all;
}

/** Scans that scored rows are of. */
export function scanCount(rows: readonly ScoredRow[]): number {
  return new Set(rows.filter(({ score }) => score !== undefined).map(volumeOf)).size;
}

/** What is told of each size. */
const OF_SIZES: Readonly<Record<TaskType, readonly string[]>> = {
  BoxSize: ['eval_Detection_iou'],
  TumorLesionSize: ['eval_TL_mae', 'eval_TL_mre'],
  BiometricsFromLandmarks: ['eval_AD_mae_mm', 'eval_AD_mre'],
};
const SUBJECTS: Readonly<Record<TaskType, string>> = {
  BoxSize: 'Boxes',
  TumorLesionSize: 'Sizes',
  BiometricsFromLandmarks: 'Distances',
};

/** Of small, middling and large structures, where sizes are known; those that nothing is asked of are left out. */
export function sizeFigures(rows: readonly ScoredRow[], bootstrap: BootstrapSettings): FigureRow[] {
  return TASKS.flatMap(([type]) =>
    SIZE_NAMES[type].flatMap((size) => {
      const own = rows.filter(({ asked, score, doc }) => score && asked?.taskType === type && sizeGroup(asked, doc) === size);
      const figures = rowFigures(own);
      const shown = Object.fromEntries(OF_SIZES[type].flatMap((key) => (key in figures ? [[key, figures[key] ?? NaN]] : [])));
      const found = figureRows(shown, {}, rowRanges(own, bootstrap));
      return found.map((row) => ({ ...row, subject: `${SUBJECTS[type]}, ${size}`, count: own.length }));
    }),
  );
}

/** A cut-off's shares, in words. */
export function decisionFigures(decisions: readonly Decisions[]): FigureRow[] {
  return decisions.flatMap(({ name, at, num_samples: count, agreement, agreement_interval: range, kappa, sensitivity, specificity }) => {
    const limits = at.join(', ');
    const percent = (figure: string, share: number | null | undefined, own?: Interval): FigureRow[] =>
      share === null || share === undefined
        ? []
        : [{ figure, value: 100 * share, unit: '%' as const, ...(own && { range: [100 * own[0], 100 * own[1]] as Interval }), ...words }];
    const words = { subject: name, count, higherIsBetter: true };
    return [
      ...percent(`on the right side of ${limits}`, agreement, range),
      ...(kappa === null ? [] : [{ figure: "agreement beyond chance (Cohen's kappa)", value: kappa, unit: '' as const, ...words }]),
      ...percent(`of those at ${limits} or above, said so (sensitivity)`, sensitivity),
      ...percent(`of those below ${limits}, said so (specificity)`, specificity),
    ];
  });
}
