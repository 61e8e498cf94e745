/** A volume that was made here, as one that is opened: its header says what that of its file would. */
import { Volume } from './nifti.ts';
import { parseHeader } from './niftiHeader.ts';
import type { NiftiHeader } from './niftiHeader.ts';
import { niftiHead } from './niftiWrite.ts';
import type { NewVolume } from './niftiWrite.ts';

/** @param path in messages */
export function newHeader(volume: NewVolume, path: string): Promise<NiftiHeader> {
  return parseHeader(niftiHead(volume), path);
}

export async function volumeInMemory(volume: NewVolume, path: string): Promise<Volume> {
  return new Volume(await newHeader(volume, path), volume.voxels);
}
