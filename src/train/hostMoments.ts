/**
 * AdamW's moments in host memory, for models larger than the GPU: an update takes them through the GPU piece by piece, the next one
 * uploaded while one is computed and the one before is read back. The numbers are those of moments that stay there.
 */
import type { Device } from '../gpu/device.ts';
import type { BufferView } from '../gpu/pool.ts';

/** Of m and of v each; a multiple of the 256 bytes that bindings begin at. */
const PIECE_BYTES = 16 * 2 ** 20;

/** A piece on the GPU: ranges of equal length. */
export interface MomentPiece {
  /** Of the arena, and its first byte there. */
  arena: number;
  offset: number;
  m: BufferView;
  v: BufferView;
}

export class HostMoments {
  /** Of each arena; empty on a dry device, where nothing has a value. */
  readonly m: readonly Float32Array<ArrayBuffer>[];
  readonly v: readonly Float32Array<ArrayBuffer>[];
  private readonly device: Device;
  private readonly arenaBytes: readonly number[];
  private readonly slots: readonly { m: BufferView; v: BufferView }[];
  private readonly pieceBytes: number;

  constructor(device: Device, arenaBytes: readonly number[]) {
    this.device = device;
    this.arenaBytes = arenaBytes;
    const zeros = (): Float32Array<ArrayBuffer>[] => arenaBytes.map((bytes) => new Float32Array(device.isDry ? 0 : bytes / 4));
    this.m = zeros();
    this.v = zeros();
    this.pieceBytes = Math.min(PIECE_BYTES, Math.max(256, ...arenaBytes));
    const range = (): BufferView => device.pool.acquire(this.pieceBytes, 'optimizer', 'always');
    this.slots = [0, 1].map(() => ({ m: range(), v: range() }));
  }

  /** `update` dispatches for one piece; resolves when all moments are back. */
  async through(update: (piece: MomentPiece) => void): Promise<void> {
    const { device, pieceBytes } = this;
    const { pool } = device;
    const staging = 4 * pieceBytes; // two pieces of two moments wait in the queue's memory at most
    pool.count('staging', staging);
    pool.reserve(staging);
    let reading: Promise<unknown> = Promise.resolve();
    try {
      let at = 0;
      for (const [arena, bytes] of this.arenaBytes.entries()) {
        for (let offset = 0; offset < bytes; offset += pieceBytes, at++) {
          if (device.isDry && at > 2) continue; // like those before
          const length = Math.min(pieceBytes, bytes - offset);
          const slot = this.slots[at % 2]!;
          const m = { ...slot.m, bytes: length };
          const v = { ...slot.v, bytes: length };
          const host = (of: 'm' | 'v'): Float32Array => this[of][arena]!.subarray(offset / 4, (offset + length) / 4);
          device.write(m, host('m'));
          device.write(v, host('v'));
          update({ arena, offset, m, v });
          device.flush();
          await reading;
          reading = Promise.all([device.read(m), device.read(v)]).then(([mBytes, vBytes]) => {
            if (device.isDry) return;
            host('m').set(new Float32Array(mBytes));
            host('v').set(new Float32Array(vBytes));
          });
          reading.catch(() => undefined); // told where it is awaited
        }
      }
      await reading;
    } finally {
      pool.count('staging', -staging);
      pool.reserve(-staging);
    }
  }

  release(): void {
    for (const { m, v } of this.slots) for (const view of [m, v]) this.device.pool.release(view);
  }
}
