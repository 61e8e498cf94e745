/** In the worker: answers of a base and of what was learnt, beside each other; and held-out rows as pictures, the answers drawn in. */
import { openRowFile } from '../../src/data/conversations/rowFile.ts';
import type { RowFile } from '../../src/data/conversations/rowFile.ts';
import { readRow, scoreRow } from '../../src/data/medvision/answerRows.ts';
import type { ScoredRow } from '../../src/data/medvision/answerRows.ts';
import { TASK_TAGS } from '../../src/data/medvision/tasks.ts';
import type { TaskType } from '../../src/data/medvision/tasks.ts';
import { loadProcessor } from '../../src/models/processor.ts';
import { dataOptions } from '../../src/options/data.ts';
import { definitions as evaluateDefinitions } from '../../src/options/evaluate.ts';
import { joinPath } from '../../src/platform.ts';
import { SAMPLES, SUMMARY_FILE } from '../../src/run/evaluate/folder.ts';
import { openRowView } from '../../src/run/inputs/scenes.ts';
import type { ViewedScene } from '../../src/run/inputs/scenes.ts';
import { REPORT_FILE } from '../../src/run/report/forget.ts';
import { boughtRows, evaluationFigures } from '../../src/run/report/figures.ts';
import type { ComparisonRow } from '../../src/run/report/figures.ts';
import { scoreText } from '../../src/run/report/gatherPictures.ts';
import { KIND_WORDS, kindOf, unitOf } from '../../src/run/report/measures.ts';
import { runPage } from '../../src/run/report/page.ts';
import { drawingOf } from '../../src/run/report/pictures.ts';
import type { DrawnAnswer, Drawing } from '../../src/run/report/pictures.ts';
import { openRun } from '../../src/run/report/run.ts';
import { conversationRows } from '../../src/train/sources.ts';
import { answerFigures } from '../../src/train/evaluation.ts';
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
  prompt: string;
  target: string;
  truth: number[];
  before: JudgedAnswer;
  after: JudgedAnswer;
}

export interface Judged {
  rows: JudgedRow[];
  /** Figures by task. */
  comparison: ComparisonRow[];
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
        prompt: row.prompt,
        target: row.target,
        truth: [...(row.asked?.values ?? [])],
        before: answerOf(before[i]),
        after: answerOf(row),
      };
    });
    return { rows, comparison: boughtRows(figuresOf(before), figuresOf(after)) };
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
    const { image, lines, pixelWidth, pixelHeight, annotation } = scene;
    const drawn = { image, lines, pixelWidth, pixelHeight, truth: row.truth, isBox: row.kind === KIND_WORDS.box };
    return drawingOf(platform, { ...drawn, ...(annotation && { annotation }) }, answers, { longest: 384 });
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

function figuresOf(rows: readonly ScoredRow[]): Record<string, number> {
  const all: Record<string, number> = {};
  for (const [type, tag] of Object.entries(TASK_TAGS) as [TaskType, string][]) {
    const answers = rows.flatMap((row) => (row.asked?.taskType === type && row.score ? [{ score: row.score, unit: unitOf(row) }] : []));
    if (answers.length > 0) Object.assign(all, answerFigures(`eval_${tag}`, type, answers));
  }
  return evaluationFigures(all);
}
