/** What the parts of an evaluation are given. */
import type { RowFile } from '../../data/conversations/rowFile.ts';
import type { ScoredRow } from '../../data/medvision/answerRows.ts';
import type { EvaluateOptions } from '../../options/evaluate.ts';
import type { Platform } from '../../platform.ts';
import type { Terminal } from '../../track/console.ts';
import type { Session } from '../../train/session.ts';
import type { World } from '../../world/world.ts';
import type { FrozenModel } from '../frozenModel.ts';
import type { StartWorkers } from '../inputs/dataWorkers.ts';

export interface EvaluateContext {
  readonly platform: Platform;
  /** `report_to` is what fetching from the hub looks at. */
  readonly options: EvaluateOptions & { report_to: [] };
  /** The ranks that answer together, of which the first speaks and writes. Absent: this process alone. */
  readonly world?: World;
  /** Aborted by the first Ctrl-C. */
  readonly stop: AbortSignal;
  readonly terminal: Terminal;
  /** One line to the user. */
  say(text: string): void;
  /** Absent where rows are made in this thread. */
  readonly startWorkers?: StartWorkers;
  /** A model that is open already, in the place of the one that the options name; it stays open. */
  readonly model?: FrozenModel & { readonly session: Session };
  /** Rows that lie in no file, in the place of those of `--eval_file`. */
  readonly rows?: RowFile;
  /** Nothing is written: `--output_dir` is not looked at. */
  readonly isKeptNowhere?: boolean;
  /** Told of every batch that is answered. */
  onAnswered?(rows: readonly ScoredRow[], total: number): void;
}
