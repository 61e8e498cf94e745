/**
 * How locks are held between processes that share a file system and nothing else, not even a clock. A lock is a file that exists; its first
 * line says whose it is, its second is a heartbeat.
 *
 * Whose owner is dead? One of our own table of processes is looked up there (owner.ts). Any other, and one that the file does not name, is
 * dead when its file, opened anew each time, has stood still for `staleMs` of *our* watching. No clock is compared with another's: a time
 * in the file only counts as "other than before". Time in which we did not look (a suspended laptop, a busy thread) does not count.
 *
 * Who gets it? A new lock is linked into place, which succeeds for exactly one. A dead lock is replaced, never removed: its place is never
 * empty, so nobody can create a lock beside one that is being taken over. Of several takers
 *  1. each writes its lock to a file of its own, F;
 *  2. each asks for the lock on taking over, `<file>.takeover`, a lock as this one; one has it at a time;
 *  3. who has it removes everybody else's F, reads `<file>` again, which must still be what was judged dead, to the byte (no beat since),
 *  and renames its F there. Two who both did 3 for one dead lock: not while the lock of 2 holds. If its owner A was suspended within 3 for
 *  so long that B took that lock over, B removed A's F after A had written it, so A's rename fails, unless it came before; then B reads A's
 *  lock, not the dead one, and gives up.
 *
 * (The listing in 3 is no stale one: whoever has just made files in a folder is shown it anew.)
 *
 * What remains is an owner that was suspended itself, and wakes up when its lock is another's: it notices at its next beat (`lost`), and
 * `check` fails before.
 */
import { parentPath, UserError } from '../../platform.ts';
import type { FileLock, LockHolder } from '../../platform.ts';
import { ownerInWords, parseOwner } from './owner.ts';
import type { Identity, Owner } from './owner.ts';

/** What a test puts other values in place of. */
export interface LockParameters {
  me: Identity;
  beatMs: number;
  /**
   * A lock that is seen to stand still for so long has no owner any more. More than the longest that a network file system shows old
   * contents for (60 s) and a beat.
   */
  staleMs: number;
  pollMs: number;
  /** Milliseconds of a clock that only goes forward. */
  now(): number;
}

export interface LockOptions {
  /** Called when another holds the lock: once, and again when it is seen to live. What it throws ends the waiting. */
  onWait?: ((holder: LockHolder) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** The protocol above. What is asked of files and processes is the runtime's, and is left to it. */
export abstract class Locks {
  private readonly parameters: () => Promise<LockParameters>;

  constructor(parameters: () => Promise<LockParameters>) {
    this.parameters = parameters;
  }

  /** Of the program that runs, for messages. */
  abstract readonly program: string;
  /** Whether the owner lives, where `me` can know that; undefined where only its heartbeat can tell. */
  abstract isLiving(owner: Partial<Owner>, me: Identity): Promise<boolean | undefined>;
  /** @param onBeat with whether the lock was still ours then; once it was not, nothing is written any more */
  abstract beginHeartbeat(beating: Beating, onBeat: (wasOurs: boolean) => void): Heartbeat;
  /**
   * What lies there now, undefined for nothing.
   * @throws UserError for anything that is not a plain file, or cannot be read
   */
  abstract look(file: string): Found | undefined;
  /** Put there in one step, so that nobody reads half a lock. @returns false where another was first */
  abstract createNew(file: string, line: string): Promise<boolean>;
  /** A lock in a file of its own, F, for `moveOver`. @returns F */
  abstract write(file: string, line: string): Promise<string>;
  /** Removes everybody else's F. */
  abstract clearOthers(file: string, own: string): Promise<void>;
  /** Renames F to the lock, at once: nothing comes between it and the look before. F may be gone, or somebody reading there. */
  abstract moveOver(fresh: string, file: string): void;
  /** F, where it still is. */
  abstract discard(fresh: string): Promise<void>;
  /** Not another's, should it be one by now. Does not fail: whoever comes next finds its owner dead or standing still. */
  abstract remove(file: string, line: string): void;

  /** @throws UserError for what is there and cannot be a lock; the signal's reason when that ends the waiting */
  async take(file: string, options: LockOptions = {}): Promise<FileLock> {
    const parameters = await this.parameters();
    const owner: Owner = {
      id: hex(crypto.getRandomValues(new Uint8Array(16))),
      ...parameters.me,
      program: this.program,
      started: new Date().toISOString(),
    };
    const line = `${JSON.stringify(owner)}\n`;
    const watch = new Watch(parameters, (other, me) => this.isLiving(other, me));
    for (;;) {
      options.signal?.throwIfAborted();
      const found = this.look(file);
      if (found === undefined) {
        if (await this.createNew(file, line)) break;
      } else {
        const verdict = await watch.judge(found);
        if (verdict.isDead) {
          if (await this.replace(file, line, found.text, options.signal)) break;
        } else if (verdict.isNews)
          options.onWait?.({ words: ownerInWords(parseOwner(found.text), parameters.me), isAlive: verdict.isAlive });
      }
      await pause(parameters.pollMs, options.signal);
    }
    return new HeldLock(this, file, line, parameters);
  }

  /** Steps 1 to 3 above. @returns false where the lock is no longer what was judged, or another was first */
  private async replace(file: string, line: string, dead: string, signal: AbortSignal | undefined): Promise<boolean> {
    const fresh = await this.write(file, line);
    try {
      const turn = await this.take(`${file}.takeover`, { signal });
      try {
        await this.clearOthers(file, fresh);
        // At once after another, so that hardly anything comes between.
        if (this.look(file)?.text !== dead) return false;
        this.moveOver(fresh, file);
        return this.isOf(file, line);
      } finally {
        await turn.release();
      }
    } finally {
      await this.discard(fresh);
    }
  }

  isOf(file: string, line: string): boolean {
    return this.look(file)?.text.startsWith(line) === true;
  }
}

/** The heartbeat of a lock that nobody has beaten yet. */
export const FIRST_BEAT = `${'0'.repeat(12)}\n`;

export interface Beating {
  file: string;
  /** The first line of our lock. */
  line: string;
  everyMs: number;
}

export interface Heartbeat {
  /** No beat is written after this has resolved. */
  stop(): Promise<void>;
}

export interface Found {
  text: string;
  /** Other after every beat. */
  mark: string;
}

/** Tells a standing lock from a living one, over many looks. */
class Watch {
  private readonly parameters: LockParameters;
  private readonly isLiving: Locks['isLiving'];
  private mark: string | undefined;
  /** Milliseconds for which it was seen to stand still. */
  private still = 0;
  private lookedAt = 0;
  private isSeenAlive = false;
  private told: { isAlive: boolean } | undefined;

  constructor(parameters: LockParameters, isLiving: Locks['isLiving']) {
    this.parameters = parameters;
    this.isLiving = isLiving;
  }

  async judge({ text, mark }: Found): Promise<{ isDead: boolean; isAlive: boolean; isNews: boolean }> {
    const { me, pollMs, staleMs, now } = this.parameters;
    const known = await this.isLiving(parseOwner(text), me);
    const time = now();
    if (mark === this.mark) {
      // A pause in our own looking may have been one of the whole machine, the owner included.
      this.still += Math.min(time - this.lookedAt, 10 * pollMs);
    } else {
      this.isSeenAlive = this.mark !== undefined;
      this.still = 0;
      this.mark = mark;
    }
    this.lookedAt = time;
    const isAlive = known ?? this.isSeenAlive;
    const isDead = known === undefined ? this.still >= staleMs : !known;
    const isNews = !isDead && (this.told === undefined || (isAlive && !this.told.isAlive));
    if (isNews) this.told = { isAlive };
    return { isDead, isAlive, isNews };
  }
}

class HeldLock implements FileLock {
  private readonly files: Locks;
  private readonly file: string;
  private readonly line: string;
  private readonly parameters: LockParameters;
  private readonly losing = new AbortController();
  private readonly heartbeat: Heartbeat;
  private isReleased = false;
  private looking: Promise<void> = Promise.resolve();
  /** When it was last seen to be ours: by the clock that stands still in a suspended laptop, and by the one that goes on. */
  private seen: { now: number; date: number };

  constructor(files: Locks, file: string, line: string, parameters: LockParameters) {
    [this.files, this.file, this.line, this.parameters] = [files, file, line, parameters];
    this.seen = this.time();
    this.heartbeat = files.beginHeartbeat({ file, line, everyMs: parameters.beatMs }, (wasOurs) => {
      if (wasOurs) this.seen = this.time();
      else if (!this.isReleased) void this.look().catch(() => undefined); // the next beat tries again
    });
  }

  get lost(): AbortSignal {
    return this.losing.signal;
  }

  async check(maxAgeMs = 0): Promise<void> {
    if (maxAgeMs === 0 || this.age() > maxAgeMs) await this.look();
    this.losing.signal.throwIfAborted();
  }

  async release(): Promise<void> {
    if (this.isReleased) return;
    this.isReleased = true;
    await this.heartbeat.stop();
    await this.looking.catch(() => undefined); // it might put the file back
    this.files.remove(this.file, this.line);
  }

  private look(): Promise<void> {
    this.looking = this.looking.catch(() => undefined).then(() => this.lookAgain());
    return this.looking;
  }

  private async lookAgain(): Promise<void> {
    if (this.isReleased) return;
    const found = this.files.look(this.file);
    // Removed by hand: nobody can have taken it for dead and be gone again within this time, so it may be put back.
    if (found === undefined && this.age() < this.parameters.staleMs / 2 && (await this.files.createNew(this.file, this.line))) return;
    if (found?.text.startsWith(this.line) || this.files.isOf(this.file, this.line)) this.seen = this.time();
    else if (!this.losing.signal.aborted) this.losing.abort(this.error(found));
  }

  private error(found: Found | undefined): UserError {
    const by = found === undefined ? 'its lock is gone' : `${ownerInWords(parseOwner(found.text), this.parameters.me)} has taken it over`;
    return new UserError(
      `${parentPath(this.file)} is no longer this program's: ${by} (${this.file}), as happens when a program is suspended or cut off ` +
        `from the disk for longer than a minute. ` +
        'It ends here and writes nothing more, so that the files there are those of one program. Start it again when that one has ended.',
    );
  }

  private time(): { now: number; date: number } {
    return { now: this.parameters.now(), date: Date.now() };
  }

  private age(): number {
    const { now, date } = this.time();
    return Math.max(now - this.seen.now, Math.abs(date - this.seen.date));
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @throws the signal's reason at once when it is aborted */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      if (signal?.aborted) reject(signal.reason as Error);
      else resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
    if (signal?.aborted) end();
  });
}
