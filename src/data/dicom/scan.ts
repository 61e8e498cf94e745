/**
 * A DICOM file or a folder with one series, as a scan: its slices in the order of their places, what their values mean, where they lie,
 * and how large their pixels are. Slices are read when they are asked for.
 */
import { errorText, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { greyToRgb } from '../codedValues.ts';
import type { CodedValues } from '../codedValues.ts';
import { interleaved, paletteToRgb, upsampled422, ybrToRgb } from './colour.ts';
import { decodeFrame } from './decodeFrame.ts';
import type { FrameFacts } from './facts.ts';
import { frameBits } from './format.ts';
import type { PixelFormat } from './format.ts';
import { frameReader } from './frames.ts';
import type { FrameReader } from './frames.ts';
import { DICOM_LIMITS } from './limits.ts';
import type { DicomLimits } from './limits.ts';
import { modalityValues } from './modality.ts';
import { PatternTable } from './patternTable.ts';
import type { Placement, Vector } from './placement.ts';
import { decodedValues, nativeValues } from './samples.ts';
import type { StoredValues } from './samples.ts';
import { readSeries } from './series.ts';
import type { Series } from './series.ts';
import { stackOf } from './stack.ts';
import type { NoVolume } from './stack.ts';
import { shownGrey, valueRange } from './voi.ts';
import type { Voi } from './voi.ts';

type Files = Pick<Platform, 'isDirectory' | 'listDir' | 'openFile' | 'dicomCodec'>;

export interface ScanSlice {
  /**
   * Values of the modality (after its table or rescaling), rows × columns; of colours red, green, blue of each pixel; of a palette its
   * indices. MONOCHROME1 is as it is stored.
   */
  readonly values: Float64Array;
  /** The same where they are stored as plain greys of 16 bits, before they are asked for one by one. */
  readonly coded?: CodedValues;
  /** What a screen shows: grey, or red, green, blue of each pixel, rows × columns, 0 to 255. */
  shown: () => Uint8Array<ArrayBuffer>;
  /** The same with red, green and blue, of greys too. */
  rgb: () => Uint8Array<ArrayBuffer>;
  /** Gives the memory of `coded` back, for another slice. Nothing may be asked of the slice after it. */
  release?: () => void;
}

export interface DicomScan {
  /** Slices, rows, columns. */
  size: [number, number, number];
  /** Samples of a pixel in `values`. */
  samples: 1 | 3;
  /** mm between slices (along their normal), rows, columns; null where it is not known. */
  spacing: [number | null, number | null, number | null];
  /** Where the first slice lies, and the way to the next. */
  placement: Placement | undefined;
  step: Vector | undefined;
  noVolume: NoVolume | undefined;
  /** Of an image without a place: the ways of a row and of a column, in the letters of DICOM. */
  patientOrientation: string[];
  modality: string | undefined;
  /** HU, OD, …; undefined where nothing tells. */
  units: string | undefined;
  photometric: string;
  /** Of the first slice. */
  voi: Voi | undefined;
  /** Least and greatest value that the stored bits of the first slice can mean: what windows map to. */
  range: [number, number];
  /** What a user must know of how it was read: sentences. */
  notes: string[];
  /** That of them which is of the size of its pixels. */
  pixelNote: string | undefined;
  readSlice(index: number): Promise<ScanSlice>;
}

/** What to read of a folder with more than one volume. */
export interface ScanChoice {
  /** The series to read where several are mixed: its number, SeriesInstanceUID or SeriesDescription. Null: there has to be one. */
  series?: string | null;
  /**
   * Which of the volumes to read where a series has several (orientations, stacks, echoes, times): from 1, in the order of the error that
   * lists them. Null: there has to be one.
   */
  volume?: number | null;
  limits?: DicomLimits;
}

/**
 * @param path of a file, or of a folder with one series
 * @throws UserError where it is none, is corrupt, or no one volume
 */
export async function openDicomScan(
  platform: Files,
  path: string,
  { series = null, volume = null, limits = DICOM_LIMITS }: ScanChoice = {},
): Promise<DicomScan> {
  return scanOf(platform, await readSeries(platform, path, limits, series), path, { volume, limits });
}

/** @param path in messages @throws UserError where its images are no one volume */
export function scanOf(
  platform: Files,
  { files, notes }: Series,
  path: string,
  { volume = null, limits = DICOM_LIMITS }: Omit<ScanChoice, 'series'> = {},
): DicomScan {
  const mosaic = files.find(({ isMosaic }) => isMosaic);
  if (mosaic !== undefined)
    throw new UserError(
      `${mosaic.path}: the slices of this image lie side by side (a mosaic by Siemens), which is not taken apart here. ` +
        'Convert it by dcm2niix.',
    );
  const stack = stackOf(
    files.flatMap(({ frames }) => frames),
    path,
    volume,
  );
  const [first] = stack.frames;
  if (first === undefined) throw new UserError(`${path}: this DICOM file has no frames.`);
  const { file } = first;
  const spacings = stack.frames.map(({ spacing }) => spacing);
  const { mm, note } = first.spacing;
  const differ = spacings.some((other) => !isSameSize(other.mm, mm));
  if (differ)
    throw new UserError(`${path}: its images have pixels of different sizes, so they are no one volume. Give those of one size alone.`);
  if (stack.frames.some(({ units }) => units !== first.units))
    throw new UserError(`${path}: the values of its images have different units, so they are no one volume. Give those of one kind alone.`);
  const pixelNote = note ?? (mm === undefined ? 'the file does not tell the size of its pixels' : undefined);
  const reader = new SliceReader(platform, limits);
  return {
    size: [stack.frames.length, file.format.rows, file.format.columns],
    samples: file.format.samples,
    spacing: [stack.between ?? null, mm?.[0] ?? null, mm?.[1] ?? null],
    placement: stack.first,
    step: stack.step,
    noVolume: stack.noVolume,
    patientOrientation: file.patientOrientation,
    modality: file.modality,
    units: first.units,
    photometric: file.format.photometric,
    voi: first.voi,
    range: valueRange(file.format, first.transform),
    notes: [...notes, ...(pixelNote === undefined ? [] : [pixelNote]), ...file.notes, ...stack.notes],
    pixelNote,
    readSlice: (index) => {
      const frame = stack.frames[index];
      if (frame === undefined) throw new RangeError(`slice ${index} of ${stack.frames.length}`);
      return reader.read(frame);
    },
  };
}

/** Within what a picture of 4 096 pixels would show; writers round. */
const SAME_SIZE = 1e-5;

function isSameSize(a: readonly [number, number] | undefined, b: readonly [number, number] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.every((mm, at) => Math.abs(mm - (b[at] ?? 0)) <= SAME_SIZE * mm);
}

class SliceReader {
  private readonly platform: Files;
  private readonly limits: DicomLimits;
  /** Of the file that was read last: its compressed frames are in memory. */
  private last: { file: FrameFacts['file']; reader: FrameReader } | undefined;
  /** Of the slice that was read last, if any is of use. */
  private table: PatternTable | undefined;
  /** Memory of a frame that was given back: else a garbage collection is due every few dozen slices. */
  private spare: Uint8Array<ArrayBuffer> | undefined;
  /** Whether the platform reads into memory that it is given. */
  private isTaken = true;

  constructor(platform: Files, limits: DicomLimits) {
    this.platform = platform;
    this.limits = limits;
  }

  async read(frame: FrameFacts): Promise<ScanSlice> {
    const { file, index, transform, voi } = frame;
    const { format, palette } = file;
    if (this.last?.file !== file) this.last = { file, reader: frameReader(file.file, format, this.limits) };
    const { reader } = this.last;
    const table = PatternTable.of(this.table, frame);
    if (table !== undefined) {
      this.table = table;
      const memory = this.spare ?? (this.isTaken ? new Uint8Array(Math.ceil(frameBits(format) / 8)) : undefined);
      this.spare = undefined;
      const bytes = await reader(index, memory);
      this.isTaken = bytes.buffer === memory?.buffer;
      return codedSlice(frame, table, bytes, () => {
        if (this.isTaken) this.spare = memory;
      });
    }
    const bytes = await reader(index);
    const stored = await this.stored(bytes, file, index);
    const values = modalityValues(stored, transform);
    const shown = (): Uint8Array<ArrayBuffer> => {
      if (palette !== undefined) return paletteToRgb(stored, palette) as Uint8Array<ArrayBuffer>;
      if (format.samples === 3) return shownColour(stored, format);
      return shownGrey(values, voi, valueRange(format, transform), format.photometric === 'MONOCHROME1');
    };
    return { values, shown, rgb: () => (isGrey(format) ? greyToRgb(shown()) : shown()) };
  }

  private async stored(bytes: Uint8Array, { path, file, format }: FrameFacts['file'], index: number): Promise<StoredValues> {
    const { syntax } = file;
    const isFull = /^YBR_FULL/.test(format.photometric);
    if (syntax.compression === undefined) {
      const firstBit = format.bitsAllocated === 1 ? (index * frameBits(format)) % 8 : 0;
      const values = nativeValues(bytes, format, syntax.isBigEndian === true, firstBit);
      return inRgb(format.photometric === 'YBR_FULL_422' ? upsampled422(values) : values, format, format.isPlanar, isFull);
    }
    try {
      const samples = await decodeFrame(this.platform, bytes, syntax.compression, format);
      return inRgb(decodedValues(samples), format, samples.isPlanar, samples.isYbr);
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError(`${path}: frame ${index + 1} (${syntax.name}): ${errorText(error)}. Fetch or export the DICOM file again.`, {
        cause: error,
      });
    }
  }
}

/** Most slices of scanners: what is not asked for is not made. */
function codedSlice(frame: FrameFacts, table: PatternTable, bytes: Uint8Array, release: () => void): ScanSlice {
  const { transform, voi } = frame;
  const { format } = frame.file;
  const coded = table.coded(bytes);
  const { codes, meanings } = coded;
  let made: Float64Array | undefined;
  const values = (): Float64Array => {
    if (made !== undefined) return made;
    made = new Float64Array(codes.length);
    for (let i = 0; i < codes.length; i++) made[i] = meanings[codes[i] ?? 0] ?? NaN;
    return made;
  };
  const shown = (): Uint8Array<ArrayBuffer> =>
    table.shown(coded) ?? shownGrey(values(), voi, valueRange(format, transform), format.photometric === 'MONOCHROME1');
  return {
    get values() {
      return values();
    },
    coded,
    shown,
    rgb: () => greyToRgb(shown()),
    release,
  };
}

const isGrey = ({ samples, photometric }: PixelFormat): boolean => samples === 1 && photometric !== 'PALETTE COLOR';

function inRgb(values: StoredValues, { samples, rows, columns, bitsStored }: PixelFormat, isPlanar: boolean, isYbr: boolean): StoredValues {
  const cut = values.length > rows * columns * samples ? values.subarray(0, rows * columns * samples) : values;
  if (samples === 1) return cut;
  const pixelwise = isPlanar ? interleaved(cut) : cut;
  if (isYbr) ybrToRgb(pixelwise, bitsStored);
  return pixelwise;
}

/** Colours of more than 8 bits keep their upper ones. */
function shownColour(values: StoredValues, { bitsStored }: PixelFormat): Uint8Array<ArrayBuffer> {
  const shift = Math.max(0, bitsStored - 8);
  return Uint8Array.from(values, (value) => value >> shift);
}
