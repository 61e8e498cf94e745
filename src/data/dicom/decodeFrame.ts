/** A compressed frame to samples as an uncompressed file would have them. */
import type { Platform } from '../../platform.ts';
import { jpeg2000Codestream, jpegCodestream, withoutTransform } from './codestream.ts';
import type { Codestream } from './codestream.ts';
import type { PixelFormat } from './format.ts';
import { decodeExtended } from './jpeg/extended.ts';
import { decodeLossless } from './jpeg/lossless.ts';
import { readJpeg } from './jpeg/stream.ts';
import { decodeNative } from './nativeCodecs.ts';
import { decodeRle } from './rle.ts';
import type { Compression } from './syntaxes.ts';

/** A frame's samples and how they lie, which the codestream may have otherwise than the header. */
export interface FrameSamples {
  /** Little endian. */
  bytes: Uint8Array;
  bitsAllocated: number;
  bitsStored: number;
  /** The bits are to be read as signed ones of `bitsStored` bits. */
  isSigned: boolean;
  isPlanar: boolean;
  /** They are YCbCr. */
  isYbr: boolean;
}

/** @throws Error in words, for the middle of a sentence that names the file; UserError where there are no decoders */
export async function decodeFrame(
  platform: Pick<Platform, 'dicomCodec'>,
  bytes: Uint8Array,
  compression: Compression,
  format: PixelFormat,
): Promise<FrameSamples> {
  const { rows, columns, samples, bitsAllocated, bitsStored, isSigned, photometric } = format;
  const isYbrTag = /^YBR_FULL/.test(photometric);
  if (compression === 'rle') {
    if (bitsAllocated < 8) throw new Error(`RLE of ${bitsAllocated} bits is not read`);
    const plain = decodeRle(bytes, rows * columns, samples, bitsAllocated / 8);
    return { bytes: plain, bitsAllocated, bitsStored, isSigned, isPlanar: true, isYbr: isYbrTag };
  }
  const isJ2k = compression === 'jpeg-2000' || compression === 'htj2k';
  const stream = isJ2k ? jpeg2000Codestream(bytes) : jpegCodestream(bytes);
  if (stream.width !== columns || stream.height !== rows || stream.components !== samples)
    throw new Error(
      `its compressed frame is ${stream.width}×${stream.height} with ${stream.components} samples a pixel, the header says ` +
        `${columns}×${rows} with ${samples}`,
    );
  const decoded = await decodeStream(platform, bytes, compression, stream);
  if (decoded.bytes.length < rows * columns * samples * (decoded.bitsAllocated / 8))
    throw new Error(`its compressed frame gives ${decoded.bytes.length} bytes, too few for ${columns}×${rows}`);
  return {
    ...decoded,
    // Near-lossless JPEG-LS of more bits than the header has goes beyond them; cut to those, white would be black.
    bitsStored: compression === 'jpeg' ? bitsStored : stream.precision,
    isSigned,
    isYbr: compression === 'jpeg' ? isYbrJpeg(stream, isYbrTag) : isYbrTag,
  };
}

async function decodeStream(
  platform: Pick<Platform, 'dicomCodec'>,
  bytes: Uint8Array,
  compression: Exclude<Compression, 'rle'>,
  { precision, components, isLossless, interleave }: Codestream,
): Promise<Pick<FrameSamples, 'bytes' | 'bitsAllocated' | 'isPlanar'>> {
  const bitsAllocated = precision <= 8 ? 8 : 16;
  if (precision > 16) throw new Error(`its compressed frame has ${precision} bits a sample, 16 are read at most`);
  if (compression === 'jpeg' && (isLossless === true || precision > 8)) {
    const stream = readJpeg(bytes);
    const values = isLossless === true ? decodeLossless(stream) : decodeExtended(stream);
    return { bytes: new Uint8Array(values.buffer), bitsAllocated: 16, isPlanar: false };
  }
  if (compression === 'jpeg') {
    const { bytes: decoded } = await decodeNative(platform, 'libjpeg-turbo', components === 3 ? withoutTransform(bytes) : bytes);
    return { bytes: decoded, bitsAllocated, isPlanar: false };
  }
  const { bytes: decoded } = await decodeNative(platform, compression === 'jpeg-ls' ? 'charls' : 'openjpeg', bytes);
  return { bytes: decoded, bitsAllocated, isPlanar: components > 1 && interleave === 0 };
}

/** As pydicom: names R, G, B and an Adobe marker beat the header, and so does JFIF, which is YCbCr by definition. */
function isYbrJpeg({ components, hasRgbNames, isJfif, adobeTransform }: Codestream, isYbrTag: boolean): boolean {
  if (components !== 3 || hasRgbNames) return false;
  if (adobeTransform !== undefined) return adobeTransform === 1;
  return isJfif || isYbrTag;
}
