/** The held-out rows of a run, asked of its base and of what it learnt. */
import type { ScoredRow } from '../../src/data/medvision/answerRows.ts';
import { dataOptions } from '../../src/options/data.ts';
import { UserError } from '../../src/platform.ts';
import type { OpenProject, Studio } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import type { KeptRun } from '../train/inWorker.ts';
import { askedOf, judgedFile, modelOptions } from '../train/runs.ts';
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
  const before = await answers(studio, asked, val, { base }, signal, (progress) => tell({ of: 'before', ...progress }));
  const after = await answers(studio, asked, val, own, signal, (progress) => tell({ of: 'after', ...progress }));
  const judged = await studio.worker.value.own.judged(before, after);
  const kept = { ...judged, base, val, step: run.step };
  await studio.files.writeFile(judgedFile(open.id, run.name), JSON.stringify(kept));
  return kept;
}

/** What was judged before; null: nothing. */
export async function keptJudgement(studio: Studio, open: OpenProject, name: string): Promise<KeptJudgement | null> {
  const path = judgedFile(open.id, name);
  if (!(await studio.files.exists(path))) return null;
  return JSON.parse(new TextDecoder().decode(await studio.files.readFile(path))) as KeptJudgement;
}

async function answers(
  studio: Studio,
  asked: Asked,
  rows: string,
  model: { base: string; adapter?: string },
  signal: AbortSignal,
  tell: (progress: Omit<JudgingProgress, 'of'>) => void,
): Promise<readonly ScoredRow[]> {
  let now = { done: 0, total: 0, words: '' };
  const hear = (some: Partial<typeof now>): void => tell((now = { ...now, ...some }));
  hear({});
  const given = { ...modelOptions(asked), ...model, signal, onMessage: (words: string) => hear({ words }) };
  const opened = await studio.worker.value.loadModel(given);
  try {
    const longest = asked.options['eval_max_new_tokens'];
    const most = typeof longest === 'number' ? longest : dataOptions.eval_max_new_tokens.default;
    const job = opened.evaluate(rows, { max_new_tokens: most, limit: -1, signal });
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
