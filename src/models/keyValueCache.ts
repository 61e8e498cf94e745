/**
 * Keys and values of the tokens already seen, per layer, for generation. A cache serves a batch of sequences of unequal length: each has a
 * run of rows of its own in one buffer a layer, with room behind it, so that a step that adds a token to every sequence binds the same
 * buffers as the step before. Where the device computes in f16 they are kept in it: half the memory, and half of what a token's attention
 * reads.
 */
import type { Device } from '../gpu/device.ts';
import type { BufferView } from '../gpu/pool.ts';
import { Tensor } from '../gpu/tensor.ts';
import type { AttentionRanges } from '../ops/attention.ts';
import { countPairs, decodeRanges } from '../ops/attentionRanges.ts';
import type { CachedSequence } from '../ops/attentionRanges.ts';
import { cellGroups, cellsOf } from '../ops/cells.ts';
import { plansOf } from '../tune/plans.ts';
import { attentionDtypeOf } from '../tune/subgroupMatrix.ts';
import type { AttentionDtype } from '../tune/subgroupMatrix.ts';
import type { Tape } from '../ops/tape.ts';

const LABEL = 'key/value cache';

interface Sequence {
  /** Its first row in every layer's buffers. */
  start: number;
  /** Rows it may hold before the buffers must grow. */
  room: number;
  /** Rows it holds. */
  held: number;
}

export class KeyValueCache {
  private readonly device: Device;
  private readonly sequences: Sequence[];
  private readonly dtype: AttentionDtype;
  private readonly layers = new Map<number, { k: BufferView; v: BufferView; rowBytes: number; dtype: AttentionDtype }>();
  private step: { sequences: readonly Sequence[]; fresh: CachedSequence[]; rows: Tensor } | undefined;

  /** @param rooms rows (tokens) of each sequence that there is room for at first */
  constructor(device: Device, rooms: readonly number[]) {
    this.device = device;
    this.dtype = attentionDtypeOf(plansOf(device).compute);
    this.sequences = rooms.map((room) => ({ start: 0, room, held: 0 }));
    placeInOrder(this.sequences);
  }

  /** Rows of a sequence so far. */
  held(sequence: number): number {
    return this.sequences[sequence]!.held;
  }

  /**
   * The next batch continues these sequences, ascending, by so many tokens each. Where one has no room left, all of `live` get `spare` rows
   * more than they hold with this batch, and the others give theirs up.
   */
  begin(chosen: readonly { sequence: number; tokens: number }[], live: readonly number[], spare: number): void {
    if (this.step) throw new Error('key/value cache: the batch before has not ended');
    const isFull = chosen.some(({ sequence, tokens }) => this.held(sequence) + tokens > this.sequences[sequence]!.room);
    if (isFull)
      this.grow(new Map(live.map((sequence) => [sequence, (chosen.find((one) => one.sequence === sequence)?.tokens ?? 0) + spare])));
    const sequences = chosen.map(({ sequence }) => this.sequences[sequence]!);
    const fresh = sequences.map(({ start, held }, i) => ({ start, past: held, fresh: chosen[i]!.tokens }));
    const rows = Uint32Array.from(
      fresh.flatMap(({ start, past, fresh: count }) => Array.from({ length: count }, (_, i) => start + past + i)),
    );
    this.step = { sequences, fresh, rows: this.device.upload(rows, [rows.length], LABEL) };
  }

  /**
   * What each token of the batch sees: its own sequence up to itself; tokens of one image (`blockIds`, one a token, −1 outside images) see
   * each other; with `window` as in `blockCausalRanges`. The caller releases the two tables.
   */
  ranges(blockIds?: Int32Array, window?: number): AttentionRanges {
    const { fresh } = this.current();
    const table = decodeRanges(fresh, blockIds, window);
    return {
      queryRanges: this.device.upload(table, [table.length / 2, 2], 'batch'),
      keyRanges: this.device.upload(new Uint32Array(2), [1, 2], 'batch'), // for the backward pass, which there is none of
      pairs: countPairs(table),
      isApart: fresh.length > 1 && fresh.every((sequence) => sequence.fresh === 1),
    };
  }

  /**
   * Appends k and v (T, KV, D) of one layer to the batch's sequences; returns the rows of all sequences (S, KV, D), which `ranges` counts
   * in.
   */
  extend(t: Tape, layer: number, k: Tensor, v: Tensor): { k: Tensor; v: Tensor } {
    const { rows } = this.current();
    const [T, KV, D] = k.shape as [number, number, number];
    if (T !== rows.size) throw new Error(`key/value cache: ${T} rows for a batch of ${rows.size}`);
    const total = this.rowCount();
    let entry = this.layers.get(layer);
    if (!entry) {
      // 16-bit values lie two in a word.
      const isHalf = this.dtype === 'f16' && (KV * D) % 2 === 0;
      const rowBytes = KV * D * (isHalf ? 2 : 4);
      entry = { k: this.acquire(total * rowBytes), v: this.acquire(total * rowBytes), rowBytes, dtype: isHalf ? 'f16' : 'f32' };
      this.layers.set(layer, entry);
    }
    const { dtype } = entry;
    const append = (cached: BufferView, fresh: Tensor): Tensor => {
      const all = new Tensor([total, KV, D], dtype, cached);
      if (dtype === 'f16') {
        t.dispatch(
          t.kernel('scatter_rows_f16'),
          { x: fresh, rows, y: all },
          { start: 0, count: T, size: KV * D },
          Math.ceil((T * KV * D) / 512),
        );
        return all;
      }
      const cells = cellsOf(KV * D);
      const range = { start: 0, count: T, size: (KV * D) / cells.width };
      t.dispatch(t.kernel('scatter_rows', cells.spec), { x: fresh, rows, y: all }, range, cellGroups(cells, T * KV * D));
      return all;
    };
    return { k: append(entry.k, k), v: append(entry.v, v) };
  }

  /** The batch has been through all layers: its tokens are held. */
  end(): void {
    const { sequences, fresh, rows } = this.current();
    sequences.forEach((sequence, i) => (sequence.held += fresh[i]!.fresh));
    this.device.pool.release(rows.view);
    this.step = undefined;
  }

  release(): void {
    if (this.step) this.device.pool.release(this.step.rows.view);
    this.step = undefined;
    for (const { k, v } of this.layers.values()) {
      this.device.pool.release(k);
      this.device.pool.release(v);
    }
    this.layers.clear();
  }

  private current(): NonNullable<KeyValueCache['step']> {
    if (!this.step) throw new Error('key/value cache: no batch has begun');
    return this.step;
  }

  private rowCount(): number {
    return this.sequences.reduce((sum, { room }) => sum + room, 0);
  }

  /** Zeroed: a masked key weighs 0, and 0 × NaN, which a used buffer may hold, would not be 0. */
  private acquire(bytes: number): BufferView {
    const view = this.device.pool.acquire(bytes, LABEL);
    this.device.clear(view);
    return view;
  }

  /** `more`: sequences that go on, and how many rows they need beside those they hold. */
  private grow(more: ReadonlyMap<number, number>): void {
    const before = this.sequences.map((sequence) => ({ ...sequence }));
    this.sequences.forEach((sequence, at) => {
      sequence.room = more.has(at) ? Math.max(sequence.room, sequence.held + more.get(at)!) : 0;
    });
    placeInOrder(this.sequences);
    for (const entry of this.layers.values()) {
      for (const side of ['k', 'v'] as const) {
        const from = entry[side];
        const to = this.acquire(this.rowCount() * entry.rowBytes);
        this.sequences.forEach(({ start, room, held }, at) => {
          if (room === 0 || held === 0) return;
          const bytes = held * entry.rowBytes;
          this.device.copy(
            { ...from, offset: from.offset + before[at]!.start * entry.rowBytes },
            { ...to, offset: to.offset + start * entry.rowBytes },
            bytes,
          );
        });
        this.device.pool.release(from);
        entry[side] = to;
      }
    }
  }
}

function placeInOrder(sequences: readonly Sequence[]): void {
  let start = 0;
  for (const sequence of sequences) {
    sequence.start = start;
    start += sequence.room;
  }
}
