/** How many pictures a file holds: frames of an animation, pages. Only the first is used, which the user is told. */
import { latin1 } from '../imageFormats.ts';
import type { ImageFormat } from '../imageFormats.ts';
import { pngChunks } from './pngChunks.ts';
import { readTiffDirectory } from '../tiffDirectory.ts';

/** 1 where a file says nothing else. The small previews that cameras put into JPEGs are not counted. */
export function framesOf(bytes: Uint8Array, format: ImageFormat): number {
  switch (format) {
    case 'png': {
      const control = pngChunks(bytes).find(({ type }) => type === 'acTL')?.data;
      return control === undefined || control.length < 8 ? 1 : Math.max(1, new DataView(control.buffer, control.byteOffset).getUint32(0));
    }
    case 'webp':
      return Math.max(1, webpFrames(bytes));
    case 'gif':
      return Math.max(1, gifFrames(bytes).length);
    case 'tiff':
      return readTiffDirectory(bytes)?.pages ?? 1;
    default:
      return 1;
  }
}

function webpFrames(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let frames = 0;
  for (let at = 12, length = 0; at + 8 <= bytes.length; at += 8 + length + (length % 2)) {
    length = view.getUint32(at + 4, true);
    if (latin1(bytes.subarray(at, at + 4)) === 'ANMF') frames++;
  }
  return frames;
}

export interface GifFrame {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Where each frame lies on the screen of the header. */
export function gifFrames(bytes: Uint8Array): GifFrame[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const paletteBytes = (flags: number): number => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  const frames: GifFrame[] = [];
  for (let at = 13 + paletteBytes(bytes[10] ?? 0); at + 11 <= bytes.length;) {
    if (bytes[at] === 0x2c) {
      const [left, top, width, height] = [1, 3, 5, 7].map((offset) => view.getUint16(at + offset, true)) as [
        number,
        number,
        number,
        number,
      ];
      frames.push({ left, top, width, height });
      at += 11 + paletteBytes(bytes[at + 9] ?? 0); // its place, its palette, the code size
    } else if (bytes[at] === 0x21) at += 2;
    else break;
    while (at < bytes.length && bytes[at] !== 0) at += 1 + bytes[at]!;
    at++;
  }
  return frames;
}
