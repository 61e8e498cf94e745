/**
 * A volume, whatever it lies in: a NIfTI file as it is stored; DICOM (a file, or a folder with one series), NRRD, MetaImage and TIFF stacks
 * in RAS+.
 */
import type { Platform } from '../platform.ts';
import { isDicomBytes } from './dicom/elements.ts';
import type { ScanChoice } from './dicom/scan.ts';
import { volumeInMemory } from './newVolume.ts';
import { rasVolume } from './niftiRas.ts';
import { isRawVolume } from './rawVolumes/isRawVolume.ts';
import { checkVoxels, openVolume, readNiftiHeader, Volume } from './nifti.ts';
import type { NiftiHeader } from './niftiHeader.ts';
import { isTiffHead } from './tiffDirectory.ts';
import { tiffPagesOfFile } from './tiffStack/isTiffStack.ts';
import type { TiffPages } from './tiffStack/isTiffStack.ts';

const MAGIC_BYTES = 132;

/**
 * @param choice of DICOM with several series or volumes
 * @throws UserError that names the file, for whatever is not a volume that could be read to its end
 */
export async function openAnyVolume(platform: Platform, path: string, choice: ScanChoice = {}): Promise<Volume> {
  const head = await headOf(platform, path);
  if (head !== 'folder' && isNeitherNiftiNorDicom(head)) {
    const { volume } = await openStoredVolume(platform, path);
    const turned = await volumeInMemory(await rasVolume(volume), path);
    const { sizeless } = volume.header;
    // Their axes keep their order: they have no directions.
    return sizeless === undefined
      ? turned
      : new Volume({ ...turned.header, sizeless, hasZooms: sizeless.length === 0 }, await turned.stored());
  }
  if (head !== 'folder' && !isDicomBytes(head)) return openVolume(platform, path);
  const { openScanVolume } = await import('./dicom/scanVolume.ts');
  return openScanVolume(platform, path, choice);
}

/** NIfTI, NRRD, MetaImage or a TIFF stack with its voxels as they are stored. @throws UserError as `openAnyVolume` */
export async function openStoredVolume(platform: Platform, path: string): Promise<{ volume: Volume; isNifti: boolean; notes: string[] }> {
  const head = await headOf(platform, path);
  if (head === 'folder' || !isNeitherNiftiNorDicom(head)) return { volume: await openVolume(platform, path), isNifti: true, notes: [] };
  if (isTiffHead(head)) {
    const { openTiffStack } = await import('./tiffStack/openTiffStack.ts');
    return { ...(await openTiffStack(platform, path)), isNifti: false };
  }
  const { openRawVolume } = await import('./rawVolumes/openRawVolume.ts');
  return { ...(await openRawVolume(platform, path)), isNifti: false };
}

/**
 * Shape, zooms and where it lies, without the voxels; of NIfTI they are there, a file that is cut off is an error.
 * @returns also the volume, where it is open by then and worth keeping: all files of a DICOM series have been read for their headers
 */
export async function anyVolumeHeader(platform: Platform, path: string): Promise<{ header: NiftiHeader; opened?: Volume }> {
  const head = await headOf(platform, path);
  if (head === 'folder' || isDicomBytes(head)) {
    const opened = await openAnyVolume(platform, path);
    return { header: opened.header, opened };
  }
  if (isNeitherNiftiNorDicom(head)) return { header: (await openAnyVolume(platform, path)).header };
  const header = await readNiftiHeader(platform, path);
  await checkVoxels(platform, header);
  return { header };
}

/** A DICOM file may begin as a TIFF file does (PS3.10, 7.1, leaves its preamble to others). */
function isNeitherNiftiNorDicom(head: Uint8Array): boolean {
  return isRawVolume(head) || (isTiffHead(head) && !isDicomBytes(head));
}

/** By content: the pages of a TIFF file, which its name does not tell; 'one' of whatever else a file is. */
export async function tiffPages(platform: Pick<Platform, 'openFile'>, path: string): Promise<TiffPages> {
  const file = await platform.openFile(path);
  try {
    const head = await file.read(0, Math.min(MAGIC_BYTES, file.size));
    return isDicomBytes(head) ? 'one' : await tiffPagesOfFile(file);
  } finally {
    await file.close();
  }
}

/** By content: a folder is that of a series. */
export async function isDicom(platform: Platform, path: string): Promise<boolean> {
  const head = await headOf(platform, path);
  return head === 'folder' || isDicomBytes(head);
}

/** The bytes that tell what a file is. */
export async function headOf(platform: Platform, path: string): Promise<Uint8Array | 'folder'> {
  if (await platform.isDirectory(path)) return 'folder';
  const file = await platform.openFile(path);
  try {
    return await file.read(0, Math.min(MAGIC_BYTES, file.size));
  } finally {
    await file.close();
  }
}
