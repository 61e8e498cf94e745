/**
 * How a picture is to be turned: tag 274 of its EXIF data, or where that has none, `tiff:Orientation` of its XMP, as Pillow's `exif_transpose`
 * looks for it. Data that cannot be read says nothing.
 */
import { latin1 } from './imageFormats.ts';

/** 1: as it is stored; 2 to 4: mirrored or turned by 180°; 5 to 8: height and width change places. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

const ORIENTATION_TAG = 274;
const SHORT = 3;
const LONG = 4;
const ENTRY_BYTES = 12;

export function orientationOf(value: number | undefined): Orientation | undefined {
  return value !== undefined && Number.isInteger(value) && value >= 1 && value <= 8 ? (value as Orientation) : undefined;
}

/** @param exif with or without `Exif\0\0` before it */
export function exifOrientation(exif: Uint8Array): Orientation | undefined {
  const at = latin1(exif.subarray(0, 6)) === 'Exif\0\0' ? 6 : 0;
  const view = new DataView(exif.buffer, exif.byteOffset + at, exif.byteLength - at);
  if (view.byteLength < 14) return undefined;
  const mark = latin1(exif.subarray(at, at + 2));
  if (mark !== 'II' && mark !== 'MM') return undefined;
  const little = mark === 'II';
  const first = view.getUint32(4, little);
  if (first + 2 > view.byteLength) return undefined;
  const entries = view.getUint16(first, little);
  for (let i = 0; i < entries; i++) {
    const entry = first + 2 + i * ENTRY_BYTES;
    if (entry + ENTRY_BYTES > view.byteLength) return undefined;
    if (view.getUint16(entry, little) !== ORIENTATION_TAG) continue;
    const type = view.getUint16(entry + 2, little);
    if (view.getUint32(entry + 4, little) !== 1) return undefined;
    if (type === SHORT) return orientationOf(view.getUint16(entry + 8, little));
    return type === LONG ? orientationOf(view.getUint32(entry + 8, little)) : undefined;
  }
  return undefined;
}

export function xmpOrientation(xmp: Uint8Array): Orientation | undefined {
  const found = /tiff:Orientation(?:="|>)([0-9])/.exec(latin1(xmp));
  return orientationOf(found ? Number(found[1]) : undefined);
}
