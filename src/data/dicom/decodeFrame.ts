/** A compressed frame to samples as an uncompressed file would have them. */
import type { Platform } from '../../platform.ts';
import { UserError } from '../../platform.ts';
import { jpeg2000Codestream, jpegCodestream } from './codestream.ts';
import type { Codestream } from './codestream.ts';
import type { PixelFormat } from './format.ts';
import { NativeCodecs } from './nativeCodecs.ts';
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

let codecs: Promise<NativeCodecs> | undefined;

async function openCodecs(platform: Pick<Platform, 'dicomCodecs'>): Promise<NativeCodecs> {
  const { dicomCodecs } = platform;
  if (dicomCodecs === undefined) throw new UserError('Compressed DICOM is not read here: this platform brings no decoders (dicomCodecs).');
  codecs ??= dicomCodecs().then((wasm) => NativeCodecs.open(wasm));
  try {
    return await codecs;
  } catch (error) {
    codecs = undefined;
    throw error;
  }
}

/** @throws Error in words, for the middle of a sentence that names the file; UserError where there are no decoders */
export async function decodeFrame(
  platform: Pick<Platform, 'dicomCodecs'>,
  bytes: Uint8Array,
  compression: Compression,
  format: PixelFormat,
): Promise<FrameSamples> {
  const { rows, columns, samples, bitsAllocated, bitsStored, isSigned, photometric } = format;
  const isYbrTag = /^YBR_(?:FULL|PARTIAL)/.test(photometric);
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
  const wide = stream.precision <= 8 ? 8 : stream.precision <= 16 ? 16 : 32;
  const native = await openCodecs(platform);
  const decoded = await native.decode(compression, {
    bytes,
    rows,
    columns,
    samples,
    bitsAllocated: wide,
    bitsStored: stream.precision,
    isSigned: stream.isSigned ?? false,
    isPlanar: false,
  });
  if (decoded.bytes.length < rows * columns * samples * (decoded.bitsAllocated / 8))
    throw new Error(`its compressed frame gives ${decoded.bytes.length} bytes, too few for ${columns}×${rows}`);
  return {
    bytes: decoded.bytes,
    bitsAllocated: decoded.bitsAllocated,
    bitsStored: isJ2k || (compression === 'jpeg-ls' && isSigned) ? stream.precision : bitsStored,
    isSigned,
    isPlanar: decoded.isPlanar,
    isYbr: compression === 'jpeg' ? isYbrJpeg(stream, isYbrTag) : isYbrTag,
  };
}

/** As pydicom: names R, G, B and an Adobe marker beat the header, and so does JFIF, which is YCbCr by definition. */
function isYbrJpeg({ components, hasRgbNames, isJfif, adobeTransform }: Codestream, isYbrTag: boolean): boolean {
  if (components !== 3 || hasRgbNames) return false;
  if (adobeTransform !== undefined) return adobeTransform === 1;
  return isJfif || isYbrTag;
}
