/**
 * The elements of a DICOM file up to its pixels (PS3.10, section 7; PS3.5, section 7), by dicom-parser. The loop over a data set is ours:
 * it stops at the pixels and sees when more bytes are needed.
 */
import dicomParser from 'dicom-parser';
import type { ByteArrayParser, ByteStream } from 'dicom-parser';
import { UserError } from '../../platform.ts';
import type { ElementSet, ReadElement } from './attributes.ts';
import { readExplicit, twoLetters, UNDEFINED_LENGTH } from './explicitElements.ts';
import { EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, transferSyntaxOf } from './syntaxes.ts';
import type { TransferSyntax } from './syntaxes.ts';
import { sequenceVr } from './tags.ts';

/** Where the pixels lie in the bytes that were read. */
export interface PixelElement {
  kind: 'integers' | 'floats' | 'doubles';
  vr: string;
  offset: number;
  /** Undefined: in fragments up to a delimiter. */
  length: number | undefined;
}

export interface Elements {
  syntax: TransferSyntax;
  set: ElementSet;
  pixels: PixelElement | undefined;
  /** Offsets of frames, from the first byte after the (empty) basic offset table; their lengths. */
  extendedOffsets: number[];
  extendedLengths: number[];
}

export interface FileHead {
  /** Where the data set begins. */
  start: number;
  syntax: TransferSyntax;
}

const PREAMBLE = 128;
const LONG_LENGTHS = /^(?:OB|OD|OF|OL|OV|OW|SQ|SV|UC|UN|UR|UT|UV)$/;
const little = dicomParser.littleEndianByteArrayParser;
const big = dicomParser.bigEndianByteArrayParser;

/** Whether bytes begin as a DICOM file does: with the preamble and its mark, or (as some devices write) at once with the first groups. */
export function isDicomBytes(bytes: Uint8Array): boolean {
  if (bytes.length >= PREAMBLE + 4 && String.fromCharCode(...bytes.subarray(PREAMBLE, PREAMBLE + 4)) === 'DICM') return true;
  if (bytes.length < 16) return false;
  const group = little.readUint16(bytes, 0);
  if (group === 2 || group === 8) return /^[A-Z]{2}$/.test(twoLetters(bytes, 4)) || isImplicitElement(bytes);
  return big.readUint16(bytes, 0) === 8 && /^[A-Z]{2}$/.test(twoLetters(bytes, 4));
}

/** A first element of group 8 with a length that fits in what a header's first elements have. */
function isImplicitElement(bytes: Uint8Array): boolean {
  return little.readUint16(bytes, 2) <= 0x60 && little.readUint32(bytes, 4) <= 256;
}

/**
 * The file's meta information: where the data set begins and how it is written.
 * @returns undefined where more bytes are needed
 * @throws UserError where it is no DICOM, or in a transfer syntax that is not read
 */
export function readHead(bytes: Uint8Array, path: string, isWhole: boolean): FileHead | undefined {
  if (!isDicomBytes(bytes)) throw new UserError(`${path}: this is no DICOM file (no DICM after the preamble, no first group).`);
  let position = twoLetters(bytes, PREAMBLE) + twoLetters(bytes, PREAMBLE + 2) === 'DICM' ? PREAMBLE + 4 : 0;
  let uid: string | undefined;
  while (position + 8 <= bytes.length && little.readUint16(bytes, position) === 2) {
    const isLong = LONG_LENGTHS.test(twoLetters(bytes, position + 4));
    if (isLong && position + 12 > bytes.length) break;
    const length = isLong ? little.readUint32(bytes, position + 8) : little.readUint16(bytes, position + 6);
    const data = position + (isLong ? 12 : 8);
    if (little.readUint16(bytes, position + 2) === 0x10)
      uid = new TextDecoder('latin1').decode(bytes.subarray(data, data + Math.min(length, 64))).replace(/[\0 ]+$/, '');
    position = data + length;
  }
  if (position + 8 > bytes.length) {
    if (!isWhole) return undefined;
    throw new UserError(`${path}: this DICOM file ends within its header (${bytes.length} bytes). Fetch or export it again.`);
  }
  const said = uid === undefined || uid === '' ? guessedSyntax(bytes, position) : transferSyntaxOf(uid);
  if (said === undefined)
    throw new UserError(
      `${path}: transfer syntax ${uid ?? ''} is not read. Uncompressed, deflated, RLE, JPEG, JPEG-LS, JPEG 2000 and HTJ2K are; ` +
        'convert it, as by dcmdjpeg or gdcmconv --raw.',
    );
  return { start: position, syntax: asWritten(said, bytes, position) };
}

/** Some writers name a syntax with value representations and leave them out, or the other way round; what is there counts. */
function asWritten(syntax: TransferSyntax, bytes: Uint8Array, position: number): TransferSyntax {
  if (syntax.isDeflated) return syntax;
  const hasVr = /^[A-Z]{2}$/.test(twoLetters(bytes, position + 4));
  const { isImplicit, ...rest } = syntax;
  return hasVr === (isImplicit === true) ? { ...rest, ...(!hasVr && { isImplicit: true as const }) } : syntax;
}

function guessedSyntax(bytes: Uint8Array, position: number): TransferSyntax {
  if (!/^[A-Z]{2}$/.test(twoLetters(bytes, position + 4))) return IMPLICIT_LITTLE;
  return (bytes[position] ?? 0) === 0 && (bytes[position + 1] ?? 0) !== 0 ? EXPLICIT_BIG : EXPLICIT_LITTLE;
}

/**
 * @param start where the data set begins in the bytes
 * @returns undefined where more bytes are needed
 * @throws UserError where the data set is corrupt, or cut off
 */
export function readElements(
  bytes: Uint8Array,
  start: number,
  syntax: TransferSyntax,
  path: string,
  isWhole: boolean,
): Elements | undefined {
  const parser = syntax.isBigEndian ? big : little;
  if (start >= bytes.length) {
    if (!isWhole) return undefined;
    throw new UserError(`${path}: this DICOM file has no data set. Fetch or export it again.`);
  }
  const stream = new dicomParser.ByteStream(parser, bytes, start);
  const elements: Record<string, ReadElement> = {};
  const found: Elements = {
    syntax,
    set: { byteArray: bytes, byteArrayParser: parser, elements },
    pixels: undefined,
    extendedOffsets: [],
    extendedLengths: [],
  };
  try {
    while (stream.position + 8 <= bytes.length) {
      const group = parser.readUint16(bytes, stream.position);
      if (group > 0x7fe0) break;
      if (group === 0x7fe0) {
        if (stream.position + 12 > bytes.length || !readPixelGroup(stream, parser, found)) break;
        if (found.pixels !== undefined) return found;
        continue;
      }
      const element = syntax.isImplicit
        ? // The type says that nothing is returned, the library takes what is.
          dicomParser.readDicomElementImplicit(stream, undefined, sequenceVr as (tag: string) => string)
        : readExplicit(stream, parser);
      elements[element.tag] = element;
    }
  } catch (cause) {
    if (!isWhole) return undefined;
    throw new UserError(`${path}: this DICOM file is cut off or corrupt at byte ${stream.position}. Fetch or export it again.`, { cause });
  }
  if (!isWhole && found.pixels === undefined) return undefined;
  if (stream.position > bytes.length)
    throw new UserError(
      `${path}: this DICOM file is cut off: an element ends at byte ${stream.position} of ${bytes.length}. Fetch it again.`,
    );
  return found;
}

/** An element of the group of the pixels; the data of floats and integers stay where they are. @returns false where it is cut off */
function readPixelGroup(stream: ByteStream, parser: ByteArrayParser, found: Elements): boolean {
  const { byteArray: bytes, position } = stream;
  const { isImplicit } = found.syntax;
  const vr = isImplicit ? 'OW' : twoLetters(bytes, position + 4);
  const isLong = isImplicit !== true && LONG_LENGTHS.test(vr);
  const length = isImplicit
    ? parser.readUint32(bytes, position + 4)
    : isLong
      ? parser.readUint32(bytes, position + 8)
      : parser.readUint16(bytes, position + 6);
  const offset = position + (isLong ? 12 : 8);
  const number = parser.readUint16(bytes, position + 2);
  const kind = ({ 0x08: 'floats', 0x09: 'doubles', 0x10: 'integers' } as const)[number as 8];
  if (kind !== undefined) {
    found.pixels = { kind, vr, offset, length: length === UNDEFINED_LENGTH ? undefined : length };
    return true;
  }
  if (length === UNDEFINED_LENGTH || offset + length > bytes.length) return false;
  if (number === 1 || number === 2) {
    const values = Array.from({ length: length >> 3 }, (_, i) => wide(bytes, offset + 8 * i, parser));
    if (number === 1) found.extendedOffsets = values;
    else found.extendedLengths = values;
  }
  stream.position = offset + length;
  return true;
}

/** 64 bits without sign; extended offset tables are of encapsulated files, which are little endian. */
function wide(bytes: Uint8Array, at: number, parser: ByteArrayParser): number {
  return parser.readUint32(bytes, at) + parser.readUint32(bytes, at + 4) * 2 ** 32;
}
