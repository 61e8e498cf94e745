/** A DICOM file among pictures: what a screen shows of its first frame. */
import { countOf, fileInMemory, UserError } from '../../platform.ts';
import type { DecodedImage, Platform } from '../../platform.ts';
import { openDicomScan } from './scan.ts';
import type { DicomScan } from './scan.ts';

/**
 * Greys in the file's own window (from the least to the greatest value where it has none), colours as they are.
 * @throws UserError that names the file
 */
export async function dicomPicture(bytes: Uint8Array, name: string, codecs: Pick<Platform, 'dicomCodec'>): Promise<DecodedImage> {
  const files = {
    ...codecs,
    isDirectory: () => Promise.resolve(false),
    listDir: () => Promise.reject(new UserError(`${name} is no folder.`)),
    openFile: () => Promise.resolve(fileInMemory(name, bytes)),
  };
  return scanPicture(await openDicomScan(files, name), name);
}

/** What a screen shows of the first frame. @param name in messages */
export async function scanPicture(scan: DicomScan, name: string): Promise<DecodedImage> {
  const [frames, height, width] = scan.size;
  const data = (await scan.readSlice(0)).rgb();
  if (frames === 1) return { width, height, data };
  return { width, height, data, notes: [{ kind: 'frames', name, text: `${name} holds ${countOf(frames, 'frame')}; the first is used.` }] };
}
