/** A volume, whatever it lies in: a NIfTI file as it is stored, or DICOM (a file, or a folder with one series) in RAS+. */
import type { Platform } from '../platform.ts';
import { isDicomBytes } from './dicom/elements.ts';
import { checkVoxels, openVolume, readNiftiHeader } from './nifti.ts';
import type { Volume } from './nifti.ts';
import type { NiftiHeader } from './niftiHeader.ts';

const MAGIC_BYTES = 132;

/**
 * @param series of a folder of DICOM with several: its number, UID or description
 * @throws UserError that names the file, for whatever is not a volume that could be read to its end
 */
export async function openAnyVolume(platform: Platform, path: string, series: string | null = null): Promise<Volume> {
  if (!(await isDicom(platform, path))) return openVolume(platform, path);
  const { openScanVolume } = await import('./dicom/scanVolume.ts');
  return openScanVolume(platform, path, series);
}

/** Shape, zooms and where it lies, without the voxels; of NIfTI they are there, a file that is cut off is an error. */
export async function anyVolumeHeader(platform: Platform, path: string): Promise<NiftiHeader> {
  if (await isDicom(platform, path)) return (await openAnyVolume(platform, path)).header;
  const header = await readNiftiHeader(platform, path);
  await checkVoxels(platform, header);
  return header;
}

/** By content: a folder is that of a series. */
export async function isDicom(platform: Platform, path: string): Promise<boolean> {
  if (await platform.isDirectory(path)) return true;
  const file = await platform.openFile(path);
  try {
    return isDicomBytes(await file.read(0, Math.min(MAGIC_BYTES, file.size)));
  } finally {
    await file.close();
  }
}
