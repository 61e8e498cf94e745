/**
 * A time limit on work that others' files make us do without a pause: their regular expressions above all, which may take longer than the
 * universe lasts for thirty letters. The runtime gives the means (node/timeLimit.ts: V8 and JavaScriptCore can be interrupted within a
 * match); where there is none, in a browser, patterns that can explode are refused instead (mayExplode).
 */

import { UserError } from '../platform.ts';

/** Runs `work`, and throws TookTooLong where it is not done in time. Within another limit, that one counts. */
export type TimeLimit = <T>(milliseconds: number, work: () => T) => T;

export class TookTooLong extends Error {
  override readonly name = 'TookTooLong';
}

/**
 * A file of the model, a pattern or a loop in it, does not come to its end. Not one row's fault, so that the first ends what goes through
 * the rows: each of the others would take as long.
 */
export class EndlessFile extends UserError {}

let limit: TimeLimit | undefined;

/** Called once by the platform of a runtime that can interrupt. */
export function provideTimeLimit(provided: TimeLimit): void {
  limit = provided;
}

export function canInterrupt(): boolean {
  return limit !== undefined;
}

/** A signal is heard after that time at the latest, since it is the longest that a thread is busy without a turn of its event loop. */
const MOST_MS = 8000;

/**
 * Milliseconds that a text may take: five seconds for any, and more by its length. One of thousands of tokens takes some ten milliseconds.
 */
export function timeFor(characters: number): number {
  return Math.min(MOST_MS, 5000 + characters / 50);
}

/** Whether a text is so long that its length may be why it takes more than `timeFor`. */
export function isLongText(characters: number): boolean {
  return timeFor(characters) === MOST_MS;
}

/** @param failure what is thrown where the time is not enough */
export function withinTime<T>(milliseconds: number, work: () => T, failure: () => Error): T {
  if (limit === undefined) return work();
  try {
    return limit(milliseconds, work);
  } catch (error) {
    throw error instanceof TookTooLong ? failure() : error;
  }
}

/**
 * Inputs that came to their end within a limit once, and need none again: a limit begins a thread, which costs a row that is made in every
 * epoch more than checking it. Forgets everything where it would hold more than some millions of characters.
 */
export class KnownToEnd {
  private readonly inputs = new Set<string>();
  private characters = 0;

  /** As the function `withinTime`, for work that does the same whenever `input` is the same. */
  withinTime<T>(input: string, milliseconds: number, work: () => T, failure: () => Error): T {
    if (this.inputs.has(input)) return unlimited(work);
    const result = withinTime(milliseconds, work, failure);
    if (this.characters + input.length > MOST_CHARACTERS) {
      this.inputs.clear();
      this.characters = 0;
    }
    this.characters += input.length;
    this.inputs.add(input);
    return result;
  }
}

const MOST_CHARACTERS = 2 ** 23;

/** Limits within `work` do not count. */
function unlimited<T>(work: () => T): T {
  const before = limit;
  limit = undefined;
  try {
    return work();
  } finally {
    limit = before;
  }
}

/**
 * Whether a group that is repeated without end holds a repetition or a choice, as `(a+)+` and `(a|aa)*`, or a text is asked for that was
 * found before: only then can the time grow with a power of the text's length. Says yes to some that are harmless, as `(\w+\.)*`.
 */
export function mayExplode(pattern: string): boolean {
  /** For each open group, the pattern as a whole first: whether there is a choice in it. */
  const open: boolean[] = [false];
  let isAfterChoice = false;
  for (let at = 0; at < pattern.length;) {
    const rest = pattern.slice(at, at + 1000);
    const [piece] = /^(?:\\.|\[\^?\]?(?:[^\]\\]|\\.)*\]|\(\?(?:[:=!]|<[=!]|P?<\w+>|[a-z-]+[:)])|\{\d*,?\d*\}|[^])/u.exec(rest) ?? [rest];
    at += piece.length;
    if (/^\\[1-9k]/.test(piece)) return true;
    const isEndless = /^(?:[*+]|\{\d*,\}|\{\d*,?\d{3,}\})$/.test(piece);
    if (isEndless && isAfterChoice) return true;
    if (/^[*+?|]$|^\{\d*,\d*\}$/.test(piece)) open[open.length - 1] = true;
    if (/^\((?!\?[a-z-]+\))/.test(piece)) open.push(false);
    isAfterChoice = piece === ')' && open.length > 1 && open.pop() === true;
    if (isAfterChoice) open[open.length - 1] = true;
  }
  return false;
}
