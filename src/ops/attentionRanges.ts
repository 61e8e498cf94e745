/**
 * Which keys a query sees, as tables of intervals instead of masks: for every query the half-open interval [start, end) of key rows, starts
 * and ends non-decreasing. Causal rows, bidirectional segments, Gemma3's images inside causal text and its sliding window are all of
 * this form, and the inverse (which queries see a key) is then an interval too. Plain arrays; nothing here touches the GPU.
 */

/** (T, 2) of u32: start and end of every query's interval. */
export type RangeTable = Uint32Array<ArrayBuffer>;

function tableOf(count: number): RangeTable {
  return new Uint32Array(2 * count);
}

/** Rows of a micro-batch one after the other: query i of a row sees the row from its start up to and including i. */
export function causalRanges(rowLengths: readonly number[]): RangeTable {
  const count = rowLengths.reduce((sum, length) => sum + length, 0);
  return blockCausalRanges(rowLengths, new Int32Array(count).fill(-1));
}

/**
 * Bidirectional within segments (windows of a vision tower, whole images). `cumulativeLengths` are the borders, first 0, as
 * transformers' `cu_seqlens`.
 */
export function segmentRanges(cumulativeLengths: readonly number[]): RangeTable {
  const table = tableOf(cumulativeLengths.at(-1) ?? 0);
  for (let segment = 1; segment < cumulativeLengths.length; segment++) {
    const start = cumulativeLengths[segment - 1]!;
    const end = cumulativeLengths[segment]!;
    if (end < start) throw new Error(`segment borders decrease: ${start}, then ${end}`);
    for (let i = start; i < end; i++) table.set([start, end], 2 * i);
  }
  return table;
}

/**
 * Gemma3's text: causal, or within one image, both ways. `blockIds` gives every token the number of its image, -1 outside images; a block
 * is a run of equal numbers and never crosses a row. With `window`, AND key > query - window on top of both, as in transformers'
 * `sliding_window_overlay` (masking_utils.py): a query sees itself and the window - 1 keys before it; keys after it inside its
 * image stay visible at any distance.
 */
export function blockCausalRanges(rowLengths: readonly number[], blockIds: Int32Array, window?: number): RangeTable {
  const count = rowLengths.reduce((sum, length) => sum + length, 0);
  if (blockIds.length !== count) throw new Error(`blockCausalRanges: ${blockIds.length} block ids for ${count} tokens`);
  const table = tableOf(count);
  let rowStart = 0;
  for (const length of rowLengths) {
    const rowEnd = rowStart + length;
    let blockEnd = rowStart;
    for (let i = rowStart; i < rowEnd; i++) {
      if (i >= blockEnd) {
        blockEnd = i + 1;
        while (blockIds[i]! >= 0 && blockEnd < rowEnd && blockIds[blockEnd] === blockIds[i]) blockEnd++;
      }
      table[2 * i] = window === undefined ? rowStart : Math.max(rowStart, i - window + 1);
      table[2 * i + 1] = blockEnd;
    }
    rowStart = rowEnd;
  }
  return table;
}

/** A sequence of a key/value cache: its rows lie from `start` on, `past` of them are held, and `fresh` tokens come behind those. */
export interface CachedSequence {
  start: number;
  past: number;
  fresh: number;
}

/**
 * Generation with a key/value cache: each fresh token sees its own sequence up to itself, and with `blockIds` (one a fresh token, -1
 * outside images) the whole of its image. `window` as in `blockCausalRanges`.
 */
export function decodeRanges(sequences: readonly CachedSequence[], blockIds?: Int32Array, window?: number): RangeTable {
  const lengths = sequences.map(({ fresh }) => fresh);
  const count = lengths.reduce((sum, length) => sum + length, 0);
  const table = blockCausalRanges(lengths, blockIds ?? new Int32Array(count).fill(-1));
  let first = 0;
  for (const { start, past, fresh } of sequences) {
    const shift = start + past - first;
    for (let i = first; i < first + fresh; i++) {
      table[2 * i] = window === undefined ? start : Math.max(start, shift + i - window + 1);
      table[2 * i + 1]! += shift;
    }
    first += fresh;
  }
  return table;
}

/**
 * For every key the interval of queries that see it: keys × 2. Queries whose end lies past a key are a suffix and those whose start does
 * not are a prefix, because the tables are monotone; a table that is not, or that reaches past `keyCount`, throws.
 */
export function keyRangesOf(queryRanges: RangeTable, keyCount: number): RangeTable {
  const count = queryRanges.length / 2;
  for (let i = 0; i < count; i++) {
    const start = queryRanges[2 * i]!;
    const end = queryRanges[2 * i + 1]!;
    if (start > end || end > keyCount) throw new Error(`attention: query ${i} sees keys [${start}, ${end}) of ${keyCount}`);
    if (i > 0 && (start < queryRanges[2 * i - 2]! || end < queryRanges[2 * i - 1]!)) {
      const before = `query ${i - 1} sees [${queryRanges[2 * i - 2]}, ${queryRanges[2 * i - 1]})`;
      throw new Error(`attention: intervals must not move backwards, but ${before} and query ${i} [${start}, ${end})`);
    }
  }
  const table = tableOf(keyCount);
  let first = 0;
  let end = 0;
  for (let key = 0; key < keyCount; key++) {
    while (first < count && queryRanges[2 * first + 1]! <= key) first++;
    while (end < count && queryRanges[2 * end]! <= key) end++;
    table[2 * key] = first;
    table[2 * key + 1] = Math.max(first, end);
  }
  return table;
}

/** Pairs of a query and a key that it sees. */
export function countPairs(queryRanges: RangeTable): number {
  let pairs = 0;
  for (let i = 0; i < queryRanges.length; i += 2) pairs += queryRanges[i + 1]! - queryRanges[i]!;
  return pairs;
}
