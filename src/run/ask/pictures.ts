/** Pictures of a question: files as training reads them, and slices of volumes, which become pictures as those of the tasks do. */
import { PLANES } from '../../data/planes.ts';
import type { ImageSource } from '../../data/example.ts';
import type { ScanChoice } from '../../data/dicom/scan.ts';
import { intensityOf, checkFinite, sliceToRgb } from '../../data/medvision/intensity.ts';
import type { IntensityMode } from '../../data/medvision/intensity.ts';
import { isDicom, openAnyVolume, tiffPages } from '../../data/openVolume.ts';
import { isVolumeFile } from '../../data/making/names.ts';
import type { SliceDim } from '../../data/nifti.ts';
import { rowPixels } from '../../data/pictures/pixelGate.ts';
import { countOf, lastName, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { platformOf } from './volumeBytes.ts';
import type { VolumeBytes } from './volumeBytes.ts';

export interface NamedPicture {
  source: ImageSource;
  /** The file's, without its folder. */
  name: string;
  /** Of a volume; also what its header says, NaN where it says no size. */
  slice?: { plane: string; index: number; pixelWidth: number; pixelHeight: number; isFirstVersion: boolean };
  /** Of a DICOM file: mm of a pixel as the file says, and what a user must know of them. */
  pixel?: { pixelWidth: number; pixelHeight: number; notes: string[] };
}

export interface PictureChoice {
  /** `axial:20`, one for each volume or one for all. */
  slices: readonly string[];
  /** Of a folder of DICOM with several series or volumes. */
  scan?: Pick<ScanChoice, 'series' | 'volume'>;
  intensity: IntensityMode;
  modality: string;
  /** What is asked about, for a window. */
  structure: string;
  /** What these are called where they were given. */
  words: PictureWords;
}

export interface PictureWords {
  image: string;
  slice: string;
  modality: string;
  intensity: string;
}

export const FLAGS: PictureWords = { image: '--image', slice: '--slice', modality: '--modality', intensity: '--intensity' };

/** A path, a picture or a volume in memory. */
export type GivenPicture = ImageSource | VolumeBytes;

function isVolumeBytes(given: GivenPicture): given is VolumeBytes {
  return typeof given !== 'string' && 'volume' in given;
}

export function isVolume(given: GivenPicture): given is string | VolumeBytes {
  return typeof given === 'string' ? isVolumeFile(given) : isVolumeBytes(given);
}

/** @throws UserError that names the file */
export async function namedPictures(platform: Platform, given: readonly GivenPicture[], choice: PictureChoice): Promise<NamedPicture[]> {
  const { slices, words } = choice;
  // What the name does not tell: folders of a series, and TIFF files of several grey pages.
  const told = new Set<GivenPicture>();
  for (const one of given) if (typeof one === 'string' && (await isVolumeByContent(platform, one))) told.add(one);
  const isCut = (one: GivenPicture): one is string | VolumeBytes => isVolume(one) || told.has(one);
  const volumes = given.filter(isCut);
  if (slices.length > 1 && slices.length !== volumes.length)
    throw new UserError(
      `${words.slice} names ${slices.length} slices, ${words.image} ${countOf(volumes.length, 'volume')}. ` +
        'Give one for each, or one for all.',
    );
  if (slices.length > 0 && volumes.length === 0)
    throw new UserError(
      `${words.slice} is given, and ${words.image} names no volume (.nii, .nii.gz, .nrrd, .mha, a TIFF stack, a folder of DICOM). ` +
        'Leave it out.',
    );
  const pictures: NamedPicture[] = [];
  for (const one of given) {
    if (!isCut(one)) pictures.push(await pictureOf(platform, one));
    else pictures.push(await sliceOf(platform, one, slices[volumes.indexOf(one)] ?? slices[0], choice));
  }
  await rowPixels(
    platform,
    pictures.map(({ source }) => source),
  ); // they are there, and not too many
  return pictures;
}

async function isVolumeByContent(platform: Platform, path: string): Promise<boolean> {
  if (await platform.isDirectory(path)) return true;
  return (await platform.exists(path)) && (await tiffPages(platform, path)) === 'stack';
}

async function pictureOf(platform: Platform, source: ImageSource): Promise<NamedPicture> {
  const [path, files] =
    typeof source === 'string' ? [source, platform] : [source.name, platformOf(platform, { volume: source.bytes, name: source.name })];
  const picture = { source, name: lastName(path) };
  if (!(await files.exists(path)) || !(await isDicom(files, path))) return picture;
  const { openDicomScan } = await import('../../data/dicom/scan.ts');
  const { spacing, notes } = await openDicomScan(files, path);
  const [, pixelHeight, pixelWidth] = spacing;
  return { ...picture, pixel: { pixelWidth: pixelWidth ?? NaN, pixelHeight: pixelHeight ?? NaN, notes } };
}

async function sliceOf(
  platform: Platform,
  volumeFile: string | VolumeBytes,
  said: string | undefined,
  { scan, intensity, modality, structure, words }: PictureChoice,
): Promise<NamedPicture> {
  const [path, files] = typeof volumeFile === 'string' ? [volumeFile, platform] : [volumeFile.name, platformOf(platform, volumeFile)];
  if (said === undefined) {
    const { shape } = await openAnyVolume(files, path, scan);
    const [sagittal, coronal, axial] = shape.map((size) => size - 1);
    throw new UserError(
      `${path} is a volume: say which slice, ${words.slice} sagittal:0 to ${sagittal}, coronal:0 to ${coronal} or axial:0 to ${axial}.`,
    );
  }
  const [word = '', digits = ''] = said.toLowerCase().split(':');
  const dim = PLANES.findIndex((plane) => plane === word) as SliceDim;
  const index = Number(digits);
  const volume = await openAnyVolume(files, path, scan);
  const { shape, zooms, version, sizeless = [] } = volume.header;
  if (index >= shape[dim])
    throw new UserError(`${words.slice} ${said}: ${path} is ${shape.join('×')}, its last ${word} slice is ${shape[dim] - 1}.`);
  const slice = await volume.slice(dim, index);
  if ((intensity === 'window' || intensity === 'ct_rgb') && modality === '')
    throw new UserError(
      `${words.intensity} ${intensity} asks for grey levels by the kind of volume: say which it is with ${words.modality} (CT, MRI, …).`,
    );
  checkFinite(slice, `${path}: ${said}`);
  const { data, width, height } = sliceToRgb(slice, intensityOf(intensity, modality, structure));
  // As a picture file it takes the way of all others, with the same pixels.
  const source = { bytes: await platform.encodePng(data, width, height, 3), name: `${lastName(path)}, ${said}` };
  const mmAlong = (axis: SliceDim): number => (sizeless.includes(axis) ? NaN : zooms[axis]);
  const [pixelHeight, pixelWidth] = [mmAlong(dim === 0 ? 1 : 0), mmAlong(dim === 2 ? 1 : 2)];
  return { source, name: lastName(path), slice: { plane: word, index, pixelWidth, pixelHeight, isFirstVersion: version === 1 } };
}
