/** A run under way, as the page follows it. It goes on while other steps are looked at. */
import { signal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import type { FineTuneResult, RunEvent } from '../../src/api/fineTune.ts';
import type { Job } from '../../src/api/job.ts';
import type { LogRow } from '../../src/train/checkpointFolder.ts';
import { pageWords } from '../studio/pageWords.ts';
import { Pace } from './pace.ts';
import type { RunState } from './runState.ts';

/** A held-out row's picture at an evaluation, the answer drawn in. */
export interface ShownPicture {
  step: number;
  png: Uint8Array;
  width: number;
  height: number;
  caption: string;
}

const REDRAW_MS = 100;
/** Messages that are kept for the log. */
const MESSAGES = 300;

export class LiveRun {
  readonly name: string;
  /** Counts what has changed, at most ten times a second: who reads it draws anew. */
  readonly changes: Signal<number> = signal(0);
  readonly pace = new Pace();
  state: RunState = 'starting';
  step = 0;
  total = 0;
  peakBytes = 0;
  /** Held-out rows that are evaluated and answered, of how many; null: none are being. */
  evaluating: { done: number; total: number } | null = null;
  facts: Readonly<Record<string, number | string>> = {};
  /** Rows of figures, oldest first. */
  rows: LogRow[];
  messages: { level: 'info' | 'warning'; text: string }[] = [];
  /** By the picture's key, oldest first. Another map when one comes: views whose properties are the same are not drawn anew. */
  pictures: ReadonlyMap<string, readonly ShownPicture[]> = new Map();
  /** What went wrong after the training had come to its end: its report, for one, was not written. */
  endWarnings: string[] = [];
  result: FineTuneResult | undefined;
  /** What it failed with. */
  error: unknown;
  readonly #job: Job<RunEvent, FineTuneResult>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #drawnAt = -Infinity;
  #hasNewRows = false;
  #isTrained = false;
  #end: () => void = () => undefined;
  /** Settles when it is over, whatever its end. */
  readonly over: Promise<void>;

  /** @param earlier rows of figures, of a run that goes on */
  constructor(name: string, job: Job<RunEvent, FineTuneResult>, earlier: readonly LogRow[] = []) {
    this.name = name;
    this.rows = [...earlier];
    this.#job = job;
    const ended = new Promise<void>((end) => (this.#end = end));
    this.over = Promise.race([this.#follow(), ended]);
  }

  get isOver(): boolean {
    return this.state === 'paused' || this.state === 'finished' || this.state === 'failed' || this.state === 'ended';
  }

  /** Saves and ends; it can go on later. */
  pause(): void {
    if (this.isOver) return;
    this.#job.stop();
    this.state = 'pausing';
    this.#changed(true);
  }

  /** The worker was ended: nothing more will come. */
  end(): void {
    if (this.isOver) return;
    this.state = 'ended';
    this.#changed(true);
    this.#end();
  }

  async #follow(): Promise<void> {
    try {
      for await (const event of this.#job) this.#hear(event);
      this.result = await this.#job;
      this.state = this.result.outcome === 'finished' ? 'finished' : 'paused';
    } catch (error) {
      this.error = error;
      this.state = 'failed';
    }
    this.#changed(true);
  }

  #hear(event: RunEvent): void {
    switch (event.kind) {
      case 'start':
        this.step = event.firstStep;
        this.total = event.totalSteps;
        this.facts = event.facts;
        // What was logged after the checkpoint comes again.
        this.rows = this.rows.filter(({ step }) => step <= event.firstStep);
        this.pace.start(event.totalSteps);
        break;
      case 'progress':
        if (this.state === 'starting') this.state = 'running';
        this.step = event.step;
        this.peakBytes = event.peakBytes;
        this.pace.progress(event);
        break;
      case 'evaluating':
        this.evaluating = event;
        break;
      case 'figures':
        if (!('loss' in event.figures)) this.evaluating = null;
        this.rows.push(numbersOf(event.figures, event.step));
        this.#hasNewRows = true;
        if (!('loss' in event.figures)) this.pace.evaluated();
        break;
      case 'picture': {
        const { png, width, height, caption } = event.picture;
        const shown = { step: event.step, png, width, height, caption };
        this.pictures = new Map([...this.pictures, [event.key, [...(this.pictures.get(event.key) ?? []), shown]]]);
        break;
      }
      case 'message':
        if (this.#isTrained && event.level === 'warning') this.endWarnings = [...this.endWarnings, pageWords(event.text)];
        this.messages = [...this.messages, { level: event.level, text: pageWords(event.text) }].slice(-MESSAGES);
        break;
      case 'finish':
        this.#isTrained = true;
        break;
    }
    this.#changed();
  }

  #changed(isUrgent = false): void {
    const draw = (): void => {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#drawnAt = performance.now();
      // Whoever draws them is told by a new list.
      if (this.#hasNewRows) this.rows = [...this.rows];
      this.#hasNewRows = false;
      this.changes.value++;
    };
    if (isUrgent) return draw();
    this.#timer ??= setTimeout(draw, Math.max(0, this.#drawnAt + REDRAW_MS - performance.now()));
  }
}

function numbersOf(figures: Readonly<Record<string, number | string>>, step: number): LogRow {
  const numbers = Object.entries(figures).filter(([, value]) => typeof value === 'number');
  return { ...(Object.fromEntries(numbers) as Record<string, number>), step, epoch: Number(figures['epoch'] ?? NaN) };
}
