/**
 * What a picture file says of itself before a pixel is decoded: format, size, depth, channels, orientation. The parsers ask for ranges of
 * bytes and are handed them, so that one parser serves a file on disk (a read or two of some KB, whatever stands before the size) and bytes
 * in memory.
 */
import type { RangedFile } from '../platform.ts';
import { UserError } from '../platform.ts';
import { formatName, SNIFFED_BYTES, sniffFormat } from './imageFormats.ts';
import type { ImageFormat } from './imageFormats.ts';
import { jpegHeader } from './imageHeaders/jpeg.ts';
import { dicomHeader } from './imageHeaders/dicom.ts';
import { bmpHeader, gifHeader, webpHeader } from './imageHeaders/others.ts';
import { pngHeader } from './imageHeaders/png.ts';
import { HeaderSource, readFromBytes, readFromFile } from './imageHeaders/source.ts';
import type { ImageHeader, Reading } from './imageHeaders/source.ts';
import { tiffHeader } from './imageHeaders/tiff.ts';

const PARSERS: Partial<Record<ImageFormat, (source: HeaderSource) => Reading<ImageHeader>>> = {
  png: pngHeader,
  jpeg: jpegHeader,
  webp: webpHeader,
  gif: gifHeader,
  tiff: tiffHeader,
  bmp: bmpHeader,
  dicom: dicomHeader,
};

/** Pictures that the platforms decode as Pillow does, and DICOM as screens show it. */
export const DECODED_FORMATS: readonly ImageFormat[] = ['png', 'jpeg', 'webp', 'tiff', 'gif', 'dicom'];
const WANTED = 'A PNG, JPEG, WebP, TIFF, GIF or DICOM file was expected; write it again in one of these formats.';

/** Width and height as it is seen. */
export function shownSize({ width, height, orientation }: ImageHeader): { width: number; height: number } {
  return orientation >= 5 ? { width: height, height: width } : { width, height };
}

/**
 * Of a file whose bytes are all there.
 * @param name for messages
 * @throws UserError where they are no picture with a size that can be read; the message names the format where it is known
 */
export function imageHeader(bytes: Uint8Array, name: string): ImageHeader {
  return readFromBytes(parse(new HeaderSource(name, bytes.length, true)), bytes);
}

/**
 * Of a file on disk, of which only what is needed is read. The orientation that a PNG states behind its pixels is not looked for: no number
 * of tokens depends on it.
 * @throws UserError as `imageHeader`
 */
export function readImageHeader(file: Pick<RangedFile, 'path' | 'size' | 'read'>): Promise<ImageHeader> {
  return readFromFile(parse(new HeaderSource(file.path, file.size, false)), file);
}

function* parse(source: HeaderSource): Reading<ImageHeader> {
  if (source.size === 0) throw new UserError(`Image ${source.name}: the file is empty. ${WANTED}`);
  const first = yield* source.read(0, Math.min(SNIFFED_BYTES, source.size));
  const format = sniffFormat(first);
  if (format === undefined) {
    const bytes = Array.from(first.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw new UserError(`Image ${source.name}: it is no picture in a format that is known (it begins with the bytes ${bytes}). ${WANTED}`);
  }
  const parser = PARSERS[format];
  if (parser === undefined) throw undecodable(source.name, format);
  const header = yield* parser(source);
  if (header.width > 0 && header.height > 0) return header;
  const size = `${header.width}×${header.height} pixels`;
  throw new UserError(`Image ${source.name}: its ${formatName(format)} header says ${size}. The file is damaged; write it again.`);
}

/** The error for a file whose format is known and not read. */
export function undecodable(name: string, format: ImageFormat): UserError {
  const fix = format === 'zip' ? 'Unpack it, and give what lies in it.' : WANTED;
  return new UserError(`Image ${name}: it is ${formatName(format)}, which is not read. ${fix}`);
}
