/** Lines of trainer_log.jsonl as they are in the file now, while a run appends to it, and places in it from which to go on. */
import { logEntry } from '../../track/jsonl.ts';
import type { LogEntry } from '../../track/jsonl.ts';

/** Bytes before a place that say whether the file is still the one it was a place in. */
export const CHECKED = 256;

/** A place in a log: bytes, and a sum over those before it. A resumed run writes its log anew, and the sum no longer fits. */
export interface LogPlace {
  offset: number;
  sum: number;
}

export const START: LogPlace = { offset: 0, sum: 0 };

/** FNV-1a of the last bytes; 0 of none. */
export function sumOf(before: Uint8Array): number {
  if (before.length === 0) return 0;
  let hash = 0x811c9dc5;
  for (const byte of before.subarray(-CHECKED)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

export function placeText({ offset, sum }: LogPlace): string {
  return `${offset}-${sum.toString(16)}`;
}

/** Undefined for what `placeText` has not written. */
export function readPlace(text: string | undefined): LogPlace | undefined {
  const [, offset, sum] = /^(\d{1,15})-([0-9a-f]{1,8})$/.exec(text ?? '') ?? [];
  return offset === undefined || sum === undefined ? undefined : { offset: Number(offset), sum: parseInt(sum, 16) };
}

/** A line, and the place behind it. */
export class PlacedLine {
  readonly entry: LogEntry;
  private readonly offset: number;
  private readonly before: Uint8Array;

  constructor(entry: LogEntry, offset: number, before: Uint8Array) {
    [this.entry, this.offset, this.before] = [entry, offset, before];
  }

  /** Summed when it is asked for: of most lines nobody does. */
  get after(): LogPlace {
    return { offset: this.offset, sum: sumOf(this.before) };
  }
}

/** Whole lines out of bytes that come piece by piece; what is behind the last line end waits for more. */
export class LineReader {
  /** Behind the last whole line. */
  place: LogPlace;
  private before: Uint8Array;
  private waiting = new Uint8Array(0);

  /** @param before the bytes before the place, as many as are checked */
  constructor(place: LogPlace, before: Uint8Array) {
    this.place = place;
    this.before = before;
  }

  /** Where the next bytes are to be read. */
  get next(): number {
    return this.place.offset + this.waiting.length;
  }

  take(bytes: Uint8Array): PlacedLine[] {
    // With what is checked before it, every line's own lies in one array.
    const all = joined(joined(this.before, this.waiting), bytes);
    const start = this.place.offset - this.before.length;
    const lines: PlacedLine[] = [];
    let from = this.before.length;
    for (let end = all.indexOf(0x0a, from); end >= 0; end = all.indexOf(0x0a, from)) {
      const entry = logEntry(decoder.decode(all.subarray(from, end + 1)));
      from = end + 1;
      if (entry) lines.push(new PlacedLine(entry, start + from, checkedBefore(all, from)));
    }
    this.before = checkedBefore(all, from).slice();
    this.place = { offset: start + from, sum: sumOf(this.before) };
    this.waiting = all.slice(from);
    if (this.waiting.length > LONGEST_LINE) this.skip();
    return lines;
  }

  /** What waits is read again: the file may be another by then. */
  forgetWaiting(): void {
    this.waiting = new Uint8Array(0);
  }

  /** No line of a log is so long: the place moves on, and what comes of it is no line. */
  private skip(): void {
    this.before = this.waiting.slice(-CHECKED);
    this.place = { offset: this.place.offset + this.waiting.length, sum: sumOf(this.before) };
    this.forgetWaiting();
  }
}

const LONGEST_LINE = 2 ** 23;
const decoder = new TextDecoder();

const checkedBefore = (all: Uint8Array, end: number): Uint8Array => all.subarray(Math.max(0, end - CHECKED), end);

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}
