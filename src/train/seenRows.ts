/**
 * Rows that a model has seen. Once it has kept what it makes of a row's pictures (src/models/pictureFeatures.ts), the row comes without
 * their pixels: nothing is read, decoded, resized or compared for it in a later epoch. Only for rows that are the same whenever they are
 * made.
 */
import type { Example } from '../data/example.ts';
import { pictureKeys } from '../models/pictureKey.ts';
import type { ExampleSource } from './exampleSource.ts';

/** Ids, labels and positions that are kept, at most: the first ones, as of features. */
const MOST_BYTES = 256 * 2 ** 20;

const NO_PIXELS = new Float32Array(0);

/**
 * @param get a row with its pixels
 * @param forget told of a row that goes without them from now on
 */
export function seenRows(
  get: (index: number) => Promise<Example>,
  forget: (index: number) => void = () => undefined,
): ExampleSource['get'] {
  const seen = new Map<number, Example>();
  let bytes = 0;
  return async (index, model) => {
    const { vision, pictures } = model ?? {};
    const known = seen.get(index);
    if (known?.pictureKeys && pictures?.holds(known.pictureKeys)) {
      forget(index);
      return known;
    }
    const example = await get(index);
    if (!vision || !pictures || example.imageGrids.length === 0) return example;
    const row = { ...example, pictureKeys: pictureKeys(vision, example) };
    bytes += known ? 0 : bytesOf(row);
    if (known || bytes <= MOST_BYTES) seen.set(index, { ...row, pixelValues: NO_PIXELS, again: () => get(index) });
    return row;
  };
}

function bytesOf({ inputIds, labels, weights, positionIds }: Example): number {
  return [inputIds, labels, weights, positionIds].reduce((sum, array) => sum + (array?.byteLength ?? 0), 0);
}
