/** A micro-batch on the GPU, the features of its pictures first where they are made by themselves (src/models/pictureFeatures.ts). */
import type { Example } from '../data/example.ts';
import type { Device } from '../gpu/device.ts';
import type { Model, PreparedBatch, PrepareOptions } from './model.ts';

export async function prepareBatch(
  device: Device,
  model: Model,
  examples: readonly Example[],
  options: PrepareOptions,
): Promise<PreparedBatch> {
  const { vision, pictures } = model;
  if (!vision || !pictures || examples.every(({ imageGrids }) => imageGrids.length === 0)) {
    return model.prepare(device, examples, options);
  }
  return model.prepare(device, examples, { ...options, features: await pictures.of(device, vision, examples) });
}
