/** What every phase of a run is given: the options as parsed, the platform, and how to speak to the user. */
import type { RowFile } from '../data/conversations/rowFile.ts';
import type { Options } from '../options.ts';
import type { Platform } from '../platform.ts';
import type { Terminal } from '../track/console.ts';
import type { Tracker } from '../track/tracker.ts';
import type { World } from '../world/world.ts';
import type { StartWorkers } from './inputs/dataWorkers.ts';

export interface RunContext {
  readonly platform: Platform;
  readonly options: Options;
  /** The ranks that run this together, of which the first speaks and writes. Absent: this process alone. */
  readonly world?: World;
  /** Aborted by the first Ctrl-C. */
  readonly stop: AbortSignal;
  readonly terminal: Terminal;
  /** One line to the user; silent with `--report_to none`. */
  say(text: string): void;
  /** What must not be missed, whatever `--report_to` says: a line on stderr. */
  warn(text: string): void;
  /** Absent where rows are made in the thread that trains. */
  readonly startWorkers?: StartWorkers;
  /** Told beside those that `--report_to` names. */
  readonly trackers?: readonly Tracker[];
  /** Told how far an evaluation during training is: rows evaluated and answered, of how many. */
  readonly evaluating?: (done: number, total: number) => void;
  /** Rows that lie in no file, in the place of those of `--train_file` and `--val_file`. */
  readonly rows?: { readonly train?: RowFile; readonly validation?: RowFile };
}
