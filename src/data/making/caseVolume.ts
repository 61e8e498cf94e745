/** The images and masks of a case as MedVision keeps them: NIfTI in RAS+. What lies so already is copied byte by byte. */
import { UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import type { ScanChoice } from '../dicom/scan.ts';
import { isDicom, openStoredVolume, tiffPages } from '../openVolume.ts';
import type { Volume } from '../nifti.ts';
import { rasVolume } from '../niftiRas.ts';
import { axisCodes, isRas, orientationOf, rasSpace, voxelAt } from '../niftiSpace.ts';
import type { RasSpace } from '../niftiSpace.ts';
import { gzipped, niftiBytes } from '../niftiWrite.ts';
import type { NewVolume } from '../niftiWrite.ts';
import { dicomImage } from './dicomScan.ts';
import type { DicomImage } from './dicomScan.ts';
import { flatVolume, luma } from './flatVolume.ts';
import { isVolumeFile } from './names.ts';

/** A TIFF file is one where it has several grey pages. */
async function isVolume(platform: Platform, path: string): Promise<boolean> {
  return isVolumeFile(path) || (!(await platform.isDirectory(path)) && (await tiffPages(platform, path)) === 'stack');
}

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
  /** Its file has no way to say directions (TIFF): they are taken for what others that say none are. */
  isPlaceless: boolean;
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
 * @param choice of DICOM with several series or volumes
 * @throws UserError that names the file
 */
export async function storedScan(
  platform: Platform,
  path: string,
  pixelSize: readonly [number, number] | undefined,
  choice: ScanChoice,
): Promise<Stored> {
  if (await isVolume(platform, path)) return storedVolume(platform, path);
  if (await isDicom(platform, path)) return storedNew(await dicomImage(platform, path, pixelSize, choice));
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
    isPlaceless: false,
    notes,
  };
}

/**
 * The mask of an image; a picture's may be a picture, whose grey values are labels and whose pixels have the image's mm.
 * @param imagePath in messages
 * @throws UserError where it does not lie on the image's voxels
 */
export async function storedMask(platform: Platform, path: string, image: Stored, imagePath: string): Promise<Stored> {
  const names = { image: imagePath, mask: path };
  const isSpatial = await isVolume(platform, path);
  if (!isSpatial && !image.isPicture)
    throw new UserError(
      `${path} is a picture, ${imagePath} a volume, on whose voxels a picture has no place. Draw the mask on the volume and save it as ` +
        `NIfTI: vernier volume ${imagePath} --out volume.nii.gz.`,
    );
  const mask = isSpatial ? await storedVolume(platform, path, image) : await pictureMask(platform, path, image);
  checkSameSpace(image, mask, names);
  return mask;
}

async function pictureMask(platform: Platform, path: string, { isUnitless, space }: Stored): Promise<Stored> {
  const [row, column] = space.zooms;
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
  const volume = flatVolume([height, width], bytesOf(width, height), isUnitless ? undefined : [row, column], labelAt);
  return storedNew({ volume, isPicture: true, notes: [] });
}

/** @param image whose sizes a TIFF mask of the same voxels has where it says none */
async function storedVolume(platform: Platform, path: string, image?: Stored): Promise<Stored> {
  const { volume, isNifti, notes } = await openStoredVolume(platform, path);
  const { shape, header } = volume;
  // What lies as it should is copied byte by byte.
  const isCopied = isNifti && isRas(orientationOf(header.affine));
  const lent = image?.isPlaceless === true && lendsSizes(image, volume) ? image : undefined;
  const made = isCopied ? undefined : lent === undefined ? await rasVolume(volume) : { ...(await rasVolume(volume)), ...sizesOf(lent) };
  const isUnitless = lent?.isUnitless ?? header.sizeless?.some((axis) => shape[axis] > 1) ?? false;
  const bytes = made === undefined ? inGzip(await platform.readFile(path)) : gzipped(niftiBytes({ ...made, isUnitless }));
  const told = lent === undefined ? [...notes.map((note) => `${path}: ${note}.`), ...spacingNotes(volume, isNifti)] : [];
  const space = lent?.space ?? rasSpace(shape, volume.zooms, header.affine);
  return { shape, space, bytes, isPicture: false, isUnitless, isPlaceless: header.sizeless !== undefined, notes: told };
}

const sizesOf = ({ space }: Stored): Pick<NewVolume, 'zooms' | 'affine'> => ({ zooms: [...space.zooms], affine: space.affine });

/** Programs that draw masks often keep no sizes: those that a mask says must be the image's. */
function lendsSizes({ shape, space }: Stored, { header }: Volume): boolean {
  const { sizeless = [] } = header;
  // Neither says directions, so that their axes are turned alike.
  const agrees = (axis: 0 | 1 | 2): boolean => sizeless.includes(axis) || Math.abs(header.zooms[axis] / space.zooms[axis] - 1) < 1e-3;
  return sizeless.length > 0 && ([0, 1, 2] as const).every((axis) => shape[axis] === header.shape[axis] && agrees(axis));
}

function inGzip(bytes: Uint8Array): Uint8Array {
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? bytes : gzipped(bytes);
}

function spacingNotes({ header }: Volume, isNifti: boolean): string[] {
  const notes: string[] = [];
  if (header.spacingUnit !== 'mm') notes.push(`${header.path} says ${header.spacingUnit}; its voxel sizes are taken for mm.`);
  if (!header.hasZooms && header.sizeless === undefined) notes.push(`${header.path} says no size along one of its axes; 1 mm is taken.`);
  // TIFF's own notes say it.
  if (!header.hasOrientation && header.sizeless === undefined) {
    const taken = isNifti
      ? 'as by nibabel, the first is taken to run to the left'
      : 'the first is taken to run to the left, the second to the back';
    notes.push(`${header.path} does not say which way its axes run; ${taken}. Check that it does.`);
  }
  return notes;
}

/** Files round their affines, by less than this at the corners of a volume. */
const SAME_VOXEL = 0.2;

/** Whether the corner voxels of a mask are those of the image, of one shape. */
function liesOn(image: RasSpace, mask: RasSpace): boolean {
  return Array.from({ length: 8 }, (_, corner) => mask.shape.map((size, axis) => ((corner >> axis) & 1) * (size - 1))).every((corner) => {
    const mm = mask.affine.slice(0, 3).map((row) => row.reduce((sum, value, axis) => sum + value * (corner[axis] ?? 1), 0));
    const at = voxelAt(image.affine, mm);
    // An affine that cannot be turned round is compared as it is.
    if (at === undefined) return String(image.affine) === String(mask.affine);
    return at.every((value, axis) => Math.abs(value - (corner[axis] ?? NaN)) <= SAME_VOXEL);
  });
}

/** @throws UserError where a mask is not on the voxels of its image */
function checkSameSpace(image: Stored, mask: Stored, names: { image: string; mask: string }): void {
  const shown = ({ shape, space }: Stored): string =>
    `${shape.join('×')} of ${space.zooms.map((zoom) => Number(zoom.toPrecision(4))).join(' × ')} mm`;
  const isSameShape = image.space.shape.every((size, axis) => size === mask.space.shape[axis]);
  if (isSameShape && liesOn(image.space, mask.space)) return;
  if (image.isPicture && !mask.isPicture)
    // Programs write a picture's columns along the first axis or the second, turned or not, so that a volume's voxels are not its pixels.
    throw new UserError(
      `${names.mask} is a volume, ${names.image} a picture; which of its voxels are which pixels is not known. Save the mask as a grey ` +
        `PNG of ${image.shape[1]}×${image.shape[0]} pixels (width × height), one value a label.`,
    );
  if (isSameShape && !image.isPicture && image.isPlaceless !== mask.isPlaceless)
    throw new UserError(
      `${image.isPlaceless ? names.image : names.mask} is TIFF, which does not say where its voxels lie, and ` +
        `${image.isPlaceless ? names.mask : names.image} does. Save both in one of the ways, as NIfTI best.`,
    );
  const reason = isSameShape ? 'lies elsewhere (their affines differ)' : `is ${shown(mask)}, the image ${shown(image)}`;
  throw new UserError(`${names.mask} ${reason}; it was not drawn on ${names.image}. Resample it onto the image, or remove it.`);
}
