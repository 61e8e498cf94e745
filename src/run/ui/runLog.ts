/** The log of one run, read as it grows: the figures that are shown, and every line told on to whoever watches. */
import { LOG_FILE } from '../../track/jsonl.ts';
import type { LogEntry } from '../../track/jsonl.ts';
import { joinPath } from '../../platform.ts';
import type { RangedFile } from '../../platform.ts';
import type { LogNumbers } from './api.ts';
import type { OutputsFolder } from './folder.ts';
import { CHECKED, LineReader, START, sumOf } from './logLines.ts';
import type { LogPlace, PlacedLine } from './logLines.ts';

/** Rows of training that are kept; beyond them every second one goes. */
const MOST_ROWS = 4000;
const MOST_WARNINGS = 20;
/** Bytes that are read at a time. */
const PIECE = 2 ** 20;

export interface LogListener {
  line(line: PlacedLine): void;
  /** The log is another one, and comes again from its first line. */
  reset(): void;
}

export class RunLog {
  /** Of its last start. */
  start: LogEntry | undefined;
  /** Absent once it has started again. */
  finish: LogEntry | undefined;
  warnings: string[] = [];
  /** ms since 1970; 0: there is none. */
  changedAt = 0;
  listener: LogListener | undefined;
  private readonly folder: OutputsFolder;
  private readonly run: string;
  private lastTraining: LogEntry | undefined;
  private lastEvaluation: LogEntry | undefined;
  private keepsRows = false;
  private rowsKept: LogEntry[] = [];
  private stride = 1;
  private trainingCount = 0;
  private reader = new LineReader(START, new Uint8Array(0));
  private stamp = '';
  private turn: Promise<unknown> = Promise.resolve();

  /** @param run its folder below */
  constructor(folder: OutputsFolder, run: string) {
    [this.folder, this.run] = [folder, run];
  }

  /** Latest row of training. */
  get training(): LogNumbers | undefined {
    return this.lastTraining && numbersOf(this.lastTraining);
  }

  /** Latest row of an evaluation. */
  get evaluation(): LogNumbers | undefined {
    return this.lastEvaluation && numbersOf(this.lastEvaluation);
  }

  /** Rows of figures, oldest first, the last of training among them, and the place behind; kept from now on, until `forgetRows`. */
  rows(): Promise<{ rows: LogNumbers[]; place: LogPlace }> {
    return this.inTurn(async () => {
      await this.read();
      if (!this.keepsRows) {
        this.keepsRows = true;
        await this.between(START, this.place, (lines) => {
          for (const { entry } of lines) this.keepRow(entry);
          return Promise.resolve();
        });
      }
      const { lastTraining: last, rowsKept } = this;
      const isWhole = last === undefined || rowsKept.some((row) => 'loss' in row && row['step'] === last['step']);
      return { rows: (isWhole ? rowsKept : [...rowsKept, last]).map(numbersOf), place: this.place };
    });
  }

  forgetRows(): void {
    this.keepsRows = false;
    this.startRows();
  }

  get place(): LogPlace {
    return this.reader.place;
  }

  /** Reads what is new. @throws UserError where the file cannot be read */
  refresh(): Promise<void> {
    return this.inTurn(() => this.read());
  }

  /** The lines from a place up to another; undefined where the log is no longer the one it was a place in. */
  async between(from: LogPlace, to: LogPlace, take: (lines: PlacedLine[]) => Promise<void>): Promise<boolean> {
    if (from.offset > to.offset) return false;
    if (to.offset === 0) return true;
    const file = await this.folder.open(this.run, LOG_FILE);
    try {
      const before = await bytesBefore(file, from);
      if (before === undefined) return false;
      const reader = new LineReader(from, before);
      const end = Math.min(to.offset, file.size);
      while (reader.next < end) await take(reader.take(await file.read(reader.next, Math.min(PIECE, end - reader.next))));
      return true;
    } finally {
      await file.close();
    }
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.turn.then(work);
    this.turn = done.catch(() => undefined);
    return done;
  }

  private async read(): Promise<void> {
    const { platform, path: outputs } = this.folder;
    // Where the path leads is looked at before anything is opened, and not each time that nothing is new.
    const look = await platform.look(joinPath(outputs, this.run, LOG_FILE));
    if (look !== undefined && look.stamp === this.stamp) return;
    const path = look?.kind === 'file' ? await this.folder.inside(this.run, LOG_FILE) : undefined;
    if (path === undefined || look === undefined) {
      if (this.changedAt !== 0) this.begin();
      this.changedAt = 0;
      return;
    }
    const file = await platform.openFile(path);
    try {
      this.reader.forgetWaiting();
      if ((await bytesBefore(file, this.reader.place)) === undefined) this.begin();
      while (this.reader.next < file.size) {
        const bytes = await file.read(this.reader.next, Math.min(PIECE, file.size - this.reader.next));
        for (const line of this.reader.take(bytes)) this.keep(line);
      }
      this.stamp = look.stamp;
      this.changedAt = look.changedAt;
    } finally {
      await file.close();
    }
  }

  private begin(): void {
    this.reader = new LineReader(START, new Uint8Array(0));
    this.stamp = '';
    this.start = this.finish = this.lastTraining = this.lastEvaluation = undefined;
    this.warnings = [];
    this.startRows();
    this.listener?.reset();
  }

  private startRows(): void {
    this.rowsKept = [];
    [this.stride, this.trainingCount] = [1, 0];
  }

  private keep(line: PlacedLine): void {
    const { entry } = line;
    if (entry['event'] === 'start') [this.start, this.finish] = [entry, undefined];
    else if (entry['event'] === 'finish') this.finish = entry;
    else if (entry['event'] === 'warning') this.warnings = [...this.warnings, String(entry['text'])].slice(-MOST_WARNINGS);
    else this.keepRow(entry);
    this.listener?.line(line);
  }

  private keepRow(entry: LogEntry): void {
    if (typeof entry['step'] !== 'number') return;
    const isTraining = 'loss' in entry;
    if (isTraining) this.lastTraining = entry;
    else this.lastEvaluation = entry;
    if (!this.keepsRows) return;
    if (!isTraining || this.trainingCount++ % this.stride === 0) this.rowsKept.push(entry);
    if (this.rowsKept.length <= MOST_ROWS) return;
    // Evaluations are few and stay, unless they alone are too many.
    this.stride *= 2;
    let at = 0;
    this.rowsKept = this.rowsKept.filter((one) => !('loss' in one) || at++ % 2 === 0).slice(-MOST_ROWS);
  }
}

function numbersOf(entry: LogEntry): LogNumbers {
  return Object.fromEntries(
    Object.entries(entry).filter((pair): pair is [string, number | string] => ['number', 'string'].includes(typeof pair[1])),
  );
}

/** Undefined where what lies before the place is not what lay there. */
async function bytesBefore(file: RangedFile, { offset, sum }: LogPlace): Promise<Uint8Array | undefined> {
  if (offset > file.size) return undefined;
  const length = Math.min(CHECKED, offset);
  const bytes = await file.read(offset - length, length);
  return sumOf(bytes) === sum ? bytes : undefined;
}
