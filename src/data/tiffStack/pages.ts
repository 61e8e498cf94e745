/**
 * The pages of a TIFF file (TIFF 6.0, BigTIFF) as slices of a volume: what each one's directory says, and where its strips or tiles lie.
 * What is said is checked against the file before anything is believed.
 */
import { UserError } from '../../platform.ts';
import type { HeaderSource, Reading } from '../imageHeaders/source.ts';
import { tiffValue } from '../imageHeaders/tiffTags.ts';
import type { TiffForm, TiffTags } from '../imageHeaders/tiffTags.ts';
import { TIFF_TYPE_BYTES, valuesOf } from '../tiffDirectory.ts';
import { shapeOf } from '../rawVolumes/rawHeader.ts';

/** How the numbers of all pages are stored. */
export interface PageKind {
  width: number;
  height: number;
  bits: number;
  /** 1 unsigned, 2 signed, 3 floating point. */
  format: number;
  /** 0: counts from white to black, 1: from black to white, 3: numbers of colours. */
  photometric: number;
}

export interface TiffPage extends PageKind {
  compression: number;
  predictor: number;
  isTiled: boolean;
  /** Columns and rows of a strip or tile; the last strip may have fewer rows. */
  segment: [columns: number, rows: number];
  /** Bytes in the file, row by row of strips or tiles. */
  offsets: readonly number[];
  lengths: readonly number[];
}

export const TAG = {
  subfile: 254,
  width: 256,
  height: 257,
  bits: 258,
  compression: 259,
  photometric: 262,
  fillOrder: 266,
  description: 270,
  stripOffsets: 273,
  orientation: 274,
  samples: 277,
  rowsPerStrip: 278,
  stripLengths: 279,
  xResolution: 282,
  yResolution: 283,
  resolutionUnit: 296,
  predictor: 317,
  tileWidth: 322,
  tileHeight: 323,
  tileOffsets: 324,
  tileLengths: 325,
  format: 339,
} as const;

const COMPRESSION = { none: 1, lzw: 5, deflate: 8, packBits: 32_773, oldDeflate: 32_946 } as const;
export const isDeflate = (compression: number): boolean => compression === COMPRESSION.deflate || compression === COMPRESSION.oldDeflate;
export const { none: UNCOMPRESSED, lzw: LZW, packBits: PACK_BITS } = COMPRESSION;
const UNREAD: Readonly<Record<number, string>> = {
  2: 'CCITT', 3: 'CCITT fax', 4: 'CCITT fax', 6: 'JPEG', 7: 'JPEG', 33_003: 'JPEG 2000', 33_004: 'JPEG 2000', 33_005: 'JPEG 2000',
  34_712: 'JPEG 2000', 34_887: 'LERC', 34_925: 'LZMA', 34_934: 'PNG', 50_000: 'Zstandard', 50_001: 'WebP', 50_002: 'JPEG XL',
}; // prettier-ignore
const COLOURS: Readonly<Record<number, string>> = {
  2: 'RGB colour',
  4: 'a mask of transparency',
  5: 'CMYK',
  6: 'YCbCr colour',
  8: 'L*a*b*',
};
/** NIfTI's codes, by format and bits. */
const DATATYPES: Readonly<Record<string, number>> = {
  '1 8': 2, '1 16': 512, '1 32': 768, '1 64': 1280, '2 8': 256, '2 16': 4, '2 32': 8, '2 64': 1024, '3 32': 16, '3 64': 64,
}; // prettier-ignore
/** Grey, or numbers of colours, as label masks have them. */
export const GREYS: readonly (number | undefined)[] = [0, 1, 3];

/** NIfTI's code of a page's numbers. @throws UserError for those that are not read */
export function datatypeOf({ bits, format }: Pick<PageKind, 'bits' | 'format'>, name: string): number {
  const datatype = DATATYPES[`${format} ${bits}`];
  if (datatype !== undefined) return datatype;
  const what = ({ 1: 'unsigned integers', 2: 'signed integers', 3: 'floating-point numbers' } as Record<number, string>)[format];
  const found =
    format === 5 || format === 6 ? 'complex numbers' : `${what ?? 'numbers of an unknown kind'} of ${bits} bit${bits === 1 ? '' : 's'}`;
  const fix = bits < 8 && format === 1 ? 'Save it with 8 bits a pixel (ImageJ: Image › Type › 8-bit).' : 'Save it with one of these.';
  throw new UserError(`${name}: its pages hold ${found}; integers of 8 to 64 bits and floating-point numbers of 32 or 64 are read. ${fix}`);
}

/**
 * @param budget strips and tiles that may still be there, of all pages
 * @throws UserError for what is no page of a volume
 */
export function* tiffPage(source: HeaderSource, form: TiffForm, directory: TiffTags, budget: number): Reading<TiffPage> {
  const { name } = source;
  const fail = (words: string): UserError => new UserError(`${name}: ${words}`);
  function* whole(tag: number, fallback?: number): Reading<number> {
    const value = (yield* tiffValue(source, form, directory, tag)) ?? fallback;
    if (value === undefined || !Number.isSafeInteger(value) || value < 0) throw source.damaged(`a page says ${value} for its tag ${tag}`);
    return value;
  }

  const photometric = yield* whole(TAG.photometric, 1);
  const samples = yield* whole(TAG.samples, 1);
  if (!GREYS.includes(photometric) || samples !== 1) {
    const found = COLOURS[photometric] ?? (GREYS.includes(photometric) ? `${samples} values a pixel` : `pixels of kind ${photometric}`);
    throw fail(
      `its pages hold ${found}; the slices of a volume are grey. Save them so (ImageJ: Image › Type, or Split Channels), or a page as PNG.`,
    );
  }
  const kind: PageKind = {
    width: yield* whole(TAG.width),
    height: yield* whole(TAG.height),
    bits: yield* whole(TAG.bits, 1),
    format: yield* whole(TAG.format, 1),
    photometric,
  };
  if (kind.format === 4) kind.format = 1; // "undefined" is read as unsigned, as by libtiff
  datatypeOf(kind, name);
  shapeOf([kind.width, kind.height], name);
  const compression = yield* whole(TAG.compression, UNCOMPRESSED);
  const isRead = [UNCOMPRESSED, LZW, PACK_BITS].includes(compression as 1) || isDeflate(compression);
  if (!isRead)
    throw fail(
      `its pages are compressed by ${UNREAD[compression] ?? `method ${compression}`}, which is not read in a volume. ` +
        'Save it uncompressed, or with LZW, PackBits or ZIP (deflate).',
    );
  const predictor = yield* whole(TAG.predictor, 1);
  const isPredicted = compression === LZW || isDeflate(compression) ? predictor <= 3 : predictor <= 1;
  if (!isPredicted || (predictor === 3 && kind.format !== 3))
    throw fail(`its pages have predictor ${predictor} with compression ${compression}, which is not read. Save it uncompressed.`);
  if ((yield* whole(TAG.orientation, 1)) > 1) throw fail('its pages are marked to be turned or mirrored when shown. Save them upright.');
  if ((yield* whole(TAG.fillOrder, 1)) > 1) throw fail('the bits of its bytes are in reverse (FillOrder 2). Save it again.');

  const isTiled = directory.tags.has(TAG.tileWidth);
  const segment: [number, number] = isTiled
    ? [yield* whole(TAG.tileWidth), yield* whole(TAG.tileHeight)]
    : [kind.width, Math.min(kind.height, yield* whole(TAG.rowsPerStrip, kind.height))];
  const pageBytes = (kind.width * kind.height * kind.bits) / 8;
  const segmentBytes = (segment[0] * segment[1] * kind.bits) / 8;
  if (segment[0] < 1 || segment[1] < 1 || segmentBytes > Math.max(4 * pageBytes, MOST_PADDED_BYTES))
    throw source.damaged(`a page of ${kind.width}×${kind.height} pixels is in parts of ${segment.join('×')}`);
  const count = Math.ceil(kind.width / segment[0]) * Math.ceil(kind.height / segment[1]);
  if (count > budget) throw fail(`its pages are cut into too many strips or tiles. Save it with larger ones.`);
  const many = function* (tag: number): Reading<number[] | undefined> {
    const found = directory.tags.get(tag);
    if (found === undefined) return undefined;
    if (found.count < count) throw source.damaged(`a page is in ${count} parts, of which ${found.count} are there`);
    const { type, at } = found;
    const bytes = yield* source.read(at, count * (TIFF_TYPE_BYTES.get(type) ?? 1));
    const values = valuesOf({ type, count, bytes }, form.littleEndian);
    if (values?.every((value) => Number.isSafeInteger(value) && value >= 0) !== true)
      throw source.damaged(`a page does not say where its parts lie`);
    return values;
  };
  const offsets = yield* many(isTiled ? TAG.tileOffsets : TAG.stripOffsets);
  const bytesOf = (part: number): number =>
    ((isTiled ? segment[1] : Math.min(segment[1], kind.height - part * segment[1])) * segment[0] * kind.bits) / 8;
  const stated = yield* many(isTiled ? TAG.tileLengths : TAG.stripLengths);
  // Old files leave out how long what is not compressed is.
  const lengths = stated ?? (compression === UNCOMPRESSED ? Array.from({ length: count }, (_, part) => bytesOf(part)) : undefined);
  if (offsets === undefined || lengths === undefined) throw source.damaged('a page does not say where its parts lie');
  const cut = offsets.findIndex((offset, part) => offset + (lengths[part] ?? 0) > source.size);
  if (cut >= 0) throw source.damaged(`a part of a page lies behind its end, which is at byte ${source.size}`);
  const short = compression === UNCOMPRESSED ? lengths.findIndex((length, part) => length < bytesOf(part)) : -1;
  if (short >= 0) throw source.damaged(`a part of a page has ${lengths[short]} bytes; its pixels take ${bytesOf(short)}`);
  return { ...kind, compression, predictor, isTiled, segment, offsets, lengths };
}

/** Of a strip or tile that is larger than its page: tiles have one size, whatever the picture's. */
const MOST_PADDED_BYTES = 1 << 24;
