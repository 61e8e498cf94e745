/**
 * A micro-batch on the GPU, the features of its pictures first where they are made by themselves (src/models/pictureFeatures.ts) or in
 * groups (src/models/pictureGroups.ts).
 */
import type { Example } from '../data/example.ts';
import type { Device } from '../gpu/device.ts';
import type { Model, PreparedBatch, PrepareOptions } from './model.ts';
import { PictureGroups } from './pictureGroups.ts';
import type { ChainOptions } from './stageChain.ts';

export interface BatchWithPictures extends PreparedBatch {
  /** Where the features were made in groups: they go back after the stages, with the gradients of the inputs. */
  groups?: PictureGroups;
}

/** @param chain of the stages, and of the pictures' before them */
export async function prepareBatch(
  device: Device,
  model: Model,
  examples: readonly Example[],
  chain: ChainOptions,
  { cache }: Pick<PrepareOptions, 'cache'> = {},
): Promise<BatchWithPictures> {
  const { vision, pictures } = model;
  const options = { grad: chain.grad, ...(cache && { cache }) };
  if (!vision || examples.every(({ imageGrids }) => imageGrids.length === 0)) return model.prepare(device, examples, options);
  if (pictures) return model.prepare(device, examples, { ...options, features: await pictures.of(device, vision, examples) });
  const groups = PictureGroups.of(device, vision, examples, chain);
  if (!groups) return model.prepare(device, examples, options);
  return { ...model.prepare(device, examples, { ...options, features: await groups.forward() }), groups };
}
