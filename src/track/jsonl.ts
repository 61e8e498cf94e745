/**
 * `trainer_log.jsonl`: a JSON object a line, appended, so that a crash loses at most a line and a second run adds to the first. Rows of figures hold
 * `step` and Hugging Face's keys; other lines have an `event`: start (with the options), info, warning, finish.
 */
import type { Platform } from '../platform.ts';
import { redact, redactConfig } from './tracker.ts';
import type { Row, RunInfo, Summary, Tracker } from './tracker.ts';

export class JsonlTracker implements Tracker {
  readonly path: string;
  readonly #platform: Pick<Platform, 'appendFile' | 'exists' | 'readFile'>;
  readonly #now: () => number;
  #queue: Promise<void> = Promise.resolve();
  #startedAt = 0;

  /** `now` in milliseconds since 1970. */
  constructor(platform: Pick<Platform, 'appendFile' | 'exists' | 'readFile'>, path: string, now: () => number = Date.now) {
    this.#platform = platform;
    this.path = path;
    this.#now = now;
  }

  async start(run: RunInfo): Promise<void> {
    this.#startedAt = this.#now();
    // A line that a crash cut short must not swallow the first line of this run.
    const before = (await this.#platform.exists(this.path)) ? await this.#platform.readFile(this.path) : undefined;
    const mend = before !== undefined && before.length > 0 && before[before.length - 1] !== 0x0a ? '\n' : '';
    const { name, totalSteps, firstStep, facts, config } = run;
    await this.#append({ event: 'start', time: this.#time(), name, total_steps: totalSteps, first_step: firstStep, facts, config: redactConfig(config) }, mend);
  }

  progress(): void {}

  log(row: Row, step: number): Promise<void> {
    return this.#append({ step, ...row, elapsed_seconds: (this.#now() - this.#startedAt) / 1000 });
  }

  event(level: 'info' | 'warning', text: string): Promise<void> {
    return this.#append({ event: level, time: this.#time(), text: redact(text) });
  }

  finish({ outcome, figures, files }: Summary): Promise<void> {
    return this.#append({ event: 'finish', time: this.#time(), outcome, ...figures, files });
  }

  #time(): string {
    return new Date(this.#now()).toISOString();
  }

  /** One line after the other, in the order told, even where the caller does not wait. */
  #append(entry: Row | Record<string, unknown>, before = ''): Promise<void> {
    const line = `${before}${JSON.stringify(entry, asJson)}\n`;
    const written = this.#queue.then(() => this.#platform.appendFile(this.path, line));
    this.#queue = written.catch(() => undefined); // the caller hears of it; later lines are tried again
    return written;
  }
}

/** JSON has no NaN: as text, Python's float() and pandas read it back, where null would hide it. */
function asJson(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}
