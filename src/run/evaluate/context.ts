/** What the parts of an evaluation are given. */
import type { EvaluateOptions } from '../../options/evaluate.ts';
import type { Platform } from '../../platform.ts';
import type { Terminal } from '../../track/console.ts';
import type { StartWorkers } from '../inputs/dataWorkers.ts';

export interface EvaluateContext {
  readonly platform: Platform;
  /** `report_to` is what fetching from the hub looks at. */
  readonly options: EvaluateOptions & { report_to: [] };
  /** Aborted by the first Ctrl-C. */
  readonly stop: AbortSignal;
  readonly terminal: Terminal;
  /** One line to the user. */
  say(text: string): void;
  /** Absent where rows are made in this thread. */
  readonly startWorkers?: StartWorkers;
}
