/**
 * Decoders of compressed DICOM, each with its WebAssembly, which come when a file needs them. Their addresses are written as bundlers
 * (Vite, webpack) look for them, the Studio's and those of pages that import `vernier/web` alike.
 */
import type { DicomCodecName } from '../src/platform.ts';
import type { OpenDicomCodec } from './dicomCodecs.ts';

interface Code {
  default: (options: object) => Promise<unknown>;
}

const CODECS: Readonly<Record<DicomCodecName, () => readonly [code: Promise<Code>, wasm: URL]>> = {
  charls: () => [import('@cornerstonejs/codec-charls/decodewasmjs'), new URL('@cornerstonejs/codec-charls/decodewasm', import.meta.url)],
  openjpeg: () => [
    import('@cornerstonejs/codec-openjpeg/decodewasmjs'),
    new URL('@cornerstonejs/codec-openjpeg/decodewasm', import.meta.url),
  ],
  'libjpeg-turbo': () => [
    import('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs'),
    new URL('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasm', import.meta.url),
  ],
};

export const openDicomCodec: OpenDicomCodec = async (name, options) => {
  const [code, wasm] = CODECS[name]();
  return (await code).default({ ...options, locateFile: () => wasm.href });
};
