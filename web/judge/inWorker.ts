/** In the worker: answers of a base and of what was learnt, beside each other; and held-out rows as pictures, the answers drawn in. */
import { openRowFile } from '../../src/data/conversations/rowFile.ts';
import type { RowFile } from '../../src/data/conversations/rowFile.ts';
import { readRow, scoreRow } from '../../src/data/medvision/answerRows.ts';
import type { ScoredRow } from '../../src/data/medvision/answerRows.ts';
import { volumeOf } from '../../src/data/medvision/bootstrap.ts';
import { decisionsAt } from '../../src/data/medvision/cutoffs.ts';
import type { Decidable } from '../../src/data/medvision/cutoffs.ts';
import { loadProcessor } from '../../src/models/processor.ts';
import { dataOptions } from '../../src/options/data.ts';
import { definitions as evaluateDefinitions } from '../../src/options/evaluate.ts';
import { joinPath } from '../../src/platform.ts';
import { SAMPLES, SUMMARY_FILE } from '../../src/run/evaluate/folder.ts';
import { openRowView } from '../../src/run/inputs/scenes.ts';
import type { ViewedScene } from '../../src/run/inputs/scenes.ts';
import { REPORT_FILE } from '../../src/run/report/forget.ts';
import { besides, boughtRows } from '../../src/run/report/figures.ts';
import type { ComparisonRow, FigureRow } from '../../src/run/report/figures.ts';
import { scoreText } from '../../src/run/report/gatherPictures.ts';
import { KIND_WORDS, kindOf, unitOf } from '../../src/run/report/measures.ts';
import { runPage } from '../../src/run/report/page.ts';
import { drawingOf } from '../../src/run/report/pictures.ts';
import type { DrawnAnswer, Drawing } from '../../src/run/report/pictures.ts';
import { decisionFigures, rowFigures, rowRanges, scanCount, sizeFigures, USUAL_BOOTSTRAP } from '../../src/run/report/rowFigures.ts';
import { openRun } from '../../src/run/report/run.ts';
import { conversationRows } from '../../src/train/sources.ts';
import { platform } from '../here.ts';
import { quietModelFolder } from '../studio/quietly.ts';

export interface JudgedAnswer {
  text: string;
  /** What was read of it; empty where nothing could be. */
  values: number[];
  /** "IoU 0.81", "off by 1.2 mm", … ; '' for rows that measure nothing. */
  score: string;
  /** More is better; NaN is null. */
  goodness: number | null;
}

export interface JudgedRow {
  /** Its place in the file of rows. */
  id: number;
  /** Detection, Distance, …; '' for rows that measure nothing. */
  kind: string;
  /** What is asked for, where the row says it. */
  name: string;
  /** mm or °, where it is known. */
  unit: string;
  /** What it is of: slices of one scan belong together. */
  scan: string;
  prompt: string;
  target: string;
  truth: number[];
  before: JudgedAnswer;
  after: JudgedAnswer;
}

export interface Judged {
  rows: JudgedRow[];
  /** Figures by task, with their likely ranges. */
  comparison: ComparisonRow[];
  /** The same of small, middling and large structures, where sizes are known. */
  sizes: ComparisonRow[];
  /** Scans that the answers are of. */
  scans: number;
}

/** A limit that a measure decides something at. */
export interface Limit {
  name: string;
  /** Which of a row's numbers: 1 is the shortest axis of a size. */
  number: 0 | 1;
  at: number;
}

/** What pictures are made with; a list of rows is looked at one after the other. */
let opened: { key: string; file: Promise<RowFile>; scene: (id: number) => Promise<ViewedScene | undefined> } | undefined;

function scenesOf(rows: string, base: string): (id: number) => Promise<ViewedScene | undefined> {
  const key = JSON.stringify([rows, base]);
  if (opened?.key === key) return opened.scene;
  const file = openRowFile(platform, rows, { isForTraining: false });
  const view = quietModelFolder('base', base)
    .then((dir) => loadProcessor(platform, dir))
    .then((processor) =>
      openRowView({ platform, options: { sixteen_bit: dataOptions.sixteen_bit.default, planner_version: null } }, {}, processor),
    );
  const scene = async (id: number): Promise<ViewedScene | undefined> => {
    const list = conversationRows(await file);
    return (await view).scene(await list.request(id));
  };
  opened = { key, file, scene };
  return scene;
}

export const judgeFunctions = {
  /**
   * What an evaluation that is going on or was stopped has left in its folder.
   * @returns how many rows are answered, and where those are all, the answers
   */
  async answersIn(folder: string): Promise<{ count: number; rows: ScoredRow[] | null }> {
    const samples = joinPath(folder, SAMPLES);
    if (!(await platform.exists(samples))) return { count: 0, rows: null };
    const lines = new TextDecoder()
      .decode(await platform.readFile(samples))
      .split('\n')
      .slice(0, -1); // the last may be torn
    if (!(await platform.exists(joinPath(folder, SUMMARY_FILE)))) return { count: lines.length, rows: null };
    const rows = lines.map((line, i) => scoreRow(readRow(line, i, `${samples}:${i + 1}`), evaluateDefinitions.parser.default));
    return { count: rows.length, rows };
  },

  /** @param before and after: the same rows in the same order */
  judged(before: readonly ScoredRow[], after: readonly ScoredRow[]): Judged {
    const rows = after.map((row, i): JudgedRow => {
      const kind = kindOf(row);
      return {
        id: row.id,
        kind: kind === undefined ? '' : KIND_WORDS[kind],
        name: nameOf(row),
        unit: unitOf(row),
        scan: volumeOf(row),
        prompt: row.prompt,
        target: row.target,
        truth: [...(row.asked?.values ?? [])],
        before: answerOf(before[i]),
        after: answerOf(row),
      };
    });
    const ranges = { before: rowRanges(before, USUAL_BOOTSTRAP), after: rowRanges(after, USUAL_BOOTSTRAP) };
    return {
      rows,
      comparison: boughtRows(rowFigures(before), rowFigures(after), ranges),
      sizes: besides(sizeFigures(before, USUAL_BOOTSTRAP), sizeFigures(after, USUAL_BOOTSTRAP)),
      scans: scanCount(after),
    };
  },

  /** How the answers of some rows decide. */
  decided(rows: readonly JudgedRow[], { name, number, at }: Limit): ComparisonRow[] {
    const figures = (of: 'before' | 'after'): FigureRow[] => {
      const decidable = rows.map(({ truth, scan, [of]: { values } }): Decidable => ({
        truth: truth[number] ?? NaN,
        answer: values[number],
        volume: scan,
      }));
      return decisionFigures([{ name, at: [at], ...decisionsAt(decidable, [at], USUAL_BOOTSTRAP) }]);
    };
    return besides(figures('before'), figures('after'));
  },

  /** Of what the folder of a run holds. @returns where it lies */
  async makeReport(folder: string): Promise<string> {
    const path = joinPath(folder, REPORT_FILE);
    await platform.writeFile(path, await runPage(await openRun(platform, folder)), { isPrivate: true });
    return path;
  },

  /** @returns null for a row without a picture */
  async judgedPicture(
    rows: string,
    base: string,
    row: Pick<JudgedRow, 'id' | 'truth' | 'kind'>,
    answers: DrawnAnswer[],
  ): Promise<Drawing | null> {
    const scene = await scenesOf(rows, base)(row.id);
    if (scene === undefined) return null;
    const { image, lines, pixelWidth, pixelHeight, annotation, isSheet = false } = scene;
    const drawn = { image, lines, pixelWidth, pixelHeight, truth: row.truth, isBox: row.kind === KIND_WORDS.box && !isSheet };
    return drawingOf(platform, { ...drawn, ...(annotation && { annotation }) }, answers, { longest: isSheet ? 768 : 384 });
  },
};

function answerOf(row: ScoredRow | undefined): JudgedAnswer {
  if (row === undefined) return { text: '', values: [], score: '', goodness: null };
  const { score, response } = row;
  const goodness = score?.box ? score.box.iou : score?.isAnswer ? -score.mae : score ? -Infinity : NaN;
  return {
    text: response,
    values: score?.isAnswer ? [...score.values] : [],
    score: scoreText(row),
    goodness: Number.isNaN(goodness) ? null : Math.max(goodness, -Number.MAX_VALUE),
  };
}

function nameOf({ doc }: ScoredRow): string {
  const profile = doc['biometric_profile'];
  const key = typeof profile === 'object' && profile !== null ? (profile as Record<string, unknown>)['metric_key'] : undefined;
  const name = doc['label_name'] ?? key;
  return typeof name === 'string' ? name : '';
}
