/** A platform whose files are in memory, with the decoders of Node's. */
import { nodePlatform } from '../../node/platform.ts';
import type { Platform } from '../../src/platform.ts';
import { platformOf } from '../hostile/parser.ts';

const { dicomCodec, encodePng, decodeImage } = nodePlatform;

/** @param files by path, without a leading slash */
export function holdingFiles(files: Readonly<Record<string, Uint8Array>>): Platform {
  return { ...platformOf(files), ...(dicomCodec && { dicomCodec }), encodePng, decodeImage };
}
