/**
 * The model is asked for every row that has no answer yet, a batch at a time, by every rank; each batch's answers are on disk before
 * that rank's next one is begun.
 */
import type { Example } from '../../data/example.ts';
import type { AnswerRow } from '../../data/medvision/answerRows.ts';
import { ahead, unlessStopped } from '../../io/ahead.ts';
import { Turns } from '../../io/turns.ts';
import { generateBatch } from '../../models/generate.ts';
import { countText, durationText } from '../../track/console.ts';
import { CLEAR_LINE } from '../../track/printable.ts';
import type { Session } from '../../train/session.ts';
import { shareOut } from '../../world/shareOut.ts';
import { ALONE, doAll } from '../../world/world.ts';
import type { EvaluateContext } from './context.ts';
import type { PendingRow } from './rows.ts';

export interface Asking {
  rows: readonly PendingRow[];
  /** Makes a row's prompt. */
  make: (row: PendingRow) => Promise<Example>;
  /** Keeps a batch of answers. */
  keep: (answers: readonly AnswerRow[]) => Promise<void>;
  /** Of how many rows, answered before among them, for the progress line. */
  total: number;
}

const LINE_MS = 30_000;
const REDRAW_MS = 200;

/** @returns false when Ctrl-C ended it: a batch that was being written is not kept */
export async function answerRows(
  { options, stop, terminal, world = ALONE }: EvaluateContext,
  { device, model, processor }: Session,
  asking: Asking,
): Promise<boolean> {
  const { rows, total } = asking;
  const size = options.per_device_eval_batch_size;
  const count = Math.ceil(rows.length / size);
  const batchAt = (index: number): readonly PendingRow[] => rows.slice(index * size, (index + 1) * size);
  const promptsOf = (index: number): Promise<Example[]> => Promise.all(batchAt(index).map((row) => asking.make(row)));
  const show = progressLine(terminal, total, total - rows.length);
  const turns = new Turns();
  // The next batch's prompts are made while one is answered, whose next one it will be.
  let next: { index: number; prompts: Promise<Example[]> } | undefined;
  const act = async (index: number): Promise<AnswerRow[] | undefined> => {
    const prompts = await unlessStopped(next?.index === index ? next.prompts : ahead(promptsOf(index)), stop);
    if (prompts === undefined) return undefined;
    const following = index + world.size;
    next = following < count ? { index: following, prompts: ahead(promptsOf(following)) } : undefined;
    const written = await generateBatch(device, model, prompts, {
      maxNewTokens: options.max_new_tokens,
      endIds: processor.endOfTurnIds,
      stop,
    });
    const batch: AnswerRow[] = [];
    for (const [i, { ids, finish }] of written.entries()) {
      if (stop.aborted) return undefined;
      const response = await turns.run(() => processor.decode(ids, { skipSpecialTokens: true }));
      batch.push({ ...batchAt(index)[i]!.row, response, facts: { finish, answer_tokens: ids.length } });
    }
    return stop.aborted ? undefined : batch;
  };
  let answered = total - rows.length;
  const isWhole = await shareOut<AnswerRow[]>(world, {
    count,
    act,
    async keep(_, batch) {
      await asking.keep(batch);
      show((answered += batch.length));
    },
  });
  if (terminal.isTty) terminal.write(CLEAR_LINE);
  return isWhole && (await doAll(world, !stop.aborted));
}

/** On a terminal one line that is redrawn; in a log a line now and then. */
function progressLine(terminal: EvaluateContext['terminal'], total: number, before: number): (done: number) => void {
  const startedAt = Date.now();
  let drawnAt = terminal.isTty ? 0 : startedAt;
  return (done) => {
    const now = Date.now();
    if (done < total && now - drawnAt < (terminal.isTty ? REDRAW_MS : LINE_MS)) return;
    drawnAt = now;
    const seconds = (now - startedAt) / 1000;
    const left = done < total ? `, ${durationText(((total - done) * seconds) / Math.max(1, done - before))} left` : '';
    const text = `${countText(done)} of ${countText(total)} answered${left}`;
    terminal.write(terminal.isTty ? `${CLEAR_LINE}${text}`.slice(0, terminal.columns + 3) : `${text}\n`);
  };
}
