/**
 * Which evaluation was the best, where its checkpoint is, and whether evaluations have stopped to improve: Hugging Face's
 * metric_for_best_model and EarlyStoppingCallback. The evaluation before the first step is the base model's and does not compete.
 */
import { UserError } from '../platform.ts';
import type { Row } from '../track/tracker.ts';
import { checkpointName } from './checkpointFolder.ts';
import type { TrainerState } from './checkpointFolder.ts';

export interface BestModelSettings {
  /** With or without `eval_`; null: the loss. */
  metric_for_best_model?: string | null;
  /** null: false for losses and errors, true for everything else. */
  greater_is_better?: boolean | null;
  /** Evaluations without an improvement after which the run ends; 0: never. */
  early_stopping_patience?: number;
  /** What an improvement must exceed. */
  early_stopping_threshold?: number;
}

/** What the search for the best model and early stopping remember. */
export interface BestState {
  /** Of the best checkpoint that was saved; `best_metric` in trainer_state.json is the best that was seen. */
  savedMetric: number | null;
  /** Evaluations in a row without an improvement. */
  patienceUsed: number;
}

export class BestModel {
  readonly metric: string;
  private readonly isGreaterBetter: boolean;
  private readonly patience: number;
  private readonly threshold: number;
  private readonly state: TrainerState;
  /** Of the last save that was the best: what was so before. */
  private before: { step: number; savedMetric: number | null; path: string | null } | undefined;
  private latest: { step: number; value: number } | undefined;
  private kept: BestState;

  /** `state` is the run's, and is kept up to date. */
  constructor(settings: BestModelSettings, state: TrainerState, saved?: BestState) {
    const name = settings.metric_for_best_model ?? 'loss';
    this.metric = name.startsWith('eval_') ? name : `eval_${name}`;
    this.isGreaterBetter = settings.greater_is_better ?? !isError(this.metric);
    this.patience = settings.early_stopping_patience ?? 0;
    this.threshold = settings.early_stopping_threshold ?? 0;
    this.state = state;
    this.kept = saved ?? { savedMetric: null, patienceUsed: 0 };
  }

  get saved(): BestState {
    return this.kept;
  }

  /** True when early stopping says that the run has ended. */
  get isOver(): boolean {
    return this.patience > 0 && this.kept.patienceUsed >= this.patience;
  }

  /** Takes note of an evaluation; true when it is the best so far. @throws UserError when it lacks the metric */
  see(row: Row, step: number): boolean {
    const value = row[this.metric];
    if (typeof value !== 'number') {
      const names = Object.keys(row).filter((key) => typeof row[key] === 'number');
      throw new UserError(`--metric_for_best_model ${this.metric}: the evaluation has no such figure. It has ${names.join(', ')}.`);
    }
    if (step === 0) return false;
    const { best_metric: best } = this.state;
    const isBest = this.isBetter(value, best);
    const improves = isBest && (best === null || Math.abs(value - best) > this.threshold);
    this.kept = { ...this.kept, patienceUsed: improves ? 0 : this.kept.patienceUsed + 1 };
    this.latest = { step, value };
    if (isBest) {
      this.state.best_metric = value;
      this.state.best_global_step = step;
    }
    if (this.patience > 0) this.state.stateful_callbacks['EarlyStoppingCallback'] = this.callbackState();
    return isBest;
  }

  /**
   * Called as a checkpoint of `step` is about to be saved; true when it is the best of those saved. It is named without its folder, which
   * may move, and tell of somebody.
   */
  willSave(step: number): boolean {
    if (this.latest?.step !== step || !this.isBetter(this.latest.value, this.kept.savedMetric)) return false;
    this.before = { step, savedMetric: this.kept.savedMetric, path: this.state.best_model_checkpoint };
    this.kept = { ...this.kept, savedMetric: this.latest.value };
    this.state.best_model_checkpoint = checkpointName(step);
    return true;
  }

  /** The last save, of `step`, has failed: the best of those saved is the one before. */
  wasNotSaved(step: number): void {
    if (this.before?.step !== step) return;
    this.kept = { ...this.kept, savedMetric: this.before.savedMetric };
    this.state.best_model_checkpoint = this.before.path;
  }

  private isBetter(value: number, than: number | null): boolean {
    if (!Number.isFinite(value)) return false;
    return than === null || (this.isGreaterBetter ? value > than : value < than);
  }

  /** As transformers writes it. */
  private callbackState(): unknown {
    return {
      args: { early_stopping_patience: this.patience, early_stopping_threshold: this.threshold },
      attributes: { early_stopping_patience_counter: this.kept.patienceUsed },
    };
  }
}

/** Figures that are the better the smaller they are. */
function isError(metric: string): boolean {
  return /loss|perplexity|(^|_)(n?mae(_mm|_deg)?|mre|error)$/i.test(metric);
}
