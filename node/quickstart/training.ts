/** The quick start's training loop: steps of LoRA on the training rows, each told to the trackers at once, and the adapter saved at the end. */
import type { MedvisionSample } from '../../src/data/medvision/sample.ts';
import { shuffled, streamId } from '../../src/data/random.ts';
import type { Tracker } from '../../src/track/tracker.ts';
import { saveCheckpoint, trainerState } from '../../src/train/checkpointFolder.ts';
import type { LogRow } from '../../src/train/checkpointFolder.ts';
import { countLabels, runMicroBatch } from '../../src/train/microBatch.ts';
import { AdamW } from '../../src/train/optimizer.ts';
import { learningRateAt, warmupStepsOf } from '../../src/train/schedule.ts';
import type { Session } from '../../src/train/session.ts';
import type { SampleData } from './questions.ts';

export interface TrainingSettings {
  out: string;
  steps: number;
  batchSize: number;
  learningRate: number;
  seed: number;
}

/** @returns the checkpoint folder, or undefined where it was stopped before the first step */
export async function trainAdapter(
  session: Session,
  data: SampleData,
  rows: readonly MedvisionSample[],
  settings: TrainingSettings,
  tracker: Tracker,
  stop: AbortSignal,
): Promise<string | undefined> {
  const { device, arena, platform } = session;
  const { steps, batchSize, seed } = settings;
  const optimizer = new AdamW(device, arena, { maxGradNorm: 1 });
  const schedule = { scheduler: 'cosine' as const, base: settings.learningRate, totalSteps: steps, warmupSteps: warmupStepsOf(steps, { warmupSteps: 0, warmupRatio: 0.05 }) };
  const stream = streamId('quick start: rows');
  /** The row at a place of the endless sequence of epochs, each in an order of its own. */
  const rowAt = (place: number): MedvisionSample | undefined => rows[shuffled(rows.length, seed, stream, Math.floor(place / rows.length))[place % rows.length] ?? 0];
  const history: LogRow[] = [];
  let tokens = 0;
  const facts = { rows: new Set(rows).size, 'LoRA parameters': session.trainableCount };
  await tracker.start({ name: 'quick start', totalSteps: steps, firstStep: 0, facts, config: { ...settings } });
  device.pool.resetPeak();
  for (let step = 0; step < steps && !stop.aborted; step++) {
    const samples = Array.from({ length: batchSize }, (_, i) => rowAt(step * batchSize + i)).filter((sample) => sample !== undefined);
    const examples = await Promise.all(samples.map((sample) => data.example(sample, 'learn')));
    const labels = examples.reduce((sum, example) => sum + countLabels(example), 0);
    arena.zeroGradients();
    await runMicroBatch(device, session.model, examples, {
      grad: true, training: true, checkpointing: true, random: { seed, step }, lossScale: 1 / labels, lossSum: optimizer.lossSum,
    });
    const learningRate = learningRateAt(step, schedule);
    optimizer.step(learningRate);
    const [log] = await optimizer.readLog(step + 1, step + 1);
    tokens += examples.reduce((sum, example) => sum + example.inputIds.length, 0);
    const epoch = ((step + 1) * batchSize) / rows.length;
    const row = { loss: (log?.lossSum ?? NaN) / labels, grad_norm: log?.gradNorm ?? NaN, learning_rate: learningRate, epoch };
    history.push({ step: step + 1, ...row });
    tracker.progress({ step: step + 1, tokens, peakBytes: device.pool.report().peakBytes });
    await tracker.log(row, step + 1);
  }
  optimizer.release();
  const done = history.length;
  const saved = done === 0 ? undefined : await saveCheckpoint(platform, settings.out, done, {
    writeAdapter: (dir) => session.save(dir),
    trainerState: trainerState({
      epoch: history.at(-1)?.epoch ?? 0, global_step: done, max_steps: steps, logging_steps: 1, log_history: history, num_input_tokens_seen: tokens,
      num_train_epochs: Math.ceil((steps * batchSize) / rows.length), train_batch_size: batchSize,
    }),
  });
  await tracker.finish({ outcome: stop.aborted ? 'stopped' : 'finished', figures: {}, files: saved ? [saved.path] : [] });
  return saved?.path;
}
