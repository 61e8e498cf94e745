/**
 * A picture file to what Pillow makes of it with `ImageOps.exif_transpose(Image.open(file)).convert('RGB')`, to the byte, or a refusal that
 * names what cannot be. What is alike on every runtime is here (formats, greys of more than 8 bits, turning, what is told); each runtime
 * gives a PictureDecoder for the rest.
 */
import type { DecodedImage, DecodeOptions, DicomCodecName, PictureNote } from '../../platform.ts';
import { errorText, UserError } from '../../platform.ts';
import { deepGreyToRgb } from './deepGrey.ts';
import type { DeepGrey } from './deepGrey.ts';
import { formatName } from '../imageFormats.ts';
import type { ImageFormat } from '../imageFormats.ts';
import { framesOf, gifFrames } from './frames.ts';
import { DECODED_FORMATS, imageHeader, undecodable } from '../imageHeader.ts';
import type { ImageHeader } from '../imageHeaders/source.ts';
import { turned } from '../imageOrientation.ts';
import { pngHeader, pngSamples } from './png.ts';
import { readTiffDirectory } from '../tiffDirectory.ts';
import { tiffKind } from './tiffKind.ts';

/** The runtime's part. It throws an Error in words, which gets the picture's name here. */
export interface PictureDecoder {
  /** The first frame's RGB, not turned. */
  rgb(bytes: Uint8Array, header: ImageHeader): Promise<DecodedImage>;
  /** A TIFF of one channel of more than 8 bits; absent where TIFF is not read. */
  deepGreyTiff?(bytes: Uint8Array): Promise<DeepGrey>;
  /** As Platform's. */
  dicomCodec?(name: DicomCodecName, options: object): Promise<unknown>;
}

/** Pillow warns of a decompression bomb beyond half of this and refuses beyond it. */
export const MAX_PIXELS = 178_956_970;

/** What is wrong with a picture of this size, in words; nothing where it is read. */
export function tooManyPixels(width: number, height: number): string | undefined {
  if (width * height <= MAX_PIXELS) return undefined;
  return `it has ${width}×${height} pixels, more than the ${MAX_PIXELS} that are read; make it smaller`;
}

/** @throws Error in words */
export function checkPixels(width: number, height: number): void {
  const words = tooManyPixels(width, height);
  if (words !== undefined) throw new Error(words);
}

/** @throws UserError that names the picture */
export async function decodePicture(
  bytes: Uint8Array,
  name: string,
  options: DecodeOptions,
  decoder: PictureDecoder,
): Promise<DecodedImage> {
  const header = imageHeader(bytes, name);
  const { format, orientation } = header;
  if (!DECODED_FORMATS.includes(format)) throw undecodable(name, format);
  if (format === 'dicom') return (await import('../dicom/picture.ts')).dicomPicture(bytes, name, decoder);
  const { sixteenBit = 'clip' } = options;
  const notes: PictureNote[] = [];
  let image: DecodedImage;
  try {
    const grey = await deepGreyOf(bytes, format, sixteenBit !== 'clip', decoder);
    if (grey === undefined) image = await decoder.rgb(bytes, header);
    else {
      const { lostShare, ...spread } = deepGreyToRgb(grey, sixteenBit);
      if (lostShare > 0) notes.push({ kind: 'clipped', name, text: clippedText(name, grey.kind, lostShare) });
      image = spread;
    }
  } catch (cause) {
    throw cause instanceof UserError ? cause : undecoded(bytes, name, format, cause);
  }
  const frames = framesOf(bytes, format);
  const what = format === 'tiff' ? 'pages' : 'frames';
  if (frames > 1) notes.push({ kind: 'frames', name, text: `${name} holds ${frames} ${what}; the first is used.` });
  return { ...turned(image, orientation), ...(notes.length > 0 && { notes }) };
}

function undecoded(bytes: Uint8Array, name: string, format: ImageFormat, cause: unknown): UserError {
  const why = errorText(cause);
  return new UserError(
    `Image ${name}: it cannot be decoded (${formatName(format)}, ${bytes.length} bytes): ${why}. ` +
      'Write it again as PNG or JPEG, or fetch it again if it is cut off.',
    { cause },
  );
}

/** What lies outside of a small first frame is another colour in every library. @throws Error in words */
function checkGif(bytes: Uint8Array): void {
  const [first] = gifFrames(bytes);
  const [width, height] = [(bytes[6] ?? 0) | ((bytes[7] ?? 0) << 8), (bytes[8] ?? 0) | ((bytes[9] ?? 0) << 8)];
  if (first === undefined || (first.left === 0 && first.top === 0 && first.width === width && first.height === height)) return;
  const place = `${first.width}×${first.height} at ${first.left}, ${first.top}`;
  throw new Error(`its first frame (${place}) does not fill the picture (${width}×${height})`);
}

function clippedText(name: string, kind: DeepGrey['kind'], share: number): string {
  const percent = share < 0.01 ? 'less than 1' : String(Math.round(share * 100));
  const what = { uint16: '16-bit grey', int16: 'signed 16-bit grey', 'other integer': '32-bit grey', float: 'floating-point grey' }[kind];
  return (
    `${name} is ${what}: ${percent} % of its pixels do not fit 8 bits and are cut off (at 0 and 255), as Pillow does. ` +
    '--sixteen_bit window or scale keeps what they show.'
  );
}

/**
 * The values of a picture that is one channel of more than 8 bits, and undefined for all others. 16-bit grey with alpha counts where it is
 * to be spread: as it is, Pillow keeps its high byte.
 */
async function deepGreyOf(
  bytes: Uint8Array,
  format: ImageFormat,
  isSpread: boolean,
  decoder: PictureDecoder,
): Promise<DeepGrey | undefined> {
  if (format === 'png') {
    const { width, height, depth, channels, isIndexed } = pngHeader(bytes);
    checkPixels(width, height);
    if (depth !== 16 || isIndexed || !(channels === 1 || (channels === 2 && isSpread))) return undefined;
    const { samples } = pngSamples(bytes);
    const values = channels === 1 ? Uint16Array.from(samples) : Uint16Array.from({ length: width * height }, (_, i) => samples[2 * i] ?? 0);
    return { width, height, values, kind: 'uint16' };
  }
  if (format === 'gif') checkGif(bytes);
  if (format !== 'tiff') return undefined;
  const directory = readTiffDirectory(bytes);
  if (directory === undefined) throw new Error('its header is cut off');
  const { isDeepGrey, refusal } = tiffKind(directory);
  if (refusal !== undefined) throw new Error(`${refusal}, which is not read as Pillow does`);
  return isDeepGrey ? decoder.deepGreyTiff?.(bytes) : undefined;
}
