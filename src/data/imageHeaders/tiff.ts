/** TIFF and BigTIFF: the first directory, wherever in the file it stands. */
import { orientationOf, xmpOrientation } from '../imageOrientation.ts';
import { TIFF_TYPE_BYTES } from '../tiffDirectory.ts';
import type { HeaderSource, ImageHeader, Reading } from './source.ts';
import { tiffForm, tiffTags, tiffValue } from './tiffTags.ts';

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
const MAX_XMP_BYTES = 2 ** 20;

export function* tiffHeader(source: HeaderSource): Reading<ImageHeader> {
  const form = yield* tiffForm(source);
  const directory = yield* tiffTags(source, form, form.first);
  const { tags } = directory;
  const value = (tag: number): Reading<number | undefined> => tiffValue(source, form, directory, tag);

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
