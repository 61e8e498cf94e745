/** The programs of this machine, as the server that shows runs deals with them: the runtime's own. */
import type { Identity } from '../../io/locks/owner.ts';

/** Those that a run is started by: `node dist/NAME.js`. */
export type ProgramName = 'train' | 'evaluate';

export interface Programs {
  /**
   * Starts a program that goes on when this process ends.
   * @param words its command line
   * @param log file that what it says is added to; made for this user alone
   */
  start(name: ProgramName, words: readonly string[], log: string): Promise<Identity>;
  /** Asks it to end as Ctrl-C does. @throws UserError where the system has no such thing */
  interrupt(program: Identity): void;
  /** Whether it is the process that it says and lives; undefined where that cannot be known here (another machine, another container). */
  isLiving(program: Partial<Identity>): Promise<boolean | undefined>;
}
