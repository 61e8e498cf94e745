/** What the server says of runs, as JSON; its page is made of this. */
import type { SideBySide } from '../report/compare.ts';
import type { Card } from '../report/pictures.ts';

/**
 * running: its lock is held by a living process. unclear: by one of another machine that has not been seen to live yet. stopped: it was
 * asked to end and saved. failed: it said that it failed, or never came to its first step. interrupted: nothing works there, and it has not
 * said that it ended.
 */
export type RunState = 'running' | 'unclear' | 'finished' | 'stopped' | 'failed' | 'interrupted';

/** A line of the list. */
export interface RunEntry {
  /** Opaque; of the same folder always the same. */
  id: string;
  /** Its folder below the one that is shown. */
  name: string;
  kind: 'training' | 'evaluation';
  state: RunState;
  /** Who works there, in words; '' where nobody does. */
  holder: string;
  step: number | null;
  totalSteps: number | null;
  /** Latest, in nats a token. */
  loss: number | null;
  evalLoss: number | null;
  /** ms since 1970 of the last change of its log or result; 0: nothing is known. */
  changedAt: number;
}

export type LogNumbers = Readonly<Record<string, number | string>>;

export interface Pace {
  /** Of one optimizer step, evaluations by their share, compiling not among it. */
  secondsPerStep: number;
  tokensPerSecond: number | null;
}

/** What can be done with a run: null, or why not. */
export interface RunActions {
  stop: string | null;
  resume: string | null;
  evaluate: string | null;
  merge: string | null;
}

export interface RunDetail extends RunEntry {
  model: string;
  /** Of the run as it said at its start: model, adapter, rows, … */
  facts: [string, string][];
  settings: Readonly<Record<string, unknown>>;
  /** Rows of figures, oldest first; of very long runs every second, fourth, … row of training. */
  rows: LogNumbers[];
  /** Of an evaluation: what its answers come to so far, in words. */
  figures: [string, string][];
  /** Where events go on from: ?from= of /events. */
  place: string;
  pace: Pace | null;
  /** GPU memory at its highest so far. */
  peakBytes: number | null;
  /** The last ones, oldest first. */
  warnings: string[];
  files: { name: string; bytes: number }[];
  hasPictures: boolean;
  /** The base model of a run that was started here; '' where only its name is known, which an evaluation or merging then asks for. */
  base: string;
  actions: RunActions;
}

/** A `state` event: what of an entry changes while a run is watched. */
export type StateEvent = Pick<RunEntry, 'state' | 'holder'>;

export interface Comparison {
  names: string[];
  about: SideBySide;
  figures: SideBySide;
  differences: SideBySide;
  /** '' where the figures were measured on the same rows. */
  caution: string;
}

export interface Pictures {
  cards: Card[];
  note: string;
}

/** POST /api/runs, and of /evaluate and /merge, where the name is the server's. */
export interface StartRequest {
  /** Folder to make below the one that is shown. */
  name: string;
  /** Training options by the names of their records. */
  options: Readonly<Record<string, unknown>>;
}

/** The run that was started, and what its options were noted for. */
export interface Started {
  id: string;
  notes: string[];
}
