/**
 * What a screen shows of each stored pattern of 16 bits, computed once for all slices that are stored and windowed alike: a table instead
 * of a formula for each pixel.
 */
import type { FrameFacts } from './facts.ts';
import { modalityValues } from './modality.ts';
import { nativeValues } from './samples.ts';
import { shownGrey, valueRange } from './voi.ts';

const PATTERNS = 65_536;

export class GreyTable {
  private readonly frame: FrameFacts;
  private readonly key: string;
  private readonly levels: Uint8Array;

  private constructor(frame: FrameFacts) {
    const { file, transform, voi } = frame;
    const { format } = file;
    this.frame = frame;
    this.key = keyOf(frame);
    const patterns = new Uint8Array(Uint16Array.from({ length: PATTERNS }, (_, i) => i).buffer);
    const values = modalityValues(nativeValues(patterns, format, false, 0), transform);
    this.levels = shownGrey(values, voi, valueRange(format, transform), format.photometric === 'MONOCHROME1');
  }

  /** The last one where it is for the same, else a new one; undefined where frames are not 16 bits of grey with a window. */
  static of(last: GreyTable | undefined, frame: FrameFacts): GreyTable | undefined {
    if (last?.isFor(frame) === true) return last;
    const { format, file } = frame.file;
    const isPlain = file.syntax.compression === undefined && file.syntax.isBigEndian !== true && format.kind === 'integers';
    const isGrey = format.samples === 1 && format.photometric.startsWith('MONOCHROME') && format.bitsAllocated === 16;
    return isPlain && isGrey && frame.voi !== undefined ? new GreyTable(frame) : undefined;
  }

  isFor(frame: FrameFacts): boolean {
    return frame === this.frame || this.key === keyOf(frame);
  }

  /** @param bytes of a frame, little endian */
  shown(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const { levels } = this;
    const stored = words(bytes);
    const out = new Uint8Array(stored.length);
    for (let i = 0; i < out.length; i++) out[i] = levels[stored[i] ?? 0] ?? 0;
    return out;
  }

  rgb(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const { levels } = this;
    const stored = words(bytes);
    const out = new Uint8Array(3 * stored.length);
    // Four pixels are three words.
    const wide = new Uint32Array(out.buffer, 0, Math.floor(stored.length / 4) * 3);
    let i = 0;
    for (let to = 0; to < wide.length; i += 4) {
      const a = levels[stored[i] ?? 0] ?? 0;
      const b = levels[stored[i + 1] ?? 0] ?? 0;
      const c = levels[stored[i + 2] ?? 0] ?? 0;
      const d = levels[stored[i + 3] ?? 0] ?? 0;
      wide[to++] = a | (a << 8) | (a << 16) | (b << 24);
      wide[to++] = b | (b << 8) | (c << 16) | (c << 24);
      wide[to++] = c | (d << 8) | (d << 16) | (d << 24);
    }
    for (; i < stored.length; i++) out.fill(levels[stored[i] ?? 0] ?? 0, 3 * i, 3 * i + 3);
    return out;
  }
}

export function greyToRgb(grey: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(3 * grey.length);
  for (let i = 0, to = 0; i < grey.length; i++) {
    const level = grey[i] ?? 0;
    out[to++] = level;
    out[to++] = level;
    out[to++] = level;
  }
  return out;
}

/** Every runtime that has a GPU is little endian. */
function words(bytes: Uint8Array): Uint16Array {
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.length >> 1);
}

/** Frames with one key have one table. A table of the file's own is that file's alone. */
function keyOf({ file, transform, voi }: FrameFacts): string {
  const { format } = file;
  if (transform.kind === 'table' || voi?.kind !== 'window' || format.bitsAllocated !== 16 || file.file.syntax.compression !== undefined)
    return file.path;
  const { isSigned, bitsStored, highBit, photometric, samples } = format;
  const scaled = transform.kind === 'rescale' ? [transform.slope, transform.intercept] : [];
  const order = file.file.syntax.isBigEndian === true;
  return [isSigned, bitsStored, highBit, photometric, samples, order, ...scaled, voi.center, voi.width, voi.function].join('\\');
}
