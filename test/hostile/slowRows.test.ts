/** Rows that each take long in this thread: a stop is heard between two of them, and a file of the model that does not come to its end is tried with one row, not with each. */
import { expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { openDataWorkers } from '../../src/run/inputs/dataWorkers.ts';
import { checkRows } from '../../src/data/checking/checkRows.ts';
import type { CheckedRows } from '../../src/data/checking/checkRows.ts';
import { ChatTemplate } from '../../src/data/chat.ts';
import type { ScannedRow } from '../../src/data/conversations/rowFile.ts';
import type { Conversation, Processor } from '../../src/data/example.ts';
import { ExampleMaker } from '../../src/data/exampleMaker.ts';
import { EndlessFile, timeFor } from '../../src/io/timeLimit.ts';
import { Turns } from '../../src/io/turns.ts';
import { UserError } from '../../src/platform.ts';

const ROWS = 40;
const conversation: Conversation = { messages: [{ role: 'user', content: 'How long?' }, { role: 'assistant', content: '12 mm' }], images: [] };

/** Keeps the thread busy. */
function busy(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

/** A processor all of whose work is `work`, and how often it was done. */
function processorOf(work: (turn: number) => void): { processor: Processor; count: () => number } {
  let count = 0;
  const encode = (): never => {
    work(++count);
    throw new UserError('made');
  };
  return { processor: { reserved: [], imageTokens: () => 0, measure: encode, encode } as unknown as Processor, count: () => count };
}

async function* rows(): AsyncGenerator<ScannedRow, void, undefined> {
  for (let index = 0; index < ROWS; index++) {
    yield await Promise.resolve({ index, where: `rows.jsonl:${index + 1}`, row: { conversation, dialect: 'messages', where: `rows.jsonl:${index + 1}` } as unknown as NonNullable<ScannedRow['row']> });
  }
}

const check = (processor: Processor, signal?: AbortSignal): Promise<CheckedRows | undefined> =>
  checkRows(nodePlatform, rows(), { level: 'headers', processor, mask: 'completion', maxTokens: 100, isForTraining: true, ...(signal && { signal }) });

/** As a signal of the system: heard in a turn of the event loop. */
function stopSoon(): AbortSignal {
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 1);
  return stop.signal;
}

const endless = (): never => {
  busy(100);
  throw new EndlessFile('chat_template.jinja: it does not come to an end.');
};

test('pieces that wait together get a turn of the event loop after each that takes long, and none where they take no time', async () => {
  const turns = new Turns();
  let loops = 0;
  const watch = setInterval(() => loops++, 0);
  const before = await Promise.all(Array.from({ length: 5 }, () => turns.run(() => (busy(80), loops))));
  for (const [i, loop] of before.entries()) if (i > 0) expect(loop).toBeGreaterThan(before[i - 1]!);
  const quick = await Promise.all(Array.from({ length: 100 }, () => new Turns().run(() => loops)));
  expect(new Set(quick).size).toBe(1);
  clearInterval(watch);
});

test('the check of rows hears a stop between two rows', async () => {
  const { processor, count } = processorOf(() => busy(80));
  expect(await check(processor, stopSoon())).toBeUndefined();
  expect(count()).toBeLessThan(5);
});

test('the check of rows ends with the first row that shows a file of the model to be endless', async () => {
  const { processor, count } = processorOf(endless);
  await expect(check(processor)).rejects.toThrow(new UserError('rows.jsonl:1: chat_template.jinja: it does not come to an end.'));
  expect(count()).toBe(1);
  // What is wrong with a row goes on being counted.
  expect((await check(processorOf(() => undefined).processor))!.problems).toHaveLength(ROWS);
});

test('rows that are made together in this thread: the first endless file is the last that is tried', async () => {
  const { processor, count } = processorOf(endless);
  const maker = new ExampleMaker(nodePlatform, processor, { mask: 'completion', vocabSize: 10 });
  const made = await Promise.allSettled(Array.from({ length: ROWS }, (_, i) => maker.make({ kind: 'conversation', conversation, where: `row ${i}` })));
  expect(count()).toBe(1);
  for (const [i, result] of made.entries()) {
    expect(result).toMatchObject({ status: 'rejected', reason: new UserError(`row ${i}: chat_template.jinja: it does not come to an end.`) });
  }
});

test('rows that are made together in this thread: none is begun after a stop', async () => {
  const { processor, count } = processorOf(() => busy(80));
  const stop = stopSoon();
  const workers = await openDataWorkers(nodePlatform, { base: '', mask: 'completion', vocabSize: 10, volumeBytes: 0 }, { count: 0, processor, stop });
  const made = await Promise.allSettled(Array.from({ length: ROWS }, (_, i) => workers.make({ kind: 'conversation', conversation, where: `row ${i}` }, '')));
  expect(count()).toBeLessThan(5);
  expect(made.at(-1)).toMatchObject({ status: 'rejected', reason: stop.reason as Error });
});

test('a template that spends what it may is endless, unless what it is given may be why', () => {
  const template = new ChatTemplate('{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}', {}, 'base/chat_template.jinja');
  expect(() => template.render(conversation.messages)).toThrow(EndlessFile);
  expect(() => template.render(conversation.messages)).toThrow(/^base\/chat_template\.jinja, line 1: .* takes more than 5000000 steps/);
  const writing = new ChatTemplate("{% for i in range(100000) %}{{ messages[0].content }}{% endfor %}", {}, 'base/chat_template.jinja');
  const long = { role: 'user', content: 'x'.repeat(200_000) } as const;
  expect(() => writing.render([long])).toThrow(/writes more than/);
  expect(() => writing.render([long])).not.toThrow(EndlessFile);
  expect(() => new ChatTemplate('{{ raise_exception("no") }}', {}, 'base/chat_template.jinja').render(conversation.messages)).not.toThrow(EndlessFile);
});

test('no text takes so long that a second signal would have to wait for more than ten seconds', () => {
  expect(timeFor(0)).toBe(5000);
  expect(timeFor(1e9)).toBeLessThan(9000);
});
