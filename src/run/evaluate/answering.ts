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
import type { AnswerCache, CachedAnswer } from './answerCache.ts';
import type { EvaluateContext } from './context.ts';
import type { PendingRow } from './rows.ts';
import { endsAt, upToStop } from './stopStrings.ts';

/** What a rank has answered of a batch. */
interface Answered {
  rows: AnswerRow[];
  /** Of those that the cache may keep. */
  keys: string[];
}

export interface Asking {
  rows: readonly PendingRow[];
  /** Makes a row's prompt. */
  make: (row: PendingRow) => Promise<Example>;
  /** Keeps a batch of answers. */
  keep: (answers: readonly AnswerRow[]) => Promise<void>;
  /** Answers that are known already. */
  cache?: AnswerCache | undefined;
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
  const { rows, total, cache } = asking;
  const size = options.per_device_eval_batch_size;
  const count = Math.ceil(rows.length / size);
  const batchAt = (index: number): readonly PendingRow[] => rows.slice(index * size, (index + 1) * size);
  const promptsOf = (index: number): Promise<Example[]> => Promise.all(batchAt(index).map((row) => asking.make(row)));
  const show = progressLine(terminal, total, total - rows.length);
  const turns = new Turns();
  // The next batch's prompts are made while one is answered, whose next one it will be.
  let next: { index: number; prompts: Promise<Example[]> } | undefined;
  const isEnded = endsAt(processor, options.stop_strings);
  const act = async (index: number): Promise<Answered | undefined> => {
    const prompts = await unlessStopped(next?.index === index ? next.prompts : ahead(promptsOf(index)), stop);
    if (prompts === undefined) return undefined;
    const following = index + world.size;
    next = following < count ? { index: following, prompts: ahead(promptsOf(following)) } : undefined;
    const keys = cache ? await Promise.all(prompts.map((prompt) => cache.keyOf(prompt))) : [];
    const known = prompts.map((_, i) => cache?.get(keys[i] ?? ''));
    const open = prompts.filter((_, i) => known[i] === undefined);
    const written = await generateBatch(device, model, open, {
      maxNewTokens: options.max_new_tokens,
      endIds: processor.endOfTurnIds,
      stop,
      ...(isEnded && { isEnded }),
    });
    const fresh: CachedAnswer[] = [];
    for (const { ids, finish } of written) {
      if (stop.aborted) return undefined;
      const text = await turns.run(() => processor.decode(ids, { skipSpecialTokens: true }));
      const response = finish === 'text' ? upToStop(text, options.stop_strings) : text;
      fresh.push({ response, finish, answer_tokens: ids.length });
    }
    const answers = known.map((answer) => answer ?? fresh.shift()!);
    const batch = batchAt(index).map(({ row }, i): AnswerRow => {
      const { response, ...facts } = answers[i]!;
      return { ...row, response, facts };
    });
    return stop.aborted ? undefined : { rows: batch, keys };
  };
  let answered = total - rows.length;
  const isWhole = await shareOut<Answered>(world, {
    count,
    act,
    async keep(_, { rows: batch, keys }) {
      await cache?.add(keys.map((key, i) => [key, answerOf(batch[i]!)]));
      await asking.keep(batch);
      show((answered += batch.length));
    },
  });
  if (terminal.isTty) terminal.write(CLEAR_LINE);
  return isWhole && (await doAll(world, !stop.aborted));
}

function answerOf({ response, facts }: AnswerRow): CachedAnswer {
  return { response, ...(facts as Omit<CachedAnswer, 'response'>) };
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
