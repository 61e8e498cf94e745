/** Headers of every format that is known, as they are read of bytes and of a file, what is read beside them, and the PNG decoder of our own. */
import fc from 'fast-check';
import sharp from 'sharp';
import type { Sharp } from 'sharp';
import { imageHeader, readImageHeader } from '../../src/data/imageHeader.ts';
import { exifOrientation, xmpOrientation } from '../../src/data/imageOrientation.ts';
import { checkPixels } from '../../src/data/pictures/decode.ts';
import { framesOf, gifFrames } from '../../src/data/pictures/frames.ts';
import { pngToRgb } from '../../src/data/pictures/png.ts';
import { tiffKind } from '../../src/data/pictures/tiffKind.ts';
import { withoutOrientation } from '../../src/data/pictures/withoutOrientation.ts';
import { readTiffDirectory } from '../../src/data/tiffDirectory.ts';
import { UserError } from '../../src/platform.ts';
import { hostileBytes } from './cases.ts';
import { parser, platformOf } from './parser.ts';

const noise = Buffer.from(Array.from({ length: 24 * 20 * 3 }, (_, i) => (i * 7919) % 256));
const drawn = sharp(noise, { raw: { width: 24, height: 20, channels: 3 } });
const bytesOf = async (image: Sharp): Promise<Uint8Array> => new Uint8Array(await image.toBuffer());
const turned = drawn.clone().withMetadata({ orientation: 6 });

/** A directory of EXIF: one entry says the orientation, one lies elsewhere, and a second directory follows. */
function exif(isLittle: boolean): Uint8Array {
  const bytes = new Uint8Array(60);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(isLittle ? 'II' : 'MM'));
  view.setUint16(2, 42, isLittle);
  view.setUint32(4, 8, isLittle);
  const entry = (at: number, tag: number, type: number, count: number, value: number): void => {
    view.setUint16(at, tag, isLittle);
    view.setUint16(at + 2, type, isLittle);
    view.setUint32(at + 4, count, isLittle);
    if (type === 3) view.setUint16(at + 8, value, isLittle);
    else view.setUint32(at + 8, value, isLittle);
  };
  view.setUint16(8, 2, isLittle);
  entry(10, 274, 3, 1, 6);
  entry(22, 282, 5, 1, 46);
  view.setUint32(34, 40, isLittle);
  return bytes;
}

/** 24 bits a pixel, three rows of four. */
function bmp(): Uint8Array {
  const bytes = new Uint8Array(54 + 36);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode('BM'));
  for (const [at, value] of [[2, bytes.length], [10, 54], [14, 40], [18, 4], [22, 3]] as const) view.setUint32(at, value, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, 24, true);
  return bytes;
}

/** A second picture after the first, by its blocks. */
function twice(gif: Uint8Array): Uint8Array {
  const start = 13 + ((gif[10] ?? 0) & 0x80 ? 3 << (((gif[10] ?? 0) & 7) + 1) : 0);
  return new Uint8Array(Buffer.concat([gif.subarray(0, -1), gif.subarray(start)]));
}

const XMP = new TextEncoder().encode('<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>');
const gif = await bytesOf(drawn.clone().gif());
const deep = drawn.clone().toColourspace('grey16').png();
const pngs = [
  await bytesOf(drawn.clone().png()), await bytesOf(drawn.clone().png({ palette: true })), await bytesOf(deep), await bytesOf(drawn.clone().png({ progressive: true })),
  await bytesOf(drawn.clone().png({ palette: true, colours: 4, progressive: true })), await bytesOf(drawn.clone().ensureAlpha().png()),
];
const GOOD: Readonly<Record<string, readonly Uint8Array[]>> = {
  PNG: [...pngs, await bytesOf(turned.clone().png())],
  JPEG: [await bytesOf(turned.clone().jpeg()), await bytesOf(drawn.clone().jpeg({ progressive: true })), await bytesOf(turned.clone().withXmp(new TextDecoder().decode(XMP)).jpeg())],
  WebP: [await bytesOf(drawn.clone().webp()), await bytesOf(turned.clone().webp()), await bytesOf(drawn.clone().webp({ lossless: true }))],
  GIF: [gif, twice(gif)],
  TIFF: [await bytesOf(drawn.clone().tiff()), await bytesOf(drawn.clone().tiff({ bigtiff: true })), await bytesOf(turned.clone().tiff({ compression: 'lzw', tile: true })), exif(true), exif(false)],
  BMP: [bmp()],
};

/** What the programs ask of a picture before, or without, decoding it. */
async function readHeader(bytes: Uint8Array): Promise<void> {
  const header = imageHeader(bytes, 'a picture');
  framesOf(bytes, header.format);
  withoutOrientation(bytes, header.format);
  if (header.format === 'gif') gifFrames(bytes);
  const directory = header.format === 'tiff' ? readTiffDirectory(bytes) : undefined;
  if (directory !== undefined) tiffKind(directory);
  const opened = await platformOf({ 'a.picture': bytes }).openFile('a.picture');
  await readImageHeader(opened);
}

/** Where the runtime has no other (the browser); what it throws in words gets the picture's name there. */
function decodeOwn(bytes: Uint8Array): Promise<void> {
  const { width, height } = imageHeader(bytes, 'a picture');
  try {
    checkPixels(width, height);
    pngToRgb(bytes);
  } catch (error) {
    // A TypeError and its like would be a defect.
    if (!(error instanceof Error) || error.constructor !== Error) throw error;
    throw new UserError(error.message);
  }
  return Promise.resolve();
}

const oneOf = (goods: readonly Uint8Array[], most?: number): fc.Arbitrary<Uint8Array> => fc.oneof(...goods.map((good) => hostileBytes(good, most)));

export const PICTURE_PARSERS = [
  ...Object.entries(GOOD).map(([name, goods]) => parser(`picture headers: ${name}`, fc.oneof(oneOf(goods, 120), oneOf(goods)), readHeader)),
  parser('PNG, our own decoder', fc.oneof(oneOf(pngs, 60), oneOf(pngs)), decodeOwn),
  parser('EXIF and XMP', fc.oneof(oneOf([exif(true), exif(false)]), hostileBytes(XMP)), (bytes) => {
    // These never refuse: what cannot be used turns nothing.
    if ((exifOrientation(bytes) ?? 1) === 1 && xmpOrientation(bytes) === undefined) throw new UserError('nothing is turned');
    return Promise.resolve();
  }),
];
