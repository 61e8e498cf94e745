/** What a header says, and the ranges of a file's bytes as the parser of a header asks for them. */
import { UserError } from '../../platform.ts';
import type { RangedFile } from '../../platform.ts';
import type { ImageFormat } from '../imageFormats.ts';
import type { Orientation } from '../imageOrientation.ts';

export interface ImageHeader {
  format: ImageFormat;
  /** As stored, before `orientation` turns it; pixels. */
  width: number;
  height: number;
  /** Bits of a sample, or of an index into the palette. */
  bitDepth: number;
  /** Samples are floating-point numbers (TIFF). */
  isFloat: boolean;
  /** As stored: a palette has 1. */
  channels: number;
  colour: 'grey' | 'rgb' | 'palette' | 'cmyk' | 'other';
  hasAlpha: boolean;
  orientation: Orientation;
}

/** A parser at work: it yields the range that it wants next and is handed exactly these bytes. */
export type Reading<T> = Generator<{ offset: number; length: number }, T, Uint8Array>;

/** Of bytes that are all there. */
export function readFromBytes<T>(reading: Reading<T>, bytes: Uint8Array): T {
  let step = reading.next();
  while (!step.done) step = reading.next(bytes.subarray(step.value.offset, step.value.offset + step.value.length));
  return step.value;
}

/** Bytes read at once: headers without a profile or a thumbnail fit. */
const WINDOW_BYTES = 4096;

/** Of a file on disk, of which only what is needed is read. */
export async function readFromFile<T>(reading: Reading<T>, file: Pick<RangedFile, 'size' | 'read'>): Promise<T> {
  let start = 0;
  let window: Uint8Array = new Uint8Array(0);
  let step = reading.next();
  while (!step.done) {
    const { offset, length } = step.value;
    if (offset < start || offset + length > start + window.length) {
      start = offset;
      window = await file.read(offset, Math.min(file.size - offset, Math.max(length, WINDOW_BYTES)));
    }
    step = reading.next(window.subarray(offset - start, offset - start + length));
  }
  return step.value;
}

/** Parts of one header, at most: every parser goes forward, and this ends those that go on through gigabytes in steps of a few bytes. */
const MAX_READS = 100_000;

export class HeaderSource {
  /** For messages. */
  readonly name: string;
  /** Bytes of the file. */
  readonly size: number;
  /** All bytes are at hand: what stands far behind the size may be looked for. */
  readonly isWhole: boolean;
  private reads = 0;

  constructor(name: string, size: number, isWhole: boolean) {
    this.name = name;
    this.size = size;
    this.isWhole = isWhole;
  }

  /** @throws UserError where the file ends before */
  *read(offset: number, length: number): Reading<Uint8Array> {
    if (++this.reads > MAX_READS) throw this.damaged(`its header has more than ${MAX_READS} parts`);
    if (offset + length > this.size) throw this.damaged(`it ends within its header, after ${this.size} bytes`);
    return yield { offset, length };
  }

  *view(offset: number, length: number): Reading<DataView> {
    const bytes = yield* this.read(offset, length);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  damaged(what: string): UserError {
    return new UserError(`Image ${this.name}: ${what}. The file is cut off or damaged; fetch or write it again.`);
  }
}
