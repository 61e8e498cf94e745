/** TIFF and BigTIFF: the first directory, wherever in the file it stands. */
import { orientationOf, xmpOrientation } from '../imageOrientation.ts';
import { TIFF_TYPE_BYTES, valuesOf } from '../tiffDirectory.ts';
import type { HeaderSource, ImageHeader, Reading } from './source.ts';

const TAG = {
  width: 256,
  height: 257,
  bitsPerSample: 258,
  photometric: 262,
  orientation: 274,
  samplesPerPixel: 277,
  extraSamples: 338,
  sampleFormat: 339,
  xmp: 700,
};
const COLOURS: Readonly<Record<number, ImageHeader['colour']>> = { 0: 'grey', 1: 'grey', 2: 'rgb', 3: 'palette', 5: 'cmyk', 6: 'rgb' };
const MAX_ENTRIES = 4096;
const MAX_XMP_BYTES = 2 ** 20;

interface Entry {
  type: number;
  count: number;
  /** Where its values stand. */
  at: number;
}

export function* tiffHeader(source: HeaderSource): Reading<ImageHeader> {
  const head = yield* source.view(0, 8);
  const little = head.getUint8(0) === 0x49;
  const isBig = head.getUint16(2, little) === 43;
  const first = isBig ? Number((yield* source.view(8, 8)).getBigUint64(0, little)) : head.getUint32(4, little);
  const countBytes = isBig ? 8 : 2;
  const counted = yield* source.view(first, countBytes);
  const entries = isBig ? Number(counted.getBigUint64(0, little)) : counted.getUint16(0, little);
  if (entries > MAX_ENTRIES) throw source.damaged(`its directory has ${entries} entries`);
  const entryBytes = isBig ? 20 : 12;
  const directory = yield* source.view(first + countBytes, entries * entryBytes);
  const tags = new Map<number, Entry>();
  for (let i = 0; i < entries; i++) {
    const at = i * entryBytes;
    const type = directory.getUint16(at + 2, little);
    const count = isBig ? Number(directory.getBigUint64(at + 4, little)) : directory.getUint32(at + 4, little);
    const valueAt = at + (isBig ? 12 : 8);
    const isInline = count * (TIFF_TYPE_BYTES.get(type) ?? 8) <= (isBig ? 8 : 4);
    const pointer = isBig ? Number(directory.getBigUint64(valueAt, little)) : directory.getUint32(valueAt, little);
    const tag = directory.getUint16(at, little);
    // As in Pillow, the last of a tag counts, and what is of an unknown type or without values is not there.
    if (TIFF_TYPE_BYTES.has(type) && count > 0) tags.set(tag, { type, count, at: isInline ? first + countBytes + valueAt : pointer });
  }

  /** The first value of a tag. */
  function* value(tag: number): Reading<number | undefined> {
    const entry = tags.get(tag);
    if (entry === undefined) return undefined;
    const { type, at } = entry;
    return valuesOf({ type, count: 1, bytes: yield* source.read(at, TIFF_TYPE_BYTES.get(type) ?? 1) }, little)?.[0];
  }

  const width = yield* value(TAG.width);
  const height = yield* value(TAG.height);
  if (width === undefined || height === undefined) throw source.damaged('its first directory has no width and height');
  const xmp = tags.get(TAG.xmp);
  const isXmpBytes = xmp !== undefined && !tags.has(TAG.orientation) && TIFF_TYPE_BYTES.get(xmp.type) === 1;
  const isXmpRead = isXmpBytes && xmp.count <= MAX_XMP_BYTES && xmp.at + xmp.count <= source.size;
  const stated = orientationOf(yield* value(TAG.orientation));
  return {
    format: 'tiff',
    width,
    height,
    bitDepth: (yield* value(TAG.bitsPerSample)) ?? 1,
    isFloat: (yield* value(TAG.sampleFormat)) === 3,
    channels: (yield* value(TAG.samplesPerPixel)) ?? 1,
    colour: COLOURS[(yield* value(TAG.photometric)) ?? -1] ?? 'other',
    hasAlpha: (yield* value(TAG.extraSamples)) !== undefined,
    orientation: stated ?? (isXmpRead ? xmpOrientation(yield* source.read(xmp.at, xmp.count)) : undefined) ?? 1,
  };
}
