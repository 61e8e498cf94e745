/** A volume's file that is only in memory, as a file of a platform's: what reads volumes reads it as any other. */
import { isRawVolume } from '../../data/rawVolumes/isRawVolume.ts';
import { tiffPagesOfBytes } from '../../data/tiffStack/isTiffStack.ts';
import { fileInMemory } from '../../platform.ts';
import type { Platform } from '../../platform.ts';

export interface VolumeBytes {
  volume: Uint8Array;
  /** In messages. */
  name: string;
}

const HEADER_SIZES = [348, 540];

/**
 * Whether bytes begin as NIfTI (the size of its header, in either order of bytes), as what is compressed, as NRRD or as MetaImage, or are a
 * TIFF stack.
 */
export function isVolumeBytes(bytes: Uint8Array): boolean {
  if ((bytes[0] === 0x1f && bytes[1] === 0x8b) || isRawVolume(bytes) || tiffPagesOfBytes(bytes) === 'stack') return true;
  if (bytes.length < 4) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 4);
  return HEADER_SIZES.some((size) => view.getInt32(0, true) === size || view.getInt32(0, false) === size);
}

/** The platform, where `name` is this file and no other file is there. */
export function platformOf(platform: Platform, { volume, name }: VolumeBytes): Platform {
  return {
    ...platform,
    exists: (path) => Promise.resolve(path === name),
    isDirectory: () => Promise.resolve(false),
    openFile: (path) =>
      path === name ? Promise.resolve(fileInMemory(name, volume)) : Promise.reject(new Error(`${path}: only ${name} is read here`)),
  };
}
