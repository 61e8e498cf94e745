/**
 * How a picture is to be turned: tag 274 of its EXIF data, or where that has no such tag, `tiff:Orientation` of its XMP, as Pillow's
 * `exif_transpose` looks for it, which transformers' load_image and datasets call. What is broken, out of range or of another type turns
 * nothing.
 */
import type { DecodedImage } from '../platform.ts';
import { latin1 } from './imageFormats.ts';
import { isTiffHead, readTiffDirectory, tiffNumbers } from './tiffDirectory.ts';

/** 1: as it is stored; 2 to 4: mirrored or turned by 180°; 5 to 8: height and width change places. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

export const ORIENTATION_TAG = 274;
const EXIF_NAME = 'Exif\0\0';

export function isExif(bytes: Uint8Array): boolean {
  return latin1(bytes.subarray(0, EXIF_NAME.length)) === EXIF_NAME;
}

export function orientationOf(value: number | undefined): Orientation | undefined {
  return value !== undefined && Number.isInteger(value) && value >= 1 && value <= 8 ? (value as Orientation) : undefined;
}

/**
 * @param exif with or without `Exif\0\0` before it
 * @returns undefined where the block has no such tag, so that XMP may say it; 1 where what it says cannot be used
 */
export function exifOrientation(exif: Uint8Array): Orientation | undefined {
  let block = exif;
  while (isExif(block)) block = block.subarray(EXIF_NAME.length);
  if (block.length === 0) return undefined;
  const directory = isTiffHead(block) ? readTiffDirectory(block) : undefined;
  if (directory === undefined) return 1; // Pillow looks no further
  return directory.entries.has(ORIENTATION_TAG) ? (orientationOf(tiffNumbers(directory, ORIENTATION_TAG)?.[0]) ?? 1) : undefined;
}

export function xmpOrientation(xmp: Uint8Array): Orientation | undefined {
  const found = /tiff:Orientation(?:="|>)([0-9])/.exec(latin1(xmp));
  return orientationOf(found ? Number(found[1]) : undefined);
}

/** The picture upright; the same object where there is nothing to turn. */
export function turned(image: DecodedImage, orientation: Orientation): DecodedImage {
  if (orientation === 1) return image;
  const { width, height, data } = image;
  const size = orientation < 5 ? { width, height } : { width: height, height: width };
  const out = new Uint8Array(data.length);
  // Steps within the source for one pixel to the right and one down in the result; from which corner it starts follows.
  const isMirrored = [2, 3, 7, 8].includes(orientation); // the source's columns run backwards
  const isFlipped = [3, 4, 6, 7].includes(orientation); // the source's rows run backwards
  const column = isMirrored ? -3 : 3;
  const row = (isFlipped ? -3 : 3) * width;
  const start = (isMirrored ? (width - 1) * 3 : 0) + (isFlipped ? (height - 1) * width * 3 : 0);
  const [right, down] = orientation < 5 ? [column, row] : [row, column];
  for (let y = 0, to = 0; y < size.height; y++) {
    for (let x = 0, from = start + y * down; x < size.width; x++, from += right) {
      out[to++] = data[from] ?? 0;
      out[to++] = data[from + 1] ?? 0;
      out[to++] = data[from + 2] ?? 0;
    }
  }
  return { ...image, ...size, data: out };
}
