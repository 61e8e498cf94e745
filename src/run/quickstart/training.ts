/** The quick start's training: the trainer of every other run, on rows of the embedded sample made when their turn comes. */
import type { MedvisionSample } from '../../data/medvision/sample.ts';
import type { Tracker } from '../../track/tracker.ts';
import type { Session } from '../../train/session.ts';
import { shortRunSettings } from '../../train/shortRun.ts';
import { train } from '../../train/trainer.ts';
import type { TrainResult } from '../../train/trainer.ts';
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
  const short = shortRunSettings({
    run_name: 'quick start',
    max_steps: settings.steps,
    per_device_train_batch_size: settings.batchSize,
    learning_rate: settings.learningRate,
    seed: settings.seed,
  });
  // Over so few steps the usual 0.999 would still remember the first gradients at the end.
  const options = { ...short, adam_beta2: 0.99 };
  return train(session, source, options, { tracker, stop, outputDir: settings.out });
}
