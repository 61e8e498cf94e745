/** Keys and values of the tokens already seen, per layer, for generation: new rows are appended behind them. */
import type { Device } from '../gpu/device.ts';
import type { BufferView } from '../gpu/pool.ts';
import { Tensor } from '../gpu/tensor.ts';

export class KeyValueCache {
  private readonly device: Device;
  private readonly capacity: number;
  private readonly layers = new Map<number, { k: BufferView; v: BufferView; rows: number }>();

  /** @param capacity rows (tokens) that each layer holds at most */
  constructor(device: Device, capacity: number) {
    this.device = device;
    this.capacity = capacity;
  }

  /** Rows held so far. */
  rows(layer: number): number {
    return this.layers.get(layer)?.rows ?? 0;
  }

  /** Appends k and v (T, KV, D) of one layer; returns all rows so far (S, KV, D). */
  extend(layer: number, k: Tensor, v: Tensor): { k: Tensor; v: Tensor } {
    const [T, KV, D] = k.shape as [number, number, number];
    const rowBytes = KV * D * 4;
    let entry = this.layers.get(layer);
    if (!entry) {
      const acquire = (): BufferView => this.device.pool.acquire(this.capacity * rowBytes, 'key/value cache');
      entry = { k: acquire(), v: acquire(), rows: 0 };
      this.layers.set(layer, entry);
    }
    if (entry.rows + T > this.capacity) throw new Error(`key/value cache of ${this.capacity} rows cannot take ${entry.rows} + ${T}`);
    const offset = entry.rows * rowBytes;
    entry.rows += T;
    const rows = entry.rows;
    const append = (cached: BufferView, fresh: Tensor): Tensor => {
      this.device.copy(fresh.view, { ...cached, offset: cached.offset + offset }, T * rowBytes);
      return new Tensor([rows, KV, D], 'f32', { ...cached, bytes: rows * rowBytes });
    };
    return { k: append(entry.k, k), v: append(entry.v, v) };
  }

  release(): void {
    for (const { k, v } of this.layers.values()) {
      this.device.pool.release(k);
      this.device.pool.release(v);
    }
    this.layers.clear();
  }
}
