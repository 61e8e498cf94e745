/**
 * Rows that no processor made, for planning memory where there is neither data nor tokenizer: what they say is of no matter, how long they
 * are is.
 */
import { IGNORE_INDEX } from '../data/example.ts';
import type { Example } from '../data/example.ts';

/** What a row is to have. */
export interface SampleRow {
  /** Of its picture, in pixels, before it is resized for the model; a model that reads text only is given none. */
  height: number;
  width: number;
  /** Tokens beside those of the picture. */
  textTokens: number;
  /** How many of them, at the end, are learnt. */
  learnt: number;
  /** Bounds on the area that the picture is resized to. */
  minPixels?: number;
  maxPixels?: number;
}

/** Features of a picture first, as the placeholder's ids, then text. */
export function sampleTokens(
  { textTokens, learnt }: SampleRow,
  picture?: { id: number; features: number },
): Pick<Example, 'inputIds' | 'labels'> {
  const features = picture?.features ?? 0;
  const word = picture?.id === 0 ? 1 : 0;
  const inputIds = new Int32Array(features + textTokens).fill(word);
  if (picture) inputIds.fill(picture.id, 0, features);
  const labels = new Int32Array(inputIds.length).fill(IGNORE_INDEX);
  labels.fill(word, labels.length - Math.min(learnt, textTokens));
  return { inputIds, labels };
}

/** A row of a model without a vision tower. */
export function sampleText(row: SampleRow): Example {
  const { inputIds, labels } = sampleTokens(row);
  return { inputIds, labels, positionIds: Int32Array.from(inputIds.keys()), pixelValues: new Float32Array(0), imageGrids: [] };
}
