/**
 * A DICOM file, open: its attributes are in memory, its pixels are read when they are asked for. Of an uncompressed file only the header
 * and the frames asked for are read, so a series of thousands of files costs their headers.
 */
import { Inflate } from 'fflate';
import { fileInMemory, UserError } from '../../platform.ts';
import type { RangedFile } from '../../platform.ts';
import { Attributes } from './attributes.ts';
import { readElements, readHead } from './elements.ts';
import type { Elements, FileHead, PixelElement } from './elements.ts';
import { DICOM_LIMITS } from './limits.ts';
import type { DicomLimits } from './limits.ts';
import type { TransferSyntax } from './syntaxes.ts';

/** Where a file's frames lie, and how they are written. */
export interface StoredPixels {
  /** In messages. */
  path: string;
  syntax: TransferSyntax;
  pixels: PixelElement | undefined;
  extendedOffsets: readonly number[];
  extendedLengths: readonly number[];
  /** What `pixels.offset` counts in: the file, or what a deflated one unfolds to. */
  source: RangedFile;
}

export interface DicomFile extends StoredPixels {
  attributes: Attributes;
}

/** Headers of most files are smaller. */
const FIRST_BYTES = 1 << 14;
const GROWTH = 8;

/** As much of a file as is read at first, in which most headers end. */
export function readFirst(file: RangedFile, limits: DicomLimits): Promise<Uint8Array> {
  return file.read(0, Math.min(FIRST_BYTES, file.size, limits.headerBytes));
}

/**
 * @param known.first what `readFirst` has read of it already
 * @param known.later the same file for when pixels are asked for, where `file` is closed by then
 * @throws UserError where it is no DICOM, is corrupt or cut off, or larger than the limits allow
 */
export async function readDicomFile(
  file: RangedFile,
  limits: DicomLimits = DICOM_LIMITS,
  { first, later = file }: { first?: Uint8Array; later?: RangedFile } = {},
): Promise<DicomFile> {
  const { path } = file;
  let bytes = first ?? (await readFirst(file, limits));
  for (let wanted = FIRST_BYTES * GROWTH; ; wanted *= GROWTH) {
    const { length } = bytes;
    const isWhole = length === file.size;
    const head = readHead(bytes, path, isWhole);
    if (head?.syntax.isDeflated) return inflatedFile(file, head, limits, later);
    const elements = head && readElements(bytes, head.start, head.syntax, path, isWhole);
    if (elements !== undefined) return opened(elements, later, bytes);
    if (isWhole || length === limits.headerBytes)
      throw new UserError(`${path}: no pixels within the first ${length} bytes of this DICOM file; it is corrupt. Export it again.`);
    bytes = await file.read(0, Math.min(wanted, file.size, limits.headerBytes));
  }
}

async function inflatedFile(file: RangedFile, head: FileHead, limits: DicomLimits, later: RangedFile): Promise<DicomFile> {
  const { path } = file;
  const unfold = async (from: RangedFile): Promise<Uint8Array> =>
    inflatedDataSet(await from.read(head.start, from.size - head.start), path, limits);
  if (file.size > limits.inflatedBytes) throw tooLarge(path, limits);
  const bytes = await unfold(file);
  const elements = readElements(bytes, 0, head.syntax, path, true);
  if (elements === undefined) throw new UserError(`${path}: this DICOM file is cut off. Fetch it again.`);
  const read = opened(elements, fileInMemory(path, bytes), bytes);
  // A series of such files is not to be held unfolded; one of many frames is not to be unfolded for each.
  if ((read.attributes.number('NumberOfFrames') ?? 1) > 1) return read;
  const source: RangedFile = {
    path,
    size: bytes.length,
    read: async (offset, length) => fileInMemory(path, await unfold(later)).read(offset, length),
    close: () => Promise.resolve(),
  };
  return { ...read, source };
}

/** `bytes` are kept only as far as the attributes lie in them. */
function opened(elements: Elements, source: RangedFile, bytes: Uint8Array): DicomFile {
  const { set, syntax, pixels, extendedOffsets, extendedLengths } = elements;
  const { path } = source;
  const end = pixels === undefined ? bytes.length : pixels.offset;
  const kept = end < bytes.length ? bytes.slice(0, end) : bytes;
  const attributes = new Attributes({ ...set, byteArray: kept }, path);
  return { path, attributes, syntax, pixels, extendedOffsets, extendedLengths, source };
}

/** PS3.5, A.5: raw deflate, without a header. */
export function inflatedDataSet(deflated: Uint8Array, path: string, limits: DicomLimits): Uint8Array {
  const pieces: Uint8Array[] = [];
  let size = 0;
  const inflate = new Inflate((piece) => {
    size += piece.length;
    if (size > limits.inflatedBytes) throw tooLarge(path, limits);
    pieces.push(piece.slice());
  });
  try {
    const STEP = 1 << 16;
    for (let at = 0; at < deflated.length; at += STEP) inflate.push(deflated.subarray(at, at + STEP), at + STEP >= deflated.length);
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    throw new UserError(`${path}: this deflated DICOM file is cut off or corrupt. Fetch or export it again.`, { cause });
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function tooLarge(path: string, limits: DicomLimits): UserError {
  return new UserError(`${path}: this deflated DICOM file unfolds to more than ${limits.inflatedBytes} bytes; it is refused as too large.`);
}
