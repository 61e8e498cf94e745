/**
 * `trainer_log.jsonl`: a JSON object a line, appended, so that a crash loses at most a line and a second run adds to the first. Rows of
 * figures hold `step` and Hugging Face's keys, those of training the GPU memory at its highest so far; other lines have an `event`: start
 * (with the options), info, warning, finish. Lines that could not be written (a full disk) wait for the next that can.
 */
import { parseJson } from '../io/parseJson.ts';
import { joinPath } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { printable } from './printable.ts';
import { redactConfig } from './secrets.ts';
import type { Progress, Row, RunInfo, Summary, Tracker } from './tracker.ts';

type JsonlFiles = Pick<Platform, 'appendFile' | 'exists' | 'readFile' | 'writeFile'>;

/** Its name in the output folder. */
export const LOG_FILE = 'trainer_log.jsonl';

export type LogEntry = Readonly<Record<string, unknown>>;

/** A line of it; undefined for what is no object: the cut line of a crash, or somebody else's. */
export function logEntry(line: string): LogEntry | undefined {
  try {
    const entry = parseJson(line);
    return typeof entry === 'object' && entry !== null && !Array.isArray(entry) ? (entry as LogEntry) : undefined;
  } catch {
    return undefined;
  }
}

/** All lines of a run's, as far as they can be read; undefined where there is no log. */
export async function logEntries(platform: Pick<Platform, 'exists' | 'readFile'>, dir: string): Promise<LogEntry[] | undefined> {
  const path = joinPath(dir, LOG_FILE);
  if (!(await platform.exists(path))) return undefined;
  const lines = new TextDecoder().decode(await platform.readFile(path)).split('\n');
  return lines.map(logEntry).filter((entry) => entry !== undefined);
}

/** Characters that wait at most; the figures are in the checkpoints too. */
const WAITING_AT_MOST = 2 ** 20;

/** Appends to `trainer_log.jsonl`, a JSON object a line. */
export class JsonlTracker implements Tracker {
  readonly path: string;
  readonly #platform: JsonlFiles;
  readonly #now: () => number;
  #queue: Promise<void> = Promise.resolve();
  #startedAt = 0;
  #peakBytes = 0;
  /** Lines that are not in the file yet. */
  #waiting = '';
  /** A line may have been cut short. */
  #isTorn = false;

  /** `now` in milliseconds since 1970. */
  constructor(platform: JsonlFiles, path: string, now: () => number = Date.now) {
    this.#platform = platform;
    this.path = path;
    this.#now = now;
  }

  async start(run: RunInfo): Promise<void> {
    this.#startedAt = this.#now();
    // A line that a crash cut short must not swallow the first line of this run.
    let before = (await this.#platform.exists(this.path)) ? await this.#platform.readFile(this.path) : undefined;
    if (run.resumed) {
      const text = withHistory(before === undefined ? '' : new TextDecoder().decode(before), run.resumed.history);
      await this.#platform.writeFile(this.path, text);
      before = new TextEncoder().encode(text);
    }
    const mend = before !== undefined && before.length > 0 && before[before.length - 1] !== 0x0a ? '\n' : '';
    const { name, totalSteps, firstStep, facts, config } = run;
    await this.#append({ event: 'start', time: this.#time(), name, total_steps: totalSteps, first_step: firstStep, facts, config }, mend);
  }

  progress({ peakBytes }: Progress): void {
    this.#peakBytes = peakBytes;
  }

  log(row: Row, step: number): Promise<void> {
    const memory = this.#peakBytes > 0 && 'loss' in row ? { gpu_peak_bytes: this.#peakBytes } : {};
    return this.#append({ step, ...row, ...memory, elapsed_seconds: (this.#now() - this.#startedAt) / 1000 });
  }

  event(level: 'info' | 'warning', text: string): Promise<void> {
    return this.#append({ event: level, time: this.#time(), text });
  }

  finish({ outcome, figures, files }: Summary): Promise<void> {
    return this.#append({ event: 'finish', time: this.#time(), outcome, ...figures, files });
  }

  #time(): string {
    return new Date(this.#now()).toISOString();
  }

  /** One line after the other, in the order told, even where the caller does not wait. */
  #append(entry: Row | Record<string, unknown>, before = ''): Promise<void> {
    const line = `${before}${printable(JSON.stringify(redactConfig(entry), asJson))}\n`;
    const written = this.#queue.then(() => this.#write(line));
    this.#queue = written.catch(() => undefined); // the caller hears of it; the line waits
    return written;
  }

  async #write(line: string): Promise<void> {
    this.#waiting += line;
    if (this.#waiting.length > WAITING_AT_MOST)
      this.#waiting = this.#waiting.slice(this.#waiting.indexOf('\n', this.#waiting.length - WAITING_AT_MOST) + 1);
    const text = this.#waiting;
    if (this.#isTorn) await this.#platform.writeFile(this.path, (await this.#wholeLines()) + text);
    else {
      this.#isTorn = true;
      await this.#platform.appendFile(this.path, text);
    }
    this.#isTorn = false;
    this.#waiting = '';
  }

  async #wholeLines(): Promise<string> {
    if (!(await this.#platform.exists(this.path))) return '';
    const text = new TextDecoder().decode(await this.#platform.readFile(this.path));
    return text.slice(0, text.lastIndexOf('\n') + 1);
  }
}

/**
 * The log up to where a run goes on: rows that its checkpoint does not have are dropped, since they come again; rows that were lost (a
 * power cut, or another folder) come back from the checkpoint. Events stay, the cut line of a crash does not.
 */
function withHistory(text: string, history: readonly Row[]): string {
  const keyOf = (row: Record<string, unknown>): string => `${String(row['step'])} ${'loss' in row ? 'train' : 'eval'}`;
  const places = new Map(history.map((row, place) => [keyOf(row), place]));
  const lines: string[] = [];
  let next = 0;
  const restoreBefore = (place: number): void => {
    for (; next < place; next++) lines.push(JSON.stringify(history[next], asJson));
  };
  for (const line of text.split('\n')) {
    let entry: unknown;
    try {
      entry = parseJson(line);
    } catch {
      continue;
    }
    if (typeof entry !== 'object' || entry === null) continue;
    if ('event' in entry) lines.push(line);
    const place = places.get(keyOf(entry as Record<string, unknown>)) ?? -1;
    if (place < next) continue;
    restoreBefore(place);
    lines.push(line);
    next++;
  }
  restoreBefore(history.length);
  return lines.map((line) => `${line}\n`).join('');
}

/** JSON has no NaN: as text, Python's float() and pandas read it back, where null would hide it. */
function asJson(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}
