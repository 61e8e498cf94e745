/**
 * Time per kernel from timestamp queries: one compute pass a dispatch while it is on, so it slows a step down and is off by default.
 */

import { BUFFER_USAGE, MAP_READ_MODE } from './flags.ts';

const MAX_QUERIES = 4096;

export interface KernelTime {
  label: string;
  calls: number;
  ms: number;
}

export class Profiler {
  readonly enabled: boolean;
  private readonly gpu: GPUDevice;
  private readonly queries: GPUQuerySet | undefined;
  private readonly resolved: GPUBuffer | undefined;
  private labels: string[] = [];
  private readonly pending: { labels: string[]; buffer: GPUBuffer }[] = [];

  constructor(gpu: GPUDevice, enabled: boolean) {
    this.gpu = gpu;
    this.enabled = enabled;
    if (!enabled) return;
    this.queries = gpu.createQuerySet({ type: 'timestamp', count: MAX_QUERIES });
    this.resolved = gpu.createBuffer({ size: MAX_QUERIES * 8, usage: BUFFER_USAGE.QUERY_RESOLVE | BUFFER_USAGE.COPY_SRC });
  }

  /** A pass whose start and end are timed; past MAX_QUERIES a submit the pass goes untimed. */
  beginPass(encoder: GPUCommandEncoder, label: string): GPUComputePassEncoder {
    const at = this.labels.length * 2;
    if (!this.queries || at + 2 > MAX_QUERIES) return encoder.beginComputePass();
    this.labels.push(label);
    return encoder.beginComputePass({
      timestampWrites: { querySet: this.queries, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 },
    });
  }

  /** Before a submit: copies the timestamps taken so far to where `read` finds them. */
  resolve(encoder: GPUCommandEncoder): void {
    if (!this.queries || !this.resolved || this.labels.length === 0) return;
    const bytes = this.labels.length * 16;
    const buffer = this.gpu.createBuffer({ size: bytes, usage: BUFFER_USAGE.MAP_READ | BUFFER_USAGE.COPY_DST });
    encoder.resolveQuerySet(this.queries, 0, this.labels.length * 2, this.resolved, 0);
    encoder.copyBufferToBuffer(this.resolved, 0, buffer, 0, bytes);
    this.pending.push({ labels: this.labels, buffer });
    this.labels = [];
  }

  /** Time per kernel since the last call, longest first, and resets. */
  async read(): Promise<KernelTime[]> {
    const times = new Map<string, KernelTime>();
    for (const { labels, buffer } of this.pending.splice(0)) {
      await buffer.mapAsync(MAP_READ_MODE);
      const stamps = new BigUint64Array(buffer.getMappedRange());
      labels.forEach((label, at) => {
        const entry = times.get(label) ?? { label, calls: 0, ms: 0 };
        entry.calls++;
        entry.ms += Number(stamps[at * 2 + 1]! - stamps[at * 2]!) / 1e6;
        times.set(label, entry);
      });
      buffer.destroy();
    }
    return [...times.values()].sort((a, b) => b.ms - a.ms);
  }
}
