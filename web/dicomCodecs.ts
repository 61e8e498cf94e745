/**
 * Who decodes compressed DICOM in this thread of the browser: what begins a thread brings the decoders (openDicomCodec.ts), so that a page
 * which decodes in its workers alone has no code of theirs.
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
    return Promise.reject(new UserError(`Compressed DICOM is not read in this thread of the page: it brings no decoder (${name}).`));
  return provided(name, options);
};
