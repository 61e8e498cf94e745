/** Whether somebody works in a run's folder, by its lock. */
import { ownerInWords, parseOwner } from '../../io/locks/owner.ts';
import type { Owner } from '../../io/locks/owner.ts';
import { LOCK } from '../outputFolder.ts';
import type { OutputsFolder } from './folder.ts';
import type { Programs } from './programs.ts';

/**
 * A lock of another machine that we have seen stand still for so long is a dead one's: as src/io/locks has it, and as there no clock is
 * compared with another's.
 */
const STALE_MS = 90_000;

export interface Holder {
  owner: Partial<Owner>;
  words: string;
  /** undefined: a lock of another machine, which has not been seen to live yet. */
  isAlive: boolean | undefined;
  /** It can be reached from here: a process of this machine. */
  isNear: boolean;
}

export class LockWatch {
  private readonly folder: OutputsFolder;
  private readonly programs: Programs;
  private readonly run: string;
  private seen: { text: string; at: number; hasMoved: boolean } | undefined;

  /** @param run its folder below */
  constructor(folder: OutputsFolder, programs: Programs, run: string) {
    [this.folder, this.programs, this.run] = [folder, programs, run];
  }

  /** Who holds the folder, dead or alive; undefined where nobody does. @param now ms of a clock that only goes forward */
  async look(now = performance.now()): Promise<Holder | undefined> {
    const text = await this.folder.text(4096, this.run, LOCK);
    if (text === undefined) {
      this.seen = undefined;
      return undefined;
    }
    const owner = parseOwner(text);
    const known = await this.programs.isLiving(owner);
    if (this.seen?.text !== text) this.seen = { text, at: now, hasMoved: this.seen?.text.split('\n')[0] === text.split('\n')[0] };
    const { at, hasMoved } = this.seen;
    const isAlive = known ?? (now - at >= STALE_MS ? false : hasMoved ? true : undefined);
    return { owner, words: ownerInWords(owner, { host: '', pid: 0 }), isAlive, isNear: known !== undefined };
  }
}
