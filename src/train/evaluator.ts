/** What the trainer asks for between two steps; `evaluation.ts` answers with eval losses and scores of generated answers. */
import type { World } from '../world/world.ts';
import type { Row, Tracker } from '../track/tracker.ts';
import type { Session } from './session.ts';

export interface EvaluationMoment {
  /** Optimizer steps done; 0 before the first. */
  step: number;
  /** For figures that are no numbers: pictures of predictions, tables. The row of figures itself is logged by the trainer. */
  tracker: Tracker;
  /** The ranks that evaluate together, each some of the batches. Default: this process alone. */
  world?: World;
  /** Aborted by Ctrl-C: the evaluation ends early by returning undefined. */
  stop?: AbortSignal;
}

export interface Evaluator {
  /**
   * Called at all ranks, which get the same row; pictures and tables are the first's. Figures with Hugging Face's names: `eval_loss`,
   * `eval_runtime` (s), `eval_samples_per_second`, `eval_steps_per_second`, and further `eval_…` ones. Dropout is off; nothing that trains
   * may change, and training must go on as if there had been no evaluation.
   * @returns undefined when `stop` cut it short: the row is neither logged nor compared
   */
  evaluate(session: Session, moment: EvaluationMoment): Promise<Row | undefined>;
}
