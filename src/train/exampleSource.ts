/** Rows as training, evaluation and their order take them, whoever makes them. */
import type { Example } from '../data/example.ts';
import type { Model } from '../models/model.ts';

/** Rows to train on. */
export interface ExampleSource {
  readonly length: number;
  /**
   * May be called for several rows at once and for a row again in every epoch.
   * @param model that the row is for: one that has kept what it makes of the row's pictures needs no pixels (src/train/seenRows.ts)
   */
  get(index: number, model?: Pick<Model, 'vision' | 'pictures'>): Promise<Example>;
  /** Of what the rows are: a run is resumed only on rows of the same fingerprint. Absent: their number alone is compared. */
  fingerprint?(): Promise<string>;
}
