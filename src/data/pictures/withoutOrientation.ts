/**
 * For decoders that turn pictures by themselves, as browsers do whatever they are asked: what Pillow would turn by is read from the file as
 * it is.
 */
import { joinArrays } from '../../io/joinArrays.ts';
import { latin1 } from '../imageFormats.ts';
import type { ImageFormat } from '../imageFormats.ts';

/** The file without its EXIF and XMP; other formats than JPEG and WebP come back as they are. */
export function withoutOrientation(bytes: Uint8Array, format: ImageFormat): Uint8Array {
  if (format === 'jpeg') return jpegWithoutApp1(bytes);
  return format === 'webp' ? webpWithoutMetadata(bytes) : bytes;
}

function jpegWithoutApp1(bytes: Uint8Array): Uint8Array {
  const kept: Uint8Array[] = [bytes.subarray(0, 2)];
  let at = 2;
  // Segments (marker, length, content) up to the first scan, 0xda.
  while (at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda) {
    if (bytes[at + 1] === 0xff) {
      at++; // filling between segments
      continue;
    }
    const end = at + 2 + (((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
    if (bytes[at + 1] !== 0xe1) kept.push(bytes.subarray(at, end));
    at = end;
  }
  kept.push(bytes.subarray(at));
  return joinArrays(Uint8Array, kept as Uint8Array<ArrayBuffer>[]);
}

/** The chunks keep their length under a name that no decoder knows, and the header no longer announces them. */
function webpWithoutMetadata(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const view = new DataView(copy.buffer);
  for (let at = 12, length = 0; at + 8 <= copy.length; at += 8 + length + (length % 2)) {
    length = view.getUint32(at + 4, true);
    const type = latin1(copy.subarray(at, at + 4));
    if (type === 'VP8X') copy[at + 8] = (copy[at + 8] ?? 0) & ~0x0c;
    if (type === 'EXIF' || type === 'XMP ') copy.set([0x6e, 0x6f, 0x6e, 0x65], at); // "none"
  }
  return copy;
}
