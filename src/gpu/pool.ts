/**
 * GPU memory. Of the free buffers that fit (no more than three times as large), the oldest is handed out: what was made later can never be
 * preferred, so a step that asks for the same sizes in the same order as the first gets the same buffers, and therefore the same cached
 * bind groups. Bytes are counted by label, which is how a run reports where its memory went.
 */

/**
 * How long a range is held. What comes and goes may lie in a buffer three times its size; what stays while much else comes and goes would
 * waste it.
 */
export type Hold = 'briefly' | 'long' | 'always';

/**
 * A buffer may be so many times as large as what is put into it. Twice or four times for `briefly` holds 1 % to 2 % more at the true shapes
 * of 3B and 4B models.
 */
const MOST_TIMES: Record<Hold, number> = { briefly: 3, long: 1.25, always: 1.125 };

export interface GpuBuffer {
  readonly id: number;
  readonly handle: GPUBuffer;
  /** Allocated size, bytes. */
  readonly bytes: number;
}

/** A range of a buffer; what a kernel binds. Offset is a multiple of 256 bytes, length a multiple of 4. */
export interface BufferView {
  readonly buffer: GpuBuffer;
  readonly offset: number;
  readonly bytes: number;
}

export interface MemoryReport {
  /** Bytes in use at the moment when most were in use, by label. */
  atPeak: Record<string, number>;
  /** The largest number of bytes ever in use at once. */
  peakBytes: number;
  /** Each label's own largest. */
  peakByLabel: Record<string, number>;
  inUseBytes: number;
  /** Bytes of all buffers that exist, in use or kept for reuse. */
  reservedBytes: number;
  /** The largest that has been. */
  reservedPeakBytes: number;
}

/**
 * Sizes are rounded up to an eighth of their power of two, so that sequence lengths close to each other share buffers (at most 12.5 %
 * lost).
 */
function sizeClass(bytes: number): number {
  const needed = Math.max(256, Math.ceil(bytes / 256) * 256);
  const step = Math.max(256, 2 ** Math.floor(Math.log2(needed)) / 8);
  return Math.ceil(needed / step) * step;
}

export class Pool {
  private readonly create: (bytes: number) => GpuBuffer;
  private readonly maxBufferBytes: number;
  private free: GpuBuffer[] = [];
  private readonly inUse = new Map<number, { buffer: GpuBuffer; label: string; bytes: number }>();
  private readonly byLabel = new Map<string, number>();
  private peakByLabel = new Map<string, number>();
  private atPeak: Record<string, number> = {};
  private peakBytes = 0;
  private inUseBytes = 0;
  private reservedBytes = 0;
  private reservedPeakBytes = 0;

  /** Bytes that the pool may hold: beyond them, what is unused is given back before anything is made. What is in use is not limited. */
  limitBytes = Infinity;
  private readonly beforeDestroying: () => void;

  /** @param beforeDestroying nothing may use a free buffer any more after it */
  constructor(create: (bytes: number) => GpuBuffer, maxBufferBytes: number, beforeDestroying: () => void) {
    this.create = create;
    this.beforeDestroying = beforeDestroying;
    this.maxBufferBytes = maxBufferBytes;
  }

  /**
   * A buffer of at least `bytes`; its old content is undefined, so a kernel must write every element it or a later one reads.
   * @param hold `always`: as long as the model is, so that the size is not rounded up for reuse
   */
  acquire(bytes: number, label: string, hold: Hold = 'briefly'): BufferView {
    // Under a limit, what fits badly is given back before something is made that fits.
    const times = this.limitBytes < Infinity ? Math.min(MOST_TIMES[hold], MOST_TIMES.long) : MOST_TIMES[hold];
    const wanted = hold === 'always' ? Math.ceil(Math.max(bytes, 256) / 256) * 256 : sizeClass(bytes);
    let found = -1;
    for (let at = 0; at < this.free.length; at++) {
      const buffer = this.free[at]!;
      if (buffer.bytes < wanted || buffer.bytes > wanted * times) continue;
      const best = this.free[found];
      if (best === undefined || buffer.id < best.id) found = at;
    }
    const padded = Math.max(4, Math.ceil(bytes / 4) * 4);
    let buffer: GpuBuffer;
    if (found >= 0) {
      buffer = this.free.splice(found, 1)[0]!;
    } else {
      const size = Math.min(wanted, Math.max(this.maxBufferBytes, padded));
      if (this.reservedBytes + size > this.limitBytes) this.giveBack(this.reservedBytes + size - this.limitBytes);
      buffer = this.create(size);
      this.reserve(size);
    }
    this.count(label, padded);
    this.inUse.set(buffer.id, { buffer, label, bytes: padded });
    return { buffer, offset: 0, bytes: padded };
  }

  release(view: BufferView): void {
    this.releaseById(view.buffer.id);
  }

  releaseById(id: number): void {
    const entry = this.inUse.get(id);
    if (entry === undefined) throw new Error(`buffer ${id} was released twice`);
    this.inUse.delete(id);
    this.count(entry.label, -entry.bytes);
    this.free.push(entry.buffer);
  }

  /** Counts a range under another label from now on (scratch that is kept as a saved input). */
  relabel(view: BufferView, label: string): void {
    const entry = this.inUse.get(view.buffer.id);
    if (entry === undefined) throw new Error(`buffer ${view.buffer.id} is not in use`);
    this.count(entry.label, -entry.bytes);
    entry.label = label;
    this.count(label, entry.bytes);
  }

  /** Gives every unused buffer back to the system; the next acquisitions create new ones. */
  trim(): void {
    this.giveBack(Infinity);
  }

  /** Gives unused buffers back, the largest first, until this many bytes are. */
  private giveBack(bytes: number): void {
    if (this.free.length === 0) return;
    this.beforeDestroying();
    this.free.sort((a, b) => b.bytes - a.bytes || a.id - b.id);
    for (let given = 0; given < bytes && this.free.length > 0;) {
      const buffer = this.free.shift()!;
      buffer.handle.destroy();
      this.reserve(-buffer.bytes);
      given += buffer.bytes;
    }
  }

  resetPeak(): void {
    this.peakBytes = 0;
    this.reservedPeakBytes = this.reservedBytes;
    this.peakByLabel = new Map(this.byLabel);
    this.notePeak();
  }

  report(): MemoryReport {
    return {
      atPeak: { ...this.atPeak },
      peakBytes: this.peakBytes,
      peakByLabel: Object.fromEntries(this.peakByLabel),
      inUseBytes: this.inUseBytes,
      reservedBytes: this.reservedBytes,
      reservedPeakBytes: this.reservedPeakBytes,
    };
  }

  /** Bytes of buffers that were made, or with a minus given back; the device tells of those that are not the pool's own. */
  reserve(bytes: number): void {
    this.reservedBytes += bytes;
    this.reservedPeakBytes = Math.max(this.reservedPeakBytes, this.reservedBytes);
  }

  /** Bytes in use under a label, or with a minus no longer; public for what the device uses outside the pool. */
  count(label: string, bytes: number): void {
    const now = (this.byLabel.get(label) ?? 0) + bytes;
    this.byLabel.set(label, now);
    this.inUseBytes += bytes;
    if (now > (this.peakByLabel.get(label) ?? 0)) this.peakByLabel.set(label, now);
    this.notePeak();
  }

  private notePeak(): void {
    if (this.inUseBytes <= this.peakBytes) return;
    this.peakBytes = this.inUseBytes;
    this.atPeak = Object.fromEntries([...this.byLabel].filter(([, held]) => held > 0));
  }
}
