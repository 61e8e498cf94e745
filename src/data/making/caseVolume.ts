/** The images and masks of a case as MedVision keeps them: NIfTI in RAS+. What lies so already is copied byte by byte. */
import { UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { isDicom, openStoredVolume } from '../openVolume.ts';
import type { Volume } from '../nifti.ts';
import { rasVolume } from '../niftiRas.ts';
import { axisCodes, isRas, orientationOf, rasSpace } from '../niftiSpace.ts';
import type { RasSpace } from '../niftiSpace.ts';
import { gzipped, niftiBytes } from '../niftiWrite.ts';
import { dicomImage } from './dicomScan.ts';
import type { DicomImage } from './dicomScan.ts';
import { flatVolume } from './flatVolume.ts';
import { isVolumeFile } from './names.ts';

/** NIfTI's code. */
const UINT8 = 2;

export interface Stored {
  /** As it was before it was turned. */
  shape: [number, number, number];
  space: RasSpace;
  /** What the file of the data set holds. */
  bytes: Uint8Array;
  /** A picture: one slice, rows and columns as they are seen. */
  isPicture: boolean;
  /** No mm are known of its pixels. */
  isUnitless: boolean;
  /** What whoever makes the data set should hear. */
  notes: string[];
}

export interface VolumeInfo {
  voxel_size: number[];
  affine: number[][];
  orientation: string[];
  array_size: number[];
}

/** Of a plan's case. */
export function volumeInfo({ space }: Stored): VolumeInfo {
  const { shape, zooms, affine } = space;
  return {
    voxel_size: [...zooms],
    affine: affine.map((row) => [...row]),
    orientation: axisCodes(orientationOf(affine)),
    array_size: [...shape],
  };
}

/**
 * @param pixelSize mm of a picture's pixel along rows and columns; undefined: unknown
 * @param series of a folder of DICOM with several: its number, UID or description
 * @throws UserError that names the file
 */
export async function storedScan(
  platform: Platform,
  path: string,
  pixelSize: readonly [number, number] | undefined,
  series: string | null,
): Promise<Stored> {
  if (isVolumeFile(path)) return storedVolume(platform, path);
  if (await isDicom(platform, path)) return storedNew(await dicomImage(platform, path, pixelSize, series));
  const { data, width, height, notes = [] } = await platform.decodeImage(await platform.readFile(path), path, { sixteenBit: 'scale' });
  const volume = flatVolume([height, width], bytesOf(width, height), pixelSize, (row, column) => luma(data, 3 * (row * width + column)));
  return storedNew({ volume, isPicture: true, notes: notes.map(({ text }) => text) });
}

const bytesOf = (width: number, height: number): { datatype: number; voxels: Uint8Array } => ({
  datatype: UINT8,
  voxels: new Uint8Array(width * height),
});

function storedNew({ volume, isPicture, notes }: DicomImage): Stored {
  const { shape, zooms, affine, isUnitless = false } = volume;
  return {
    shape: [...shape],
    space: rasSpace(shape, [...zooms], affine),
    bytes: gzipped(niftiBytes(volume)),
    isPicture,
    isUnitless,
    notes,
  };
}

/** A mask that is a picture: its grey values are labels. */
export async function storedMask(platform: Platform, path: string, pixelSize: readonly [number, number] | undefined): Promise<Stored> {
  if (isVolumeFile(path)) return storedVolume(platform, path);
  const { data, width, height } = await platform.decodeImage(await platform.readFile(path), path);
  const labelAt = (row: number, column: number): number => {
    const at = 3 * (row * width + column);
    if (data[at] !== data[at + 1] || data[at] !== data[at + 2]) {
      throw new UserError(
        `${path}: row ${row}, column ${column} has a colour (${data.slice(at, at + 3).join(', ')}); a mask's grey values are labels. ` +
          'Save it in grey, one value a label, or as NIfTI.',
      );
    }
    return data[at] ?? 0;
  };
  return storedNew({ volume: flatVolume([height, width], bytesOf(width, height), pixelSize, labelAt), isPicture: true, notes: [] });
}

async function storedVolume(platform: Platform, path: string): Promise<Stored> {
  const { volume, isNifti, notes } = await openStoredVolume(platform, path);
  const { shape, zooms, header } = volume;
  const space = rasSpace(shape, zooms, header.affine);
  // What lies as it should is copied byte by byte.
  const isCopied = isNifti && isRas(orientationOf(header.affine));
  const bytes = isCopied ? inGzip(await platform.readFile(path)) : gzipped(niftiBytes(await rasVolume(volume)));
  const told = [...notes.map((note) => `${path}: ${note}.`), ...spacingNotes(volume, isNifti)];
  return { shape, space, bytes, isPicture: false, isUnitless: false, notes: told };
}

function inGzip(bytes: Uint8Array): Uint8Array {
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? bytes : gzipped(bytes);
}

function spacingNotes({ header }: Volume, isNifti: boolean): string[] {
  const notes: string[] = [];
  if (header.spacingUnit !== 'mm') notes.push(`${header.path} says ${header.spacingUnit}; its voxel sizes are taken for mm.`);
  if (!header.hasZooms) notes.push(`${header.path} says no size along one of its axes; 1 mm is taken.`);
  if (!header.hasOrientation) {
    const taken = isNifti
      ? 'as by nibabel, the first is taken to run to the left'
      : 'the first is taken to run to the left, the second to the back';
    notes.push(`${header.path} does not say which way its axes run; ${taken}. Check that it does.`);
  }
  return notes;
}

/** As Pillow makes grey of colours (ITU-R 601-2). */
function luma(rgb: Uint8Array, at: number): number {
  const [red = 0, green = 0, blue = 0] = rgb.subarray(at, at + 3);
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
}

/** @throws UserError where a mask is not on the voxels of its image */
export function checkSameSpace(image: Stored, mask: Stored, names: { image: string; mask: string }): void {
  const shown = ({ shape, space }: Stored): string =>
    `${shape.join('×')} of ${space.zooms.map((zoom) => Number(zoom.toPrecision(4))).join(' × ')} mm`;
  const isSameShape = image.space.shape.every((size, axis) => size === mask.space.shape[axis]);
  const far = image.space.affine.some((row, i) =>
    row.some((value, j) => Math.abs(value - (mask.space.affine[i]?.[j] ?? NaN)) > 0.01 + 1e-3 * Math.abs(value)),
  );
  // Pictures lie nowhere, and their masks know no mm.
  if (isSameShape && (!far || image.isPicture || mask.isPicture)) return;
  const reason = isSameShape ? 'lies elsewhere (their affines differ)' : `is ${shown(mask)}, the image ${shown(image)}`;
  throw new UserError(`${names.mask} ${reason}; it was not drawn on ${names.image}. Resample it onto the image, or remove it.`);
}
