/**
 * Who decodes compressed DICOM in the browser: the Studio brings decoders (studio/dicomCodecs.ts). `vernier/web` alone has none, since
 * bundlers differ in how a file of WebAssembly is found.
 */
import type { Platform } from '../src/platform.ts';
import { UserError } from '../src/platform.ts';

export type OpenDicomCodec = NonNullable<Platform['dicomCodec']>;

let provided: OpenDicomCodec | undefined;

/** From now on, in this thread. */
export function provideDicomCodecs(open: OpenDicomCodec): void {
  provided = open;
}

/** As Platform's. */
export const dicomCodec: OpenDicomCodec = (name, options) => {
  if (provided === undefined)
    return Promise.reject(new UserError(`Compressed DICOM is not read on this page: it brings no decoder (${name}).`));
  return provided(name, options);
};
