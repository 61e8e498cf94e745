/**
 * Work under way. `await job` is its result; `for await (const event of job)` goes through what it tells until it is done, and throws what
 * it fails with. Both may be done, in this order; leaving the loop early does not end the work, `stop` does.
 */
import { UserError } from '../platform.ts';

export interface JobHow<Event> {
  /** Asks the work to end, as `stop` does. */
  signal?: AbortSignal | undefined;
  /** For somebody who is slower than the work: one event in the place of two that follow each other, where that loses nothing. */
  joined?: ((last: Event, next: Event) => Event | undefined) | undefined;
}

/** @throws UserError for what is none, as the AbortController that has it: nothing would ever stop */
export function checkSignal(signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new UserError('signal should be an AbortSignal: the `signal` of an AbortController, or AbortSignal.timeout(…).');
}

interface Listener<Event> {
  queue: Event[];
  wake: () => void;
}

/** Work under way, that is awaited for its result or gone through for its events. */
export class Job<Event, Result> implements PromiseLike<Result>, AsyncIterable<Event> {
  readonly #result: Promise<Result>;
  readonly #listeners = new Set<Listener<Event>>();
  readonly #stop = new AbortController();
  #isDone = false;

  /** @param work begins in the next turn, so that whoever listens at once hears all of it */
  constructor(work: (tell: (event: Event) => void, stop: AbortSignal) => Promise<Result>, { signal, joined }: JobHow<Event> = {}) {
    checkSignal(signal);
    const stop = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    const tell = (event: Event): void => {
      for (const { queue, wake } of this.#listeners) {
        const last = queue.at(-1);
        const both = last === undefined ? undefined : joined?.(last, event);
        if (both === undefined) queue.push(event);
        else queue[queue.length - 1] = both;
        wake();
      }
    };
    this.#result = Promise.resolve()
      .then(() => work(tell, stop))
      .finally(() => {
        this.#isDone = true;
        for (const { wake } of this.#listeners) wake();
      });
  }

  /** Asks the work to end: it saves what is done, and its result says that it was stopped. */
  stop(): void {
    this.#stop.abort();
  }

  // eslint's no-floating-promises sees a job that nobody awaits, since it can be awaited.
  then<Done = Result, Failed = never>(
    done?: ((result: Result) => Done | PromiseLike<Done>) | null,
    failed?: ((reason: unknown) => Failed | PromiseLike<Failed>) | null,
  ): Promise<Done | Failed> {
    return this.#result.then(done, failed);
  }

  /** From now on; what was told before is not told again. */
  [Symbol.asyncIterator](): AsyncGenerator<Event, void, undefined> {
    const listener: Listener<Event> = { queue: [], wake: () => undefined };
    this.#listeners.add(listener);
    this.#result.catch(() => undefined); // whoever listens is told
    return this.#listen(listener);
  }

  async *#listen(listener: Listener<Event>): AsyncGenerator<Event, void, undefined> {
    try {
      for (;;) {
        for (let next = listener.queue.shift(); next !== undefined; next = listener.queue.shift()) yield next;
        if (this.#isDone) break;
        await new Promise<void>((wake) => {
          listener.wake = wake;
        });
      }
    } finally {
      this.#listeners.delete(listener);
    }
    await this.#result;
  }
}
