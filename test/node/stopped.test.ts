/** A stop while rows are made ahead of their turn: it ends as a stop, whatever becomes of those rows, and nobody's rejection ends the process. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { answerRows } from '../../src/run/evaluate/answering.ts';
import type { EvaluateContext } from '../../src/run/evaluate/context.ts';
import type { PendingRow } from '../../src/run/evaluate/rows.ts';
import type { Example } from '../../src/data/example.ts';
import { ahead, unlessStopped } from '../../src/io/ahead.ts';
import { allOf } from '../../src/track/tracker.ts';
import { RowEvaluator } from '../../src/train/evaluation.ts';
import type { Session } from '../../src/train/session.ts';

/** In place of vitest's own listeners, which would fail the run. */
let others: NodeJS.UnhandledRejectionListener[] = [];
let unhandled: unknown[] = [];
beforeEach(() => {
  others = process.listeners('unhandledRejection');
  unhandled = [];
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', (reason) => unhandled.push(reason));
});
afterEach(() => {
  process.removeAllListeners('unhandledRejection');
  for (const other of others) process.on('unhandledRejection', other);
});

const soon = (milliseconds = 20): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
/** What a row's maker ends with whose worker is ended under it. */
const dying = async (): Promise<Example> => {
  await soon();
  throw new Error('ended under its work');
};
const stopAfter = (milliseconds: number): AbortSignal => {
  const stop = new AbortController();
  if (milliseconds === 0) stop.abort();
  else setTimeout(() => stop.abort(), milliseconds);
  return stop.signal;
};
const session = { processor: { endOfTurnIds: [] } } as unknown as Session;

describe.each([0, 5])('a stop %i ms after the rows are asked for', (milliseconds) => {
  test('while questions are made: no answers, and no error', async () => {
    const context = { options: { per_device_eval_batch_size: 2, stop_strings: [] }, stop: stopAfter(milliseconds), terminal: { write: () => undefined, isTty: false, columns: 80 } };
    const rows = Array.from({ length: 5 }, () => ({}) as PendingRow);
    const asking = { rows, make: dying, keep: () => Promise.reject(new Error('there is nothing to keep')), total: 5 };
    expect(await answerRows(context as unknown as EvaluateContext, session, asking)).toBe(false);
    await soon(60);
    expect(unhandled).toEqual([]);
  });

  test.each([0, 2])('while rows of an evaluation are made (%i of them asked): no figures, and no error', async (eval_generate) => {
    const evaluator = new RowEvaluator(
      { length: 5, get: dying, ask: dying },
      { per_device_eval_batch_size: 2, eval_generate, eval_max_new_tokens: 1, parser: 'robust', seed: 0 },
    );
    expect(await evaluator.evaluate(session, { step: 0, tracker: allOf([]), stop: stopAfter(milliseconds) })).toBeUndefined();
    await soon(60);
    expect(unhandled).toEqual([]);
  });
});

test('work ahead of its turn fails where it is awaited, and a stop is waited for by nobody', async () => {
  const failed = ahead(Promise.reject(new Error('told late')));
  await soon();
  expect(unhandled).toEqual([]);
  await expect(failed).rejects.toThrow('told late');
  await expect(unlessStopped(failed, new AbortController().signal)).rejects.toThrow('told late');
  await expect(unlessStopped(failed, undefined)).rejects.toThrow('told late');
  expect(await unlessStopped(Promise.resolve([1]), new AbortController().signal)).toEqual([1]);
  expect(await unlessStopped(Promise.resolve([1]), AbortSignal.abort())).toBeUndefined();
  expect(await unlessStopped(new Promise<object>(() => undefined), stopAfter(5))).toBeUndefined();
});
