/** Rows as training, evaluation and their order take them, whoever makes them. */
import type { Example } from '../data/example.ts';

/** Rows to train on; `get` may be called for several rows at once and for a row again in every epoch. */
export interface ExampleSource {
  readonly length: number;
  get(index: number): Promise<Example>;
  /** Of what the rows are: a run is resumed only on rows of the same fingerprint. Absent: their number alone is compared. */
  fingerprint?(): Promise<string>;
}
