/**
 * The decoders of compressed frames that are WebAssembly: CharLS, OpenJPEG and libjpeg-turbo, as the Cornerstone project builds and keeps
 * them. Each is a module of Emscripten's; a platform makes them, since runtimes differ in how such a module finds its file.
 */
import type { DicomCodecName, Platform } from '../../platform.ts';
import { UserError } from '../../platform.ts';

/** A decoder of one of the modules; all three have the same members. */
interface FrameDecoder {
  /** Room for the compressed bytes, in the module's memory. */
  getEncodedBuffer(length: number): Uint8Array;
  decode(): void;
  getFrameInfo(): { width: number; height: number; bitsPerSample: number; componentCount: number };
  /** In the module's memory. */
  getDecodedBuffer(): Uint8Array;
  /** JPEG-LS: 0 plane by plane. */
  getInterleaveMode?(): unknown;
  delete(): void;
}

export interface DecodedFrame {
  /** Little endian. */
  bytes: Uint8Array;
  bitsPerSample: number;
}

const DECODERS: Readonly<Record<DicomCodecName, string>> = {
  charls: 'JpegLSDecoder',
  openjpeg: 'J2KDecoder',
  'libjpeg-turbo': 'JPEGDecoder',
};
/** A module that has taken more is let go of: memory of WebAssembly never shrinks. */
const MOST_KEPT_BYTES = 64 * 2 ** 20;

/** The modules print what they read; what is wrong with a frame is thrown as well. */
const SILENT = { print: () => undefined, printErr: () => undefined };

type Module = Readonly<Record<string, (new () => FrameDecoder) | undefined>> & { HEAPU8?: Uint8Array };
const modules = new Map<DicomCodecName, Promise<Module>>();

/** @throws Error in words where the frame cannot be decoded; UserError where there are no decoders */
export async function decodeNative(platform: Pick<Platform, 'dicomCodec'>, name: DicomCodecName, bytes: Uint8Array): Promise<DecodedFrame> {
  const { dicomCodec } = platform;
  if (dicomCodec === undefined) throw new UserError('Compressed DICOM is not read here: this platform brings no decoders (dicomCodec).');
  let opening = modules.get(name);
  if (opening === undefined) {
    opening = dicomCodec(name, SILENT) as Promise<Module>;
    modules.set(name, opening);
  }
  const forget = (): void => {
    if (modules.get(name) === opening) modules.delete(name);
  };
  let module: Module;
  try {
    module = await opening;
  } catch (error) {
    forget();
    throw error;
  }
  const Decoder = module[DECODERS[name]];
  if (Decoder === undefined) throw new Error(`the module ${name} has no ${DECODERS[name]}`);
  try {
    const decoder = new Decoder();
    decoder.getEncodedBuffer(bytes.length).set(bytes);
    decoder.decode();
    const { bitsPerSample } = decoder.getFrameInfo();
    const decoded = { bytes: decoder.getDecodedBuffer().slice(), bitsPerSample };
    decoder.delete();
    if ((module.HEAPU8?.length ?? 0) > MOST_KEPT_BYTES) forget();
    return decoded;
  } catch (cause) {
    // What the failed call took is lost in that memory, and its state is not to be trusted.
    forget();
    // What C++ throws arrives as a number or an object without words.
    const words = cause instanceof Error && cause.message !== '' ? `: ${cause.message.slice(0, 200)}` : '';
    throw new Error(`its compressed frame cannot be decoded${words}`, { cause });
  }
}
