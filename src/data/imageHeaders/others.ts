/** WebP, GIF and BMP. */
import { latin1 } from '../imageFormats.ts';
import { exifOrientation, xmpOrientation } from '../imageOrientation.ts';
import type { Orientation } from '../imageOrientation.ts';
import type { HeaderSource, ImageHeader, Reading } from './source.ts';

const MAX_METADATA_BYTES = 2 ** 20;

/** Lossy (VP8), lossless (VP8L) or extended (VP8X), of which the last has the metadata, mostly behind the pixels. */
export function* webpHeader(source: HeaderSource): Reading<ImageHeader> {
  const view = yield* source.view(12, 18);
  const kind = latin1(new Uint8Array(view.buffer, view.byteOffset, 4));
  const image = { format: 'webp', bitDepth: 8, isFloat: false, colour: 'rgb', orientation: 1 } as const;
  const size = (width: number, height: number, hasAlpha: boolean): ImageHeader => {
    return { ...image, width, height, hasAlpha, channels: hasAlpha ? 4 : 3 };
  };
  if (kind === 'VP8 ') {
    const isFrame = view.getUint16(11) === 0x9d01 && view.getUint8(13) === 0x2a;
    if (!isFrame) throw source.damaged('its first frame has no start code');
    return size(view.getUint16(14, true) & 0x3fff, view.getUint16(16, true) & 0x3fff, false);
  }
  if (kind === 'VP8L') {
    if (view.getUint8(8) !== 0x2f) throw source.damaged('its first frame has no signature');
    const bits = view.getUint32(9, true);
    return size((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1, (bits & 0x10000000) !== 0);
  }
  if (kind !== 'VP8X') throw source.damaged(`its first chunk is ${JSON.stringify(kind)}`);
  const flags = view.getUint8(8);
  const uint24 = (at: number): number => view.getUint16(at, true) + view.getUint8(at + 2) * 65536;
  const extended = size(uint24(12) + 1, uint24(15) + 1, (flags & 0x10) !== 0);
  if ((flags & 0x0c) === 0) return extended;
  let exif: Orientation | undefined;
  let xmp: Orientation | undefined;
  for (let at = 12; at + 8 <= source.size; ) {
    const head = yield* source.view(at, 8);
    const type = latin1(new Uint8Array(head.buffer, head.byteOffset, 4));
    const length = head.getUint32(4, true);
    const isRead = length <= MAX_METADATA_BYTES && at + 8 + length <= source.size;
    if (type === 'EXIF' && isRead && flags & 8) exif ??= exifOrientation(yield* source.read(at + 8, length));
    if (type === 'XMP ' && isRead && flags & 4) xmp ??= xmpOrientation(yield* source.read(at + 8, length));
    at += 8 + length + (length % 2);
  }
  return { ...extended, orientation: exif ?? xmp ?? 1 };
}

/** The first picture may be larger than the screen that the file states; Pillow then takes the larger. */
export function* gifHeader(source: HeaderSource): Reading<ImageHeader> {
  const screen = yield* source.view(6, 7);
  let [width, height] = [screen.getUint16(0, true), screen.getUint16(2, true)];
  const flags = screen.getUint8(4);
  let hasAlpha = false;
  for (let at = 13 + ((flags & 0x80) === 0 ? 0 : 3 << ((flags & 7) + 1)); ; ) {
    const [block] = yield* source.read(at, 1);
    if (block === 0x2c) {
      const picture = yield* source.view(at + 1, 8);
      width = Math.max(width, picture.getUint16(0, true) + picture.getUint16(4, true));
      height = Math.max(height, picture.getUint16(2, true) + picture.getUint16(6, true));
      break;
    }
    if (block === 0x3b) throw source.damaged('it has no picture');
    if (block !== 0x21) {
      at += 1; // as Pillow: bytes between blocks are passed over
      continue;
    }
    const [label, length, packed] = yield* source.read(at + 1, 3);
    if (label === 0xf9 && length !== 0) hasAlpha = ((packed ?? 0) & 1) === 1;
    at += 2;
    for (let bytes = 1; bytes !== 0; at += 1 + bytes) [bytes = 0] = yield* source.read(at, 1);
  }
  return { format: 'gif', width, height, bitDepth: 8, isFloat: false, channels: 1, colour: 'palette', hasAlpha, orientation: 1 };
}

export function* bmpHeader(source: HeaderSource): Reading<ImageHeader> {
  const view = yield* source.view(14, 16);
  const isCore = view.getUint32(0, true) === 12;
  const bits = view.getUint16(isCore ? 10 : 14, true);
  return {
    format: 'bmp',
    width: isCore ? view.getUint16(4, true) : view.getInt32(4, true),
    height: isCore ? view.getUint16(6, true) : Math.abs(view.getInt32(8, true)), // negative: rows from top to bottom
    bitDepth: bits <= 8 ? bits : 8,
    isFloat: false,
    channels: bits <= 8 ? 1 : bits / 8,
    colour: bits <= 8 ? 'palette' : 'rgb',
    hasAlpha: false,
    orientation: 1,
  };
}
