/**
 * Settings of a demonstration: a few steps on a few rows, every step logged, one checkpoint at the end. The quick start and the page both
 * train with these.
 */
import type { TrainSettings } from './trainSettings.ts';

export type ShortRun = Pick<TrainSettings, 'run_name' | 'max_steps' | 'per_device_train_batch_size' | 'learning_rate' | 'seed'>;

export function shortRunSettings(run: ShortRun): TrainSettings {
  return {
    ...run,
    epoch: 1,
    gradient_accumulation_steps: 1,
    lr_scheduler_type: 'cosine',
    warmup_ratio: 0.05,
    warmup_steps: 0,
    max_grad_norm: 1,
    weight_decay: 0,
    adam_beta1: 0.9,
    adam_beta2: 0.999,
    adam_epsilon: 1e-8,
    loss_reduction: 'token',
    shuffle: true,
    gradient_checkpointing: true,
    logging_steps: 1,
    save_steps: -1,
    save_total_limit: 1,
  };
}
