/**
 * The order in which an epoch sees the rows: a function of the seed and the epoch, so that a resumed run takes up exactly where it stopped.
 * By rows of like length, where asked for: micro-batches then hold rows that take about the same time and memory.
 */
import { shuffled, streamId } from '../data/random.ts';
import type { ExampleSource } from './exampleSource.ts';

/** Rows whose rough lengths are known before they are made. */
export interface MeasuredSource extends ExampleSource {
  /** Rough numbers of tokens, one a row. */
  lengths?(): Promise<ArrayLike<number>>;
}

export interface RowOrderSettings {
  shuffle: boolean;
  seed: number;
  group_by_length: boolean;
  per_device_train_batch_size: number;
}

/**
 * Batches that are sorted among themselves, as in transformers' LengthGroupedSampler: enough to find like lengths, few enough to stay
 * random.
 */
const BATCHES_A_GROUP = 50;

/** The last order of each source: an epoch has many steps. */
const latest = new WeakMap<MeasuredSource, { key: string; order: Uint32Array | undefined }>();

/** @returns undefined for the rows' own order */
export async function rowOrder(source: MeasuredSource, settings: RowOrderSettings, epoch: number): Promise<Uint32Array | undefined> {
  const { shuffle, seed, group_by_length: isGrouped, per_device_train_batch_size: batchSize } = settings;
  const key = JSON.stringify([shuffle, seed, isGrouped, batchSize, epoch]);
  const known = latest.get(source);
  if (known?.key === key) return known.order;
  const plain = shuffle ? shuffled(source.length, seed, streamId('rows'), epoch) : undefined;
  const lengths = isGrouped ? await source.lengths?.() : undefined;
  const order =
    lengths === undefined ? plain : groupedByLength(plain ?? Uint32Array.from({ length: source.length }, (_, i) => i), lengths, batchSize);
  latest.set(source, { key, order });
  return order;
}

/**
 * Transformers' `get_length_grouped_indices`: groups of 50 batches in the given order, each sorted from long to short; the longest row of
 * all comes first, so that a run that does not fit into memory fails at once.
 */
export function groupedByLength(order: Uint32Array, lengths: ArrayLike<number>, batchSize: number): Uint32Array {
  const size = batchSize * Math.max(1, Math.min(BATCHES_A_GROUP, Math.floor(order.length / (batchSize * 4))));
  const length = (row: number | undefined): number => lengths[row ?? 0] ?? 0;
  const grouped = new Uint32Array(order.length);
  for (let start = 0; start < order.length; start += size) {
    const group = [...order.subarray(start, start + size)].map((row, place) => ({ row, place }));
    group.sort((a, b) => length(b.row) - length(a.row) || a.place - b.place);
    group.forEach(({ row }, i) => (grouped[start + i] = row));
  }
  let longest = 0;
  for (let start = 0; start < grouped.length; start += size) if (length(grouped[start]) > length(grouped[longest])) longest = start;
  const first = grouped[0];
  if (first !== undefined && longest > 0) {
    grouped[0] = grouped[longest] ?? first;
    grouped[longest] = first;
  }
  return grouped;
}
