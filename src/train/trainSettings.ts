/** What a training run is told: the optimizer, the schedule, batches, and when it logs, evaluates and saves. */
import type { SavedInputs } from '../models/savedInput.ts';
import type { BestModelSettings } from './bestModel.ts';
import type { SchedulerType } from './schedule.ts';
import type { TuneMode } from './tuning/runPlans.ts';
import type { WatchdogSettings } from './watchdog.ts';

/** Names and meanings are those of the command line (src/options.ts). */
export interface TrainSettings extends BestModelSettings, WatchdogSettings {
  run_name: string;
  epoch: number;
  max_steps: number;
  per_device_train_batch_size: number;
  gradient_accumulation_steps: number;
  learning_rate: number;
  lr_scheduler_type: SchedulerType;
  warmup_ratio: number;
  warmup_steps: number;
  max_grad_norm: number;
  weight_decay: number;
  adam_beta1: number;
  adam_beta2: number;
  adam_epsilon: number;
  loss_reduction: 'token' | 'microbatch';
  shuffle: boolean;
  /** Default false. */
  group_by_length?: boolean;
  seed: number;
  gradient_checkpointing: boolean;
  /** So many of the last stages are kept in spite of gradient checkpointing, which changes no number. Default 0. */
  keptStages?: number;
  saved_inputs?: SavedInputs;
  /** Whether the plans of products and attention are measured before the first step. Default off. */
  tune?: TuneMode;
  logging_steps: number;
  save_steps: number;
  save_total_limit: number;
  /** Default -1: none. */
  archive_every_n_steps?: number;
  /** What follows has no effect without an Evaluator. Default: steps. */
  eval_strategy?: 'steps' | 'epoch' | 'no';
  eval_steps?: number;
  /** Default true. */
  eval_on_start?: boolean;
  load_best_model_at_end?: boolean;
}
