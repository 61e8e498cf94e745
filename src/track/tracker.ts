import { errorText } from '../platform.ts';
/**
 * Where a run's figures go. A tracker is told of the start, of every step, of every row of figures, of events and of the end; the console,
 * the JSONL log and later services are trackers, and `allOf` makes one of several. Row keys are Hugging Face's (loss, grad_norm,
 * learning_rate, epoch, …).
 */

/**
 * Figures of one moment. `loss` is the mean since the last row, `grad_norm` the norm before clipping. Non-finite numbers are allowed and
 * shown as such.
 */
export type Row = Record<string, number | string>;

export interface RunInfo {
  name: string;
  /** Optimizer steps of the whole run. */
  totalSteps: number;
  /** Optimizer steps already done when it starts; 0 but for a resumed run. */
  firstStep: number;
  /** Shown at the top, in this order: model, adapter, rows, … */
  facts: Row;
  /** The options; secrets are taken out before anything is written. */
  config: Readonly<Record<string, unknown>>;
  /** Of a run that goes on: what its checkpoint holds. Figures told after step `firstStep` are void; they come again. */
  resumed?: {
    /** The records of all trackers' `state`, merged. */
    state: Readonly<Record<string, unknown>>;
    /** Every row of figures up to `firstStep`, oldest first, each with its `step`. */
    history: readonly Row[];
  };
}

export interface Progress {
  /** Optimizer steps done. */
  step: number;
  /** Input tokens since the start of this process. */
  tokens: number;
  /** GPU memory held at its highest so far. */
  peakBytes: number;
}

export interface Summary {
  outcome: 'finished' | 'stopped' | 'failed';
  /** Closing figures: train_runtime (s), train_loss, … */
  figures: Row;
  /** What the run has left behind. */
  files: readonly string[];
}

export interface Picture {
  png: Uint8Array;
  /** Pixels. */
  width: number;
  height: number;
  caption: string;
}

export interface Tracker {
  start(run: RunInfo): Promise<void>;
  /** After every optimizer step; cheap, because it needs nothing read back from the GPU. */
  progress(now: Progress): void;
  log(row: Row, step: number): Promise<void>;
  /** A picture that goes with the next row of figures, for trackers that show any. `key` as a figure's: eval_predictions. */
  picture?(key: string, picture: Picture, step: number): void;
  event(level: 'info' | 'warning', text: string): Promise<void>;
  /** Once, whatever the outcome; nothing may be told afterwards. */
  finish(summary: Summary): Promise<void>;
  /**
   * What a checkpoint keeps for this tracker (a run's id), as JSON; no secrets. Names begin with the tracker's own, since all trackers
   * share one record.
   */
  state?(): Readonly<Record<string, unknown>>;
}

/**
 * One tracker that tells all of them. A tracker that fails at the start fails the run, while nothing is lost yet; for one that fails later
 * (a full disk) there is a warning, once, and it is still told of what comes, since the disk may have space again: a log is not worth a
 * training run.
 * @param warn where there is no console among them
 */
export function allOf(trackers: readonly Tracker[], warn: (text: string) => void = () => undefined): Tracker {
  const failing = new Set<Tracker>();
  async function each(act: (tracker: Tracker) => Promise<void>): Promise<void> {
    // One that is not async may throw before there is a promise.
    const results = await Promise.allSettled(trackers.map(async (tracker) => act(tracker)));
    const failed = trackers.flatMap((tracker, i) =>
      results[i]?.status === 'rejected' && !failing.has(tracker) ? [{ tracker, reason: results[i].reason as unknown }] : [],
    );
    for (const { tracker } of failed) failing.add(tracker);
    for (const { reason } of failed) {
      const text = `A log cannot be written, and training goes on; the log is tried again with every row. ${errorText(reason)}`;
      warn(text);
      await each((tracker) => (failing.has(tracker) ? Promise.resolve() : tracker.event('warning', text)));
    }
  }
  return {
    async start(run) {
      for (const tracker of trackers) await tracker.start(run);
    },
    progress(now) {
      for (const tracker of trackers) {
        try {
          tracker.progress(now);
        } catch (error) {
          void each((one) => (one === tracker ? Promise.reject(error as Error) : Promise.resolve()));
        }
      }
    },
    log: (row, step) => each((tracker) => tracker.log(row, step)),
    // Absent where none shows any: then nobody draws them.
    ...(trackers.some((tracker) => tracker.picture) && {
      picture(key: string, picture: Picture, step: number): void {
        for (const tracker of trackers) tracker.picture?.(key, picture, step);
      },
    }),
    event: (level, text) => each((tracker) => tracker.event(level, text)),
    finish: (summary) => each((tracker) => tracker.finish(summary)),
    state: () => Object.assign({}, ...trackers.map((tracker) => tracker.state?.() ?? {})) as Record<string, unknown>,
  };
}
