/** What a run tells of a checkpoint that it has saved. */

export interface SavedCheckpoint {
  /** `…/checkpoint-N`, complete. */
  path: string;
  step: number;
  /** It is the best so far by `metric_for_best_model`. */
  isBest: boolean;
}
