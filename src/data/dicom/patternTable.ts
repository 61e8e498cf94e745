/**
 * What each stored pattern of 16 bits means and what a screen shows of it, computed once for all slices that are stored and windowed alike:
 * a table instead of formulas for each pixel.
 */
import { CODES, levelsOf } from '../codedValues.ts';
import type { CodedValues } from '../codedValues.ts';
import type { FrameFacts } from './facts.ts';
import { modalityValues } from './modality.ts';
import { nativeValues } from './samples.ts';
import { shownGrey, valueRange } from './voi.ts';

export class PatternTable {
  private readonly frame: FrameFacts;
  private readonly key: string | undefined;
  private readonly meanings: Float64Array;
  private readonly isFinite: boolean;
  /** Of a window or a table; without them what is shown is another in each slice. */
  private readonly levels: Uint8Array | undefined;

  private constructor(frame: FrameFacts) {
    const { file, transform, voi } = frame;
    const { format } = file;
    this.frame = frame;
    this.key = keyOf(frame);
    const patterns = new Uint8Array(Uint16Array.from({ length: CODES }, (_, i) => i).buffer);
    this.meanings = modalityValues(nativeValues(patterns, format, false, 0), transform);
    this.isFinite = this.meanings.every(Number.isFinite);
    this.levels = voi && shownGrey(this.meanings, voi, valueRange(format, transform), format.photometric === 'MONOCHROME1');
  }

  /** The last one where it is for the same, else a new one; undefined where frames are not 16 bits of grey. */
  static of(last: PatternTable | undefined, frame: FrameFacts): PatternTable | undefined {
    const { format, file } = frame.file;
    const isPlain = file.syntax.compression === undefined && file.syntax.isBigEndian !== true && format.kind === 'integers';
    const isGrey = format.samples === 1 && format.photometric.startsWith('MONOCHROME') && format.bitsAllocated === 16;
    if (!isPlain || !isGrey) return undefined;
    return last?.isFor(frame) === true ? last : new PatternTable(frame);
  }

  private isFor(frame: FrameFacts): boolean {
    if (this.key !== undefined) return this.key === keyOf(frame);
    // A table of the file's own is for the frames that share it.
    const { file, transform, voi } = this.frame;
    return file === frame.file && transform === frame.transform && voi === frame.voi;
  }

  /** @param bytes of a frame, little endian */
  coded(bytes: Uint8Array): CodedValues {
    const { meanings, isFinite } = this;
    return { codes: words(bytes), meanings, isFinite };
  }

  /** What a screen shows; undefined where it follows from the slice. */
  shown(coded: CodedValues): Uint8Array<ArrayBuffer> | undefined {
    return this.levels && levelsOf(coded, this.levels);
  }
}

/** Every runtime that has a GPU is little endian. */
function words(bytes: Uint8Array): Uint16Array {
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.length >> 1);
}

/** Frames with one key have one table; undefined where a table of the file's own decides. */
function keyOf({ file, transform, voi }: FrameFacts): string | undefined {
  if (transform.kind === 'table' || voi?.kind === 'table') return undefined;
  const { isSigned, bitsStored, highBit, photometric } = file.format;
  const scaled = transform.kind === 'rescale' ? [transform.slope, transform.intercept] : [];
  const shown = voi === undefined ? [] : [voi.center, voi.width, voi.function];
  return [isSigned, bitsStored, highBit, photometric, scaled, shown].join('\\');
}
