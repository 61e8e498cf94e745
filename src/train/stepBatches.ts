/** The rows of one optimizer step, in the epoch's order, as micro-batches; of these, the ones that are dealt to this rank. */
import type { Model } from '../models/model.ts';
import type { ExampleSource } from './exampleSource.ts';
import { labelWeight } from './microBatch.ts';
import { rowOrder } from './rowOrder.ts';
import { microBatchesOf } from './schedule.ts';
import type { StepPlan } from './schedule.ts';
import type { MicroBatch } from './step.ts';
import { isDealtTo } from '../world/world.ts';
import type { World } from '../world/world.ts';
import type { TrainSettings } from './trainSettings.ts';

/** @param model that the rows are for. @param settings with the accumulation of all ranks together. @param step of the run, from 0 */
export async function stepBatches(
  source: ExampleSource,
  model: Model,
  settings: TrainSettings,
  plan: StepPlan,
  step: number,
  world: World,
): Promise<MicroBatch[]> {
  const { epoch, first, end } = microBatchesOf(step, plan, settings.gradient_accumulation_steps);
  const size = settings.per_device_train_batch_size;
  const order = await rowOrder(source, { ...settings, group_by_length: settings.group_by_length ?? false }, epoch);
  const batches: MicroBatch[] = [];
  for (let batch = first; batch < end; batch++) {
    if (!isDealtTo(world, batch - first)) continue;
    const places = Array.from({ length: Math.min(size, source.length - batch * size) }, (_, i) => batch * size + i);
    const examples = await Promise.all(places.map((place) => source.get(order ? order[place]! : place, model)));
    batches.push({ examples, labels: examples.reduce((sum, example) => sum + labelWeight(example), 0), index: batch - first });
  }
  return batches;
}
