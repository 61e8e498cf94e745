/**
 * Pictures in Node, Bun and Deno: sharp (libvips) where it gives the bytes of Pillow's convert('RGB'). Colour profiles and gamma are
 * ignored, alpha is dropped, 16-bit colour keeps its high byte, CMYK is multiplied out without a profile.
 */
import type { Sharp, SharpConstructor } from 'sharp';
import { checkPixels, MAX_PIXELS } from '../src/data/pictures/decode.ts';
import type { PictureDecoder } from '../src/data/pictures/decode.ts';
import type { DeepGrey } from '../src/data/pictures/deepGrey.ts';
import type { ImageFormat } from '../src/data/imageFormats.ts';
import { ORIENTATION_TAG } from '../src/data/imageOrientation.ts';
import { readTiffDirectory } from '../src/data/tiffDirectory.ts';
import { errorText, UserError } from '../src/platform.ts';
import type { DecodedImage } from '../src/platform.ts';

async function loadSharp(): Promise<SharpConstructor> {
  return import('sharp').then(
    (module) => module.default,
    (cause: unknown) => {
      const why = errorText(cause);
      throw new UserError(`Images: the package "sharp" could not be loaded: ${why}. Run \`npm install sharp\`.`);
    },
  );
}

/** Opens the same bytes anew, since a pipeline runs once. */
async function opener(bytes: Uint8Array): Promise<() => Sharp> {
  const sharp = await loadSharp();
  return () => sharp(bytes, { ignoreIcc: true, failOn: 'error', limitInputPixels: MAX_PIXELS });
}

async function inOneLine<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw cause instanceof UserError ? cause : new Error(errorText(cause).split('\n')[0], { cause });
  }
}

export const sharpDecoder: PictureDecoder = {
  rgb: (bytes, { format }) => inOneLine(rgb(bytes, format)),
  deepGreyTiff: (bytes) => inOneLine(deepGreyTiff(bytes)),
};

async function rgb(bytes: Uint8Array, format: ImageFormat): Promise<DecodedImage> {
  const open = await opener(format === 'tiff' ? withTags(bytes, new Map([UPRIGHT])) : bytes);
  const { space, width, height } = await open().metadata();
  checkPixels(width, height);
  if (space === 'cmyk') {
    const { data, info } = await open().pipelineColourspace('cmyk').toColourspace('cmyk').raw().toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data: cmykToRgb(data, info.width * info.height, info.channels) };
  }
  if (format === 'gif') return opaque(open());
  const { data, info } = await open().removeAlpha().toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
  const plain = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { width: info.width, height: info.height, data: info.channels === 1 ? greyToRgb(plain) : Uint8Array.from(plain) };
}

/** Pillow gives a transparent pixel of a GIF its colour in the palette, libvips black. */
async function opaque(picture: Sharp): Promise<DecodedImage> {
  const { data, info } = await picture.ensureAlpha().toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
  const out = new Uint8Array(info.width * info.height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    if (data[from + 3] !== 255)
      throw new Error('it has transparent pixels, whose colours are not read as Pillow does; make it opaque or save it as PNG');
    for (let k = 0; k < 3; k++) out[to++] = data[from + k]!;
  }
  return { width: info.width, height: info.height, data: out };
}

/** The file with other values for some tags of one number each. */
function withTags(bytes: Uint8Array, values: ReadonlyMap<number, number>): Uint8Array {
  const directory = readTiffDirectory(bytes);
  const copy = Uint8Array.from(bytes);
  for (const [tag, value] of values) {
    const entry = directory?.entries.get(tag);
    if (directory === undefined || entry?.type !== SHORT || entry.count !== 1) continue;
    new DataView(copy.buffer).setUint16(entry.offset, value, directory.littleEndian);
  }
  return copy;
}

const SHORT = 3;
/** libtiff refuses orientations that do not exist, and Pillow ignores them; which one there is has been read already. */
const UPRIGHT = [ORIENTATION_TAG, 1] as const;
/** libvips loses what is negative on its way out of signed 16-bit greys, so they go through it as unsigned ones. */
const UNSIGNED = [339, 1] as const;

async function deepGreyTiff(bytes: Uint8Array): Promise<DeepGrey> {
  const { depth } = await (await opener(withTags(bytes, new Map([UPRIGHT]))))().metadata();
  const is16 = depth === 'ushort' || depth === 'short';
  const picture = (await opener(withTags(bytes, new Map(is16 ? [UPRIGHT, UNSIGNED] : [UPRIGHT]))))();
  // "b-w" would divide 16-bit values by 256; it leaves all others as they are.
  const raw = is16 ? picture.toColourspace('grey16').raw({ depth: 'ushort' }) : picture.toColourspace('b-w').raw({ depth: 'double' });
  const { data, info } = await raw.toBuffer({ resolveWithObject: true });
  if (info.channels !== 1) throw new Error(`it has ${info.channels} channels, one is expected`);
  const own = Uint8Array.from(data).buffer; // aligned
  const values = depth === 'ushort' ? new Uint16Array(own) : depth === 'short' ? new Int16Array(own) : new Float64Array(own);
  if (depth === 'uint' && values.some((value) => value >= 2 ** 31))
    throw new Error('it has values of 2³¹ and more, which Pillow takes for negative ones');
  const kind = depth === 'ushort' ? 'uint16' : depth === 'short' ? 'int16' : depth === 'float' ? 'float' : 'other integer';
  return { width: info.width, height: info.height, values, kind };
}

function greyToRgb(grey: Uint8Array): Uint8Array {
  const out = new Uint8Array(grey.length * 3);
  for (let i = 0; i < grey.length; i++) out.fill(grey[i] ?? 0, i * 3, i * 3 + 3);
  return out;
}

/** Pillow's cmyk2rgb: (255−K) − C·(255−K)/255, with its rounded division. */
function cmykToRgb(cmyk: Uint8Array, pixels: number, channels: number): Uint8Array {
  const out = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    const light = 255 - (cmyk[i * channels + 3] ?? 0);
    for (let k = 0; k < 3; k++) {
      const product = (cmyk[i * channels + k] ?? 0) * light + 128;
      out[i * 3 + k] = Math.max(0, light - (((product >> 8) + product) >> 8));
    }
  }
  return out;
}
