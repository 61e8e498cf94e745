/** In the workers: decoders of compressed DICOM, each with its WebAssembly, which come when a file needs them. */
import type { DicomCodecName } from '../../src/platform.ts';
import type { OpenDicomCodec } from '../dicomCodecs.ts';

type Made = [code: { default: (options: object) => Promise<unknown> }, wasm: { default: string }];

const CODECS: Readonly<Record<DicomCodecName, () => Promise<Made>>> = {
  charls: () => Promise.all([import('@cornerstonejs/codec-charls/decodewasmjs'), import('@cornerstonejs/codec-charls/decodewasm?url')]),
  openjpeg: () =>
    Promise.all([import('@cornerstonejs/codec-openjpeg/decodewasmjs'), import('@cornerstonejs/codec-openjpeg/decodewasm?url')]),
  'libjpeg-turbo': () =>
    Promise.all([
      import('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs'),
      import('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasm?url'),
    ]),
};

export const openDicomCodec: OpenDicomCodec = async (name, options) => {
  const [code, { default: wasm }] = await CODECS[name]();
  return code.default({ ...options, locateFile: () => new URL(wasm, import.meta.url).href });
};
