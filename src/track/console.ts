/**
 * A run on the console. On a terminal: one line redrawn in place (bar, loss, learning rate, tokens a second, memory, time left). Anywhere
 * else, a log file or a pipe: a line for every row of figures. Both end in a table. Text goes through a Terminal, so that Node, a worker
 * and a test look alike; there are no colours, so that nothing needs to be switched off.
 */
import { countOf } from '../platform.ts';
import { CLEAR_LINE } from './printable.ts';
import { redact } from './secrets.ts';
import type { Progress, Row, RunInfo, Summary, Tracker } from './tracker.ts';

export interface Terminal {
  write(text: string): void;
  readonly isTty: boolean;
  /** Width now; a terminal can be resized. */
  readonly columns: number;
}

/** Where nobody reads along. */
export const SILENT: Terminal = { write: () => undefined, isTty: false, columns: 100 };

/** Steps over which speed is measured, and the least time between two drawings. */
const WINDOW_STEPS = 32;
const REDRAW_MS = 100;

/** What a run shows on a terminal, or writes to a log file. */
export class ConsoleTracker implements Tracker {
  readonly #terminal: Terminal;
  readonly #now: () => number;
  #total = 0;
  #startedAt = 0;
  /** When the last step or row came, and the time of training that evaluations have taken, in ms. */
  #heardAt = 0;
  #pausedMs = 0;
  /** `#pausedMs` and the step when the first step was over. */
  #afterFirst: { pausedMs: number; step: number } | undefined;
  #drawnAt = -Infinity;
  #barShown = false;
  #latest: Progress = { step: 0, tokens: 0, peakBytes: 0 };
  #row: Row = {};
  #losses: { step: number; loss: number }[] = [];
  #points: { time: number; step: number; tokens: number }[] = [];

  /** `now` in milliseconds. */
  constructor(terminal: Terminal, now: () => number = Date.now) {
    this.#terminal = terminal;
    this.#now = now;
  }

  start(run: RunInfo): Promise<void> {
    this.#total = run.totalSteps;
    this.#startedAt = this.#heardAt = this.#now();
    this.#latest = { step: run.firstStep, tokens: 0, peakBytes: 0 };
    // The steps stand in the line above.
    const facts = Object.entries(run.facts)
      .filter(([name]) => name !== 'steps')
      .map(([name, value]): [string, string] => [name, figureText(name, value)]);
    this.#terminal.write(redact(`${run.name}: ${countOf(run.totalSteps, 'step')}\n${table(facts)}`));
    this.#draw();
    return Promise.resolve();
  }

  progress(now: Progress): void {
    this.#latest = now;
    this.#heardAt = this.#now();
    // The first step compiles pipelines, so that time is measured from its end on; before the second there is no estimate.
    this.#afterFirst ??= { pausedMs: this.#pausedMs, step: now.step };
    this.#points.push({ time: this.#heardAt - this.#pausedMs, step: now.step, tokens: now.tokens });
    if (this.#points.length > WINDOW_STEPS) this.#points.shift();
    if (this.#now() - this.#drawnAt >= REDRAW_MS || now.step === this.#total) this.#draw();
  }

  log(row: Row, step: number): Promise<void> {
    if (!('loss' in row)) {
      const now = this.#now();
      this.#pausedMs += now - this.#heardAt;
      this.#heardAt = now;
    }
    if (typeof row.loss === 'number') this.#losses.push({ step, loss: row.loss });
    if (this.#terminal.isTty && 'loss' in row) {
      this.#row = row;
      this.#draw();
    } else {
      const figures = Object.entries(row).map(([name, value]) => `${shortName(name)} ${figureText(name, value)}`);
      const speed = 'loss' in row ? this.#speed() : [];
      this.#line([`step ${step}/${this.#total}`, ...figures, ...speed].join('  '));
    }
    return Promise.resolve();
  }

  event(level: 'info' | 'warning', text: string): Promise<void> {
    this.#line(level === 'warning' ? `Warning: ${text}` : text);
    return Promise.resolve();
  }

  finish({ outcome, figures, files }: Summary): Promise<void> {
    const rows: [string, string][] = [];
    const [first, last] = [this.#losses[0], this.#losses.at(-1)];
    if (first && last) {
      const least = this.#losses.reduce((a, b) => (b.loss < a.loss ? b : a));
      rows.push(['loss', `${lossText(first.loss)} → ${lossText(last.loss)}, lowest ${lossText(least.loss)} at step ${least.step}`]);
    }
    const seconds = (this.#now() - this.#startedAt) / 1000;
    const { tokens } = this.#latest;
    if (tokens > 0) rows.push(['tokens', `${countText(tokens)}, ${countText(tokens / Math.max(seconds, 1e-3))} a second`]);
    if (this.#latest.peakBytes > 0) rows.push(['peak memory', bytesText(this.#latest.peakBytes)]);
    rows.push(...Object.entries(figures).map(([name, value]): [string, string] => [name, figureText(name, value)]));
    rows.push(...files.map((file, i): [string, string] => [i === 0 ? 'written' : '', file]));
    this.#line(
      redact(`Run ${outcome}: step ${this.#latest.step} of ${this.#total}, ${durationText(seconds)}\n${table(rows)}`).trimEnd(),
      false,
    );
    return Promise.resolve();
  }

  /** A line of its own, above the bar. */
  #line(text: string, withBar = true): void {
    this.#terminal.write(`${this.#barShown ? CLEAR_LINE : ''}${redact(text)}\n`);
    this.#barShown = false;
    if (withBar) this.#draw();
  }

  #draw(): void {
    if (!this.#terminal.isTty || this.#total === 0) return;
    this.#drawnAt = this.#now();
    this.#barShown = true;
    // One column is left free: a full line makes some terminals wrap.
    this.#terminal.write(CLEAR_LINE + this.#bar(this.#terminal.columns - 1));
  }

  /** The line, at most `width` wide: figures go first from the right, then the bar. */
  #bar(width: number): string {
    const { step } = this.#latest;
    const head = `${String(step).padStart(String(this.#total).length)}/${this.#total}`;
    const figures: string[] = [];
    const { loss, learning_rate: rate } = this.#row;
    if (loss !== undefined) figures.push(`loss ${figureText('loss', loss)}`);
    if (rate !== undefined) figures.push(`lr ${figureText('learning_rate', rate)}`);
    const wanted = [...figures, ...this.#speed()];
    while (wanted.length > 0 && `${head}  ${wanted.join('  ')}`.length + 14 > width) wanted.pop();
    const tail = wanted.map((figure) => `  ${figure}`).join('');
    const room = Math.min(30, width - head.length - tail.length - 3);
    const bar = room >= 4 ? ` ▕${blocks(step / this.#total, room)}▏` : '';
    return `${head}${bar}${tail}`.slice(0, Math.max(0, width));
  }

  /**
   * Time left, tokens a second, memory: the most wanted first. Evaluations count by their share of the steps so far, and not where they
   * happen to fall into the window: there they would count several times, or not at all.
   */
  #speed(): string[] {
    const [from, to] = [this.#points[0], this.#points.at(-1)];
    const figures: string[] = [];
    if (from && to && to.step > from.step && to.time > from.time) {
      const since = this.#afterFirst ?? { pausedMs: this.#pausedMs, step: to.step };
      const pausePerStep = (this.#pausedMs - since.pausedMs) / Math.max(1, to.step - since.step);
      const perStep = ((to.time - from.time) / (to.step - from.step) + pausePerStep) / 1000;
      figures.push(`${durationText(perStep * (this.#total - to.step))} left`);
      if (to.tokens > from.tokens) figures.push(`${countText(((to.tokens - from.tokens) * 1000) / (to.time - from.time))} tok/s`);
    }
    if (this.#latest.peakBytes > 0) figures.push(bytesText(this.#latest.peakBytes));
    return figures;
  }
}

function blocks(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const part = eighths % 8 === 0 ? '' : '▏▎▍▌▋▊▉'.charAt((eighths % 8) - 1);
  return ('█'.repeat(Math.floor(eighths / 8)) + part).padEnd(width);
}

function table(rows: readonly [string, string][]): string {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}\n`).join('');
}

function shortName(name: string): string {
  return name === 'learning_rate' ? 'lr' : name;
}

function figureText(name: string, value: number | string): string {
  if (typeof value === 'string') return value;
  if (!Number.isFinite(value)) return String(value);
  if (/bytes$/i.test(name)) return bytesText(value);
  if (/_runtime$|seconds$/.test(name) && !/per_second/.test(name)) return durationText(value);
  if (/learning_rate$|^lr$/.test(name)) return value === 0 ? '0' : value.toExponential(2);
  if (/loss$/.test(name)) return lossText(value);
  if (Number.isInteger(value)) return value >= 1e6 ? countText(value) : String(value);
  return String(Number(value.toPrecision(4)));
}

function lossText(loss: number): string {
  return !Number.isFinite(loss) ? String(loss) : Math.abs(loss) >= 1e-3 && Math.abs(loss) < 1e4 ? loss.toFixed(4) : loss.toExponential(3);
}

/** 950, 1.2k, 3.45M. */
export function countText(count: number): string {
  if (count < 1000) return count < 10 && !Number.isInteger(count) ? count.toFixed(1) : String(Math.round(count));
  const [unit, name] = count < 999_500 ? [1e3, 'k'] : count < 999_500_000 ? [1e6, 'M'] : [1e9, 'G'];
  return `${String(Number((count / unit).toPrecision(3)))}${name}`;
}

/** Powers of 1024, as GPU tools count: 512 MiB, 3.4 GiB. */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  let value = bytes;
  while (value >= 1023.5 && at < units.length - 1) [value, at] = [value / 1024, at + 1];
  return `${value < 10 && at > 0 ? value.toFixed(1) : Math.round(value)} ${units[at] ?? ''}`;
}

/** 12 s, 3:07, 1:02:03. */
export function durationText(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const whole = Math.round(seconds);
  if (whole < 60) return seconds < 10 && !Number.isInteger(seconds) ? `${seconds.toFixed(1)} s` : `${whole} s`;
  const two = (n: number): string => String(n).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
