/** The quick start's training: the trainer of every other run, on rows of the embedded sample made when their turn comes. */
import type { MedvisionSample } from '../../src/data/medvision/sample.ts';
import type { Tracker } from '../../src/track/tracker.ts';
import type { Session } from '../../src/train/session.ts';
import { train } from '../../src/train/trainer.ts';
import type { TrainResult } from '../../src/train/trainer.ts';
import type { SampleData } from './questions.ts';

export interface TrainingSettings {
  out: string;
  steps: number;
  batchSize: number;
  learningRate: number;
  seed: number;
}

export async function trainAdapter(
  session: Session,
  data: SampleData,
  rows: readonly MedvisionSample[],
  settings: TrainingSettings,
  tracker: Tracker,
  stop: AbortSignal,
): Promise<TrainResult> {
  const source = {
    length: rows.length,
    get(index: number) {
      const row = rows[index];
      if (!row) throw new Error(`row ${index} of ${rows.length}`);
      return data.example(row, 'learn');
    },
  };
  const options = {
    run_name: 'quick start',
    epoch: 1,
    max_steps: settings.steps,
    per_device_train_batch_size: settings.batchSize,
    gradient_accumulation_steps: 1,
    learning_rate: settings.learningRate,
    lr_scheduler_type: 'cosine' as const,
    warmup_ratio: 0.05,
    warmup_steps: 0,
    max_grad_norm: 1,
    weight_decay: 0,
    adam_beta1: 0.9,
    adam_beta2: 0.999,
    adam_epsilon: 1e-8,
    loss_reduction: 'token' as const,
    shuffle: true,
    seed: settings.seed,
    gradient_checkpointing: true,
    // Every step is drawn in the report's curve.
    logging_steps: 1,
    save_steps: -1,
    save_total_limit: 1,
  };
  return train(session, source, options, { tracker, stop, outputDir: settings.out });
}
