/**
 * Buffers through which the GPU's memory is read. Small ones are kept for the next read of their size; a snapshot's large ones go back at
 * once.
 */
import { BUFFER_USAGE, MAP_READ_MODE } from './flags.ts';
import type { Pool } from './pool.ts';

const KEPT_BYTES = 2 ** 20;

/** What was read, until it is closed; it may be written to, which nobody else sees. */
export interface Opened {
  content: ArrayBuffer;
  close: () => void;
}

export class Readback {
  private readonly pool: Pool;
  private readonly make: (descriptor: GPUBufferDescriptor) => GPUBuffer;
  private readonly kept = new Map<number, GPUBuffer[]>();
  private lent = 0;
  private onReturned: (() => void) | undefined;

  constructor(pool: Pool, make: (descriptor: GPUBufferDescriptor) => GPUBuffer) {
    this.pool = pool;
    this.make = make;
  }

  /** `submit` puts a copy into the buffer, of a multiple of 4 bytes, into the queue. */
  async open(bytes: number, submit: (buffer: GPUBuffer) => void): Promise<Opened> {
    const buffer = this.kept.get(bytes)?.pop() ?? this.create(bytes);
    this.pool.count('readback', bytes);
    let isOpen = true;
    let isLent = false;
    const close = (): void => {
      if (!isOpen) return;
      isOpen = false;
      buffer.unmap();
      this.pool.count('readback', -bytes);
      this.giveBack(buffer, bytes);
      if (isLent && --this.lent === 0) this.onReturned?.();
    };
    try {
      submit(buffer);
      await buffer.mapAsync(MAP_READ_MODE);
      const content = buffer.getMappedRange();
      isLent = true;
      this.lent++;
      return { content, close };
    } catch (error) {
      close();
      throw error;
    }
  }

  /** At once, or when all that was read is closed: a thread that JavaScript knows nothing of may be writing to it (node/mpi). */
  whenReturned(act: () => void): void {
    if (this.lent === 0) act();
    else this.onReturned = act;
  }

  private create(bytes: number): GPUBuffer {
    this.pool.reserve(bytes);
    return this.make({ size: bytes, usage: BUFFER_USAGE.MAP_READ | BUFFER_USAGE.COPY_DST, label: 'readback' });
  }

  private giveBack(buffer: GPUBuffer, bytes: number): void {
    if (bytes <= KEPT_BYTES && buffer.mapState === 'unmapped') {
      const kept = this.kept.get(bytes) ?? [];
      this.kept.set(bytes, kept);
      kept.push(buffer);
      return;
    }
    buffer.destroy();
    this.pool.reserve(-bytes);
  }
}
