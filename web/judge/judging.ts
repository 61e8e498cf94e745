/** The held-out rows of a run, asked of its base and of what it learnt. */
import type { ScoredRow } from '../../src/data/medvision/answerRows.ts';
import { dataOptions } from '../../src/options/data.ts';
import { joinPath, UserError } from '../../src/platform.ts';
import type { OpenProject, Studio } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import type { KeptRun } from '../train/inWorker.ts';
import { askedOf, judgedFile, judgingFolder, modelOptions } from '../train/runs.ts';
import type { Asked } from '../train/runs.ts';
import type { Judged } from './inWorker.ts';

/** What was judged, as it is kept. */
export interface KeptJudgement extends Judged {
  base: string;
  /** The file of held-out rows. */
  val: string;
  /** The step that the run had come to. */
  step: number;
}

export interface JudgingProgress {
  of: 'before' | 'after';
  done: number;
  total: number;
  /** What the worker says meanwhile. */
  words: string;
}

/** @throws UserError where the run has nothing to be judged by; the signal's reason */
export async function judge(
  studio: Studio,
  open: OpenProject,
  run: KeptRun,
  signal: AbortSignal,
  tell: (progress: JudgingProgress) => void,
): Promise<KeptJudgement> {
  const asked = await askedOf(studio, open, run.name);
  const { base, val } = asked;
  if (val === null) throw new UserError(texts.judge.noHeldOut);
  if (run.result === null) throw new UserError(texts.judge.nothingSaved(run.name));
  const own = run.isAdapter ? { base, adapter: run.result } : { base: run.result };
  const folders = foldersOf(open, run);
  await studio.files.makeDir(judgingFolder(open.id, run.name));
  const ask = (of: 'before' | 'after', model: { base: string; adapter?: string }): Promise<readonly ScoredRow[]> =>
    answers({ studio, asked, rows: val, model, folder: folders[of], signal, tell: (progress) => tell({ of, ...progress }) });
  const before = await ask('before', { base });
  const after = await ask('after', own);
  const judged = await studio.worker.value.own.judged(before, after);
  const kept = { ...judged, base, val, step: run.step };
  await studio.files.writeFile(judgedFile(open.id, run.name), JSON.stringify(kept));
  await forgetAnswers(studio, open, run.name);
  return kept;
}

/** What a run has learnt is another thing when it has gone on. */
function foldersOf(open: OpenProject, { name, step, state }: KeptRun): Record<'before' | 'after', string> {
  const folder = judgingFolder(open.id, name);
  return { before: joinPath(folder, 'before'), after: joinPath(folder, `after-${step}-${state}`) };
}

/** How many rows were answered when the asking was stopped, or the page was closed. */
export async function answersSoFar(studio: Studio, open: OpenProject, run: KeptRun): Promise<{ before: number; after: number }> {
  const { before, after } = foldersOf(open, run);
  const { answersIn } = studio.worker.value.own;
  return { before: (await answersIn(before)).count, after: (await answersIn(after)).count };
}

/** So that all rows are asked again. */
export async function forgetAnswers(studio: Studio, open: OpenProject, name: string): Promise<void> {
  const folder = judgingFolder(open.id, name);
  if (await studio.files.exists(folder)) await studio.files.remove(folder);
}

/** What was judged before; null: nothing. */
export async function keptJudgement(studio: Studio, open: OpenProject, name: string): Promise<KeptJudgement | null> {
  const path = judgedFile(open.id, name);
  if (!(await studio.files.exists(path))) return null;
  const kept = JSON.parse(new TextDecoder().decode(await studio.files.readFile(path))) as KeptJudgement;
  // One of before there were ranges has none.
  const rows = kept.rows.map((row) => ({ ...row, unit: row.unit ?? '', scan: row.scan ?? `row ${row.id}` }));
  return { ...kept, rows, sizes: kept.sizes ?? [], scans: kept.scans ?? 0 };
}

interface Asking {
  studio: Studio;
  asked: Asked;
  /** Their file. */
  rows: string;
  model: { base: string; adapter?: string };
  /** Where answers lie as soon as they are there, so that asking goes on from them. */
  folder: string;
  signal: AbortSignal;
  tell: (progress: Omit<JudgingProgress, 'of'>) => void;
}

async function answers({ studio, asked, rows, model, folder, signal, tell }: Asking): Promise<readonly ScoredRow[]> {
  const earlier = await studio.worker.value.own.answersIn(folder);
  if (earlier.rows !== null) return earlier.rows;
  let now = { done: earlier.count, total: 0, words: '' };
  const hear = (some: Partial<typeof now>): void => tell((now = { ...now, ...some }));
  hear({});
  const given = { ...modelOptions(asked), ...model, signal, onMessage: (words: string) => hear({ words }) };
  const opened = await studio.worker.value.loadModel(given);
  try {
    const longest = asked.options['eval_max_new_tokens'];
    const most = typeof longest === 'number' ? longest : dataOptions.eval_max_new_tokens.default;
    const job = opened.evaluate(rows, { max_new_tokens: most, limit: -1, output: folder, signal });
    for await (const event of job) {
      if (event.kind === 'answered') hear({ done: now.done + event.rows.length, total: event.total });
      else hear({ words: event.text });
    }
    const { outcome, rows: answered } = await job;
    signal.throwIfAborted();
    if (outcome !== 'finished') throw new UserError(texts.judge.stopped);
    return answered;
  } finally {
    await opened.close();
  }
}
