/** PNG: IHDR, and the chunks that may state an orientation (eXIf, ImageMagick's raw profile in a text chunk, XMP). */
import { Unzlib } from 'fflate';
import { joinArrays } from '../../io/joinArrays.ts';
import { latin1 } from '../imageFormats.ts';
import { exifOrientation, xmpOrientation } from '../imageOrientation.ts';
import type { Orientation } from '../imageOrientation.ts';
import type { HeaderSource, ImageHeader, Reading } from './source.ts';

const COLOURS: Readonly<Record<number, Pick<ImageHeader, 'colour' | 'channels' | 'hasAlpha'>>> = {
  0: { colour: 'grey', channels: 1, hasAlpha: false },
  2: { colour: 'rgb', channels: 3, hasAlpha: false },
  3: { colour: 'palette', channels: 1, hasAlpha: false },
  4: { colour: 'grey', channels: 2, hasAlpha: true },
  6: { colour: 'rgb', channels: 4, hasAlpha: true },
};
/** Of a text chunk that may hold an orientation, before and after it is unpacked. */
const MAX_TEXT_BYTES = 2 ** 20;

export function* pngHeader(source: HeaderSource): Reading<ImageHeader> {
  const first = yield* source.view(8, 25);
  if (first.getUint32(0) !== 13 || typeOf(first) !== 'IHDR') throw source.damaged('its first chunk is not IHDR');
  const colour = COLOURS[first.getUint8(17)];
  if (colour === undefined) throw source.damaged(`its colour type is ${first.getUint8(17)}`);
  const found: { hasAlpha: boolean; exif?: Uint8Array; profile?: Uint8Array; xmp?: Orientation | undefined } = {
    hasAlpha: colour.hasAlpha,
  };
  for (let at = 33; at + 12 <= source.size;) {
    const head = yield* source.view(at, 8);
    const length = head.getUint32(0);
    const type = typeOf(head);
    if (type === 'IEND' || (type === 'IDAT' && !source.isWhole)) break;
    const isRead = at + 12 + length <= source.size && length <= MAX_TEXT_BYTES;
    if (type === 'tRNS') found.hasAlpha = true;
    else if (type === 'eXIf' && isRead) found.exif = yield* source.read(at + 8, length);
    else if (/^(tEXt|zTXt|iTXt)$/.test(type) && isRead) {
      const { keyword, text } = textOf(type, yield* source.read(at + 8, length));
      if (keyword === 'XML:com.adobe.xmp') found.xmp = xmpOrientation(text);
      else if (keyword === 'Raw profile type exif') found.profile = rawProfile(latin1(text));
      else if (keyword === 'exif') found.exif = text;
    }
    at += 12 + length;
  }
  return {
    format: 'png',
    width: first.getUint32(8),
    height: first.getUint32(12),
    bitDepth: first.getUint8(16),
    isFloat: false,
    ...colour,
    hasAlpha: found.hasAlpha,
    orientation: exifOrientation(found.exif ?? found.profile ?? new Uint8Array(0)) ?? found.xmp ?? 1,
  };
}

function typeOf(chunk: DataView): string {
  return latin1(new Uint8Array(chunk.buffer, chunk.byteOffset + 4, 4));
}

/** Keyword and value of a tEXt, zTXt or iTXt chunk; the value is empty where it cannot be unpacked. */
function textOf(type: string, data: Uint8Array): { keyword: string; text: Uint8Array } {
  const end = data.indexOf(0);
  if (end < 0) return { keyword: '', text: data };
  const keyword = latin1(data.subarray(0, Math.min(end, 79)));
  if (type === 'tEXt') return { keyword, text: data.subarray(end + 1) };
  if (type === 'zTXt') return { keyword, text: unpacked(data.subarray(end + 2)) };
  // iTXt: flag, method, language\0, translated keyword\0.
  const isPacked = data[end + 1] === 1;
  const language = data.indexOf(0, end + 3);
  const translated = language < 0 ? -1 : data.indexOf(0, language + 1);
  if (translated < 0) return { keyword, text: new Uint8Array(0) };
  const text = data.subarray(translated + 1);
  return { keyword, text: isPacked ? unpacked(text) : text };
}

/** What unfolds to more than `MAX_TEXT_BYTES`, or does not unfold, is no orientation. */
function unpacked(packed: Uint8Array): Uint8Array {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  const stream = new Unzlib((piece) => {
    bytes += piece.length;
    if (bytes > MAX_TEXT_BYTES) throw new RangeError('too long');
    pieces.push(piece);
  });
  try {
    // In pieces, so that a bomb is noticed before it has unfolded.
    for (let at = 0; at < packed.length; at += 4096) stream.push(packed.subarray(at, at + 4096), at + 4096 >= packed.length);
  } catch {
    return new Uint8Array(0);
  }
  return joinArrays(Uint8Array, pieces);
}

/** ImageMagick's `\nexif\n  LENGTH\nHEX…`: the bytes that the hexadecimal digits mean. */
function rawProfile(text: string): Uint8Array {
  const digits = text.split('\n').slice(3).join('').replace(/\s/g, '');
  if (digits.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(digits)) return new Uint8Array(0);
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}
