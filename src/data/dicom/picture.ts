/** A DICOM file among pictures: what a screen shows of its first frame. */
import { countOf, fileInMemory, UserError } from '../../platform.ts';
import type { DecodedImage, Platform } from '../../platform.ts';
import { openDicomScan } from './scan.ts';

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
  const scan = await openDicomScan(files, name);
  const [frames, height, width] = scan.size;
  const shown = (await scan.readSlice(0)).shown();
  const isGrey = shown.length === width * height;
  const data = isGrey ? new Uint8Array(3 * shown.length) : shown;
  if (isGrey) for (let i = 0; i < shown.length; i++) data.fill(shown[i] ?? 0, 3 * i, 3 * i + 3);
  if (frames === 1) return { width, height, data };
  return { width, height, data, notes: [{ kind: 'frames', name, text: `${name} holds ${countOf(frames, 'frame')}; the first is used.` }] };
}
