/**
 * Whether the output head is tied to the embedding: the configuration says so, and the weights may say otherwise. transformers
 * (`tie_weights`) ties the two unless the checkpoint holds both and they differ, as a merge in Python leaves them; a file that holds only
 * one of the two gives both.
 */
import { readValues } from '../io/modelFolder.ts';
import type { ModelFolder } from '../io/modelFolder.ts';
import { elementCount } from '../io/safetensors.ts';
import { UserError } from '../platform.ts';
import { HEAD } from './model.ts';
import type { ModelDescription } from './model.ts';

/** Values compared at a time. */
const BLOCK = 2 ** 20;

/**
 * A description of what the folder holds, in place of what its configuration promises.
 * @throws UserError where the configuration calls for a head of its own and the file has none: transformers would draw one at random
 */
export async function withHeadOf(folder: ModelFolder, description: ModelDescription): Promise<ModelDescription> {
  const { embedding, tiedHead } = description;
  const shape = description.shapes.get(embedding)!;
  if (!tiedHead) {
    if (folder.has(embedding) && !folder.has(HEAD)) throw noHead(folder, embedding);
    return description;
  }
  if (!folder.has(HEAD)) return description;
  if (!folder.has(embedding)) {
    folder.alias(embedding, HEAD);
    return description;
  }
  if (await isSame(folder, embedding, HEAD)) return description;
  return { ...description, shapes: new Map([...description.shapes, [HEAD, shape]]), tiedHead: false, untiesConfig: true };
}

function noHead(folder: ModelFolder, embedding: string): UserError {
  return new UserError(
    `${folder.dir}: config.json says that the output head is not tied to the embedding (tie_word_embeddings false), and the weights have ` +
      `no ` +
      `${HEAD}, only ${folder.storedName(embedding)}. Download the model again, whole; or, where the head is the embedding, write ` +
      '"tie_word_embeddings": true.',
  );
}

/** Equal in every value, whatever the precision of each. */
async function isSame(folder: ModelFolder, one: string, other: string): Promise<boolean> {
  const [a, b] = [folder.info(one), folder.info(other)];
  if (a.shape.length !== b.shape.length || a.shape.some((size, i) => size !== b.shape[i])) return false;
  const total = elementCount(a.shape);
  for (let first = 0; first < total; first += BLOCK) {
    const count = Math.min(BLOCK, total - first);
    const [x, y] = [await readValues(folder, one, first, count), await readValues(folder, other, first, count)];
    for (let i = 0; i < count; i++) if (x[i] !== y[i]) return false;
  }
  return true;
}
