/** `--samples`: answers that exist already, read and scored again. */
import { readRow, scoreRow } from '../../data/medvision/answerRows.ts';
import type { ScoredRow } from '../../data/medvision/answerRows.ts';
import { UserError } from '../../platform.ts';
import type { EvaluateContext } from './context.ts';
import { RowChoice } from './rows.ts';

/** `<ts>_samples_<task>.jsonl`, as lmms-eval names its files. */
const TASK_IN_NAME = /samples_([^/]+)\.jsonl$/;

/** Rows of all files, in their order, of each task at most `--limit`. @throws UserError with file:line */
export async function rescore({ platform, options, say }: EvaluateContext): Promise<ScoredRow[]> {
  const rows: ScoredRow[] = [];
  const choice = new RowChoice(options);
  for (const path of options.samples) {
    if (!(await platform.exists(path)) || (await platform.isDirectory(path)))
      throw new UserError(`--samples ${path}: there is no such file; JSON lines of answers are expected.`);
    const task = TASK_IN_NAME.exec(path)?.[1];
    const lines = new TextDecoder().decode(await platform.readFile(path)).split('\n');
    for (const [i, line] of lines.entries()) {
      if (line.trim() === '') continue;
      const row = readRow(line, rows.length, `${path}:${i + 1}`, task);
      if (choice.next(row.asked?.task ?? '') !== 'take') continue;
      // Rows of several files are numbered anew.
      rows.push(scoreRow(options.samples.length > 1 ? { ...row, id: rows.length } : row, options.parser));
    }
  }
  for (const note of choice.notes()) say(`Note: ${note}.`);
  if (rows.length === 0) throw new UserError(`--samples ${options.samples.join(', ')}: no answers in it.`);
  return rows;
}
