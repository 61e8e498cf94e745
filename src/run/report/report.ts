/** `node dist/report.js`: the page of one run made again, or of several beside each other. */
import { checkReplaceable, OWN_PAGE } from '../../io/foreignFiles.ts';
import type { ReportOptions } from '../../options/report.ts';
import { joinPath, parentPath, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import type { Terminal } from '../../track/console.ts';
import { inOutputFolder } from '../outputFolder.ts';
import { caution, comparePage, comparisonText, differencesOf, figuresBeside } from './compare.ts';
import { REPORT_FILE } from './forget.ts';
import { runPage } from './page.ts';
import { openRun } from './run.ts';
import type { Run } from './run.ts';

export interface ReportContext {
  readonly platform: Platform;
  readonly options: ReportOptions;
  readonly stop: AbortSignal;
  readonly terminal: Terminal;
}

/** Writes the page and says where it is; of several runs also how they differ, in short. @throws UserError for a folder that is no run */
export async function runReport({ platform, options, stop, terminal }: ReportContext): Promise<void> {
  const [first = ''] = options.runs;
  const isAlone = options.runs.length === 1;
  const out = options.out ?? (isAlone ? joinPath(first, REPORT_FILE) : REPORT_FILE);
  const runs: Run[] = [];
  for (const dir of options.runs) runs.push(await openRun(platform, dir));
  await checkReplaceable(platform, out, OWN_PAGE, '--out', options.overwrite);
  const write = async (on: Platform): Promise<void> => {
    const page = isAlone ? await runPage(runs[0]!) : await comparePage(runs);
    // It shows patients.
    await on.writeFile(out, page, { isPrivate: true });
  };
  if (options.out === null && isAlone) {
    if (!runs[0]!.hasRecord && (await platform.exists(out)))
      throw new UserError(
        `${out} is the page of a program that leaves no report.json, and says more than could be said again. Name another one by --out.`,
      );
    const say = (text: string): void => terminal.write(`${text}\n`);
    await inOutputFolder({ platform, stop, say }, first, '--runs', (held) => write(held.platform));
  } else {
    await platform.makeDir(parentPath(out));
    await write(platform);
  }
  if (!isAlone) {
    const { names, rows } = differencesOf(runs);
    const figures = figuresBeside(runs);
    if (figures.rows.length > 0) terminal.write(`${comparisonText(figures)}\n* the best\n${caution(runs)}\n`.replace(/\n+$/, '\n\n'));
    const few = rows.filter(({ cells }) => cells.every((cell) => cell.length <= MOST_CHARACTERS)).slice(0, MOST_ROWS);
    const more = rows.length > few.length ? `${rows.length - few.length} more on the page.\n` : '';
    if (few.length > 0) terminal.write(`What differs:\n${comparisonText({ names, rows: few })}\n${more}\n`);
  }
  terminal.write(`${out}. Open it in a browser.\n`);
}

/** What of the settings is short enough for a terminal; the page shows all. */
const MOST_CHARACTERS = 40;
const MOST_ROWS = 20;
