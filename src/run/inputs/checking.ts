/**
 * The pass over a file of rows before the first step, told to a person: a line that counts on a terminal, then what is wrong with which
 * rows.
 */
import { checkRows } from '../../data/checking/checkRows.ts';
import type { CheckedRows, CheckLevel } from '../../data/checking/checkRows.ts';
import { problemsText, reasonTexts } from '../../data/checking/problems.ts';
import { RememberedPictures } from '../../data/checking/remembered.ts';
import type { ScannedRow } from '../../data/conversations/rowFile.ts';
import type { LabelMask, Processor } from '../../data/example.ts';
import { contextLength } from '../../models/contextLength.ts';
import { loadProcessor } from '../../models/processor.ts';
import { countOf, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { countText } from '../../track/console.ts';
import type { Terminal } from '../../track/console.ts';
import { CLEAR_LINE } from '../../track/printable.ts';
import { imageSizes } from '../../options/imageSizes.ts';
import type { ImageSizeOptions } from '../../options/imageSizes.ts';

/** What training, evaluation and inspection alike are given. */
export interface CheckContext {
  readonly platform: Platform;
  readonly options: {
    readonly check_data: Exclude<CheckLevel, 'small'> | null;
    readonly on_bad_row: 'stop' | 'skip';
  } & ImageSizeOptions;
  readonly stop: AbortSignal;
  readonly terminal: Terminal;
  say(text: string): void;
}

/** What lengths are counted by. */
export interface RowModel {
  processor: Processor;
  maxTokens: number;
}

export interface RowSource {
  path: string;
  /** The path is a name for messages. */
  isInMemory?: boolean;
  scan(): AsyncIterable<ScannedRow>;
}

export interface KeptRows {
  /** Numbers of the rows that can be used. */
  kept: Uint32Array;
  /** Rows left out. */
  skipped: number;
  /** Of them in one line, for the run's log. */
  note?: string;
}

const REDRAW_MS = 100;
const LINE_MS = 30_000;

/** @param base folder of the base model @param opened its processor, where it is open already */
export async function openRowModel({ platform, options }: CheckContext, base: string, opened?: Processor): Promise<RowModel> {
  const processor = opened ?? (await loadProcessor(platform, base, imageSizes(options)));
  return { processor, maxTokens: await contextLength(platform, base) };
}

/**
 * The rows that can be used; undefined when Ctrl-C ended the pass. Says how many were looked at, once.
 * @throws UserError that tells of all other rows, unless they are to be left out; where none is left, too
 */
export async function keptRows(
  context: CheckContext,
  source: RowSource,
  model: RowModel,
  { mask, isForTraining }: { mask: LabelMask; isForTraining: boolean },
): Promise<KeptRows | undefined> {
  const { platform, options, stop } = context;
  const level = options.check_data ?? 'small';
  const progress = progressOf(context, source.path);
  const remembered = level === 'none' || source.isInMemory ? undefined : await RememberedPictures.open(platform, source.path);
  const checked = await checkRows(platform, source.scan(), {
    ...model,
    level,
    mask,
    isForTraining,
    signal: stop,
    onProgress: progress.draw,
    ...(remembered && { remembered }),
  }).finally(progress.clear);
  if (checked === undefined) return undefined;
  return decided(context, source.path, checked);
}

function decided({ options, say }: CheckContext, path: string, { rows, problems }: CheckedRows): KeptRows {
  const bad = new Set(problems.map(({ index }) => index));
  const kept = Uint32Array.from(
    { length: rows - bad.size },
    ((next) => () => {
      while (bad.has(next)) next++;
      return next++;
    })(0),
  );
  if (problems.length === 0) {
    say(`${path}: ${countOf(rows, 'row')} checked.`);
    return { kept, skipped: 0 };
  }
  const [first] = problems;
  // One alone is named first, where people look.
  const text =
    problems.length === 1 && first
      ? `${first.message}\nIt is the only one of ${countOf(rows, 'row')} that cannot be used.`
      : problemsText(path, rows, problems);
  if (kept.length === 0) throw new UserError(`${text}\nNo row is left.`);
  if (options.on_bad_row === 'stop') {
    throw new UserError(
      `${text}\nMend ${problems.length === 1 ? 'it' : 'them'}, or leave ${problems.length === 1 ? 'it' : 'them'} out with --on_bad_row ` +
        `skip.`,
    );
  }
  say(`${text}\nLeft out, as --on_bad_row skip says; ${countOf(kept.length, 'row')} ${kept.length === 1 ? 'remains' : 'remain'}.`);
  const note = `${path}: ${problems.length} of ${countOf(rows, 'row')} left out: ${reasonTexts(problems).join(', ')}.`;
  return { kept, skipped: problems.length, note };
}

/** On a terminal a line that is redrawn, elsewhere a line now and then; a quick pass shows nothing. */
function progressOf({ terminal, say }: CheckContext, path: string): { draw: (rows: number) => void; clear: () => void } {
  const startedAt = performance.now();
  let drawnAt = terminal.isTty ? startedAt : startedAt + LINE_MS - REDRAW_MS;
  let isDrawn = false;
  return {
    draw(rows) {
      const now = performance.now();
      if (now - drawnAt < REDRAW_MS) return;
      drawnAt = terminal.isTty ? now : now + LINE_MS - REDRAW_MS;
      const text = `Checking ${path}: ${countText(rows)} rows, ${countText((1000 * rows) / (now - startedAt))} a second`;
      isDrawn = terminal.isTty;
      if (terminal.isTty) terminal.write(`${CLEAR_LINE}${text.slice(0, terminal.columns - 1)}`);
      else say(text);
    },
    clear() {
      if (isDrawn) terminal.write(CLEAR_LINE);
    },
  };
}
