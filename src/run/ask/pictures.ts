/** Pictures of a question: files as training reads them, and slices of volumes, which become pictures as those of the tasks do. */
import { PLANES } from '../../data/planes.ts';
import type { ImageSource } from '../../data/example.ts';
import { isDicomBytes } from '../../data/dicom/elements.ts';
import type { DicomScan, ScanChoice } from '../../data/dicom/scan.ts';
import { intensityOf, checkFinite, sliceToRgb } from '../../data/medvision/intensity.ts';
import type { IntensityMode } from '../../data/medvision/intensity.ts';
import { isDicom, openAnyVolume, tiffPages } from '../../data/openVolume.ts';
import { isVolumeFile } from '../../data/making/names.ts';
import type { SliceDim, Volume } from '../../data/nifti.ts';
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
  const opened = new Map<GivenPicture, OpenDicom>();
  // What the name does not tell: folders of a series, DICOM files of several slices, and TIFF files of several grey pages.
  const told = new Set<GivenPicture>();
  for (const one of given) {
    if (isVolume(one)) continue;
    if (typeof one === 'string' && (await platform.isDirectory(one))) told.add(one);
    else if (typeof one !== 'string' || (await platform.exists(one))) {
      const dicom = await dicomOf(platform, one, choice.scan);
      if (dicom !== undefined) opened.set(one, dicom);
      if (dicom === undefined ? typeof one === 'string' && (await tiffPages(platform, one)) === 'stack' : dicom.isVolume) told.add(one);
    }
  }
  const isCut = (one: GivenPicture): boolean => isVolume(one) || told.has(one);
  const volumes = given.filter(isCut);
  if (slices.length > 1 && slices.length !== volumes.length)
    throw new UserError(
      `${words.slice} names ${slices.length} slices, ${words.image} ${countOf(volumes.length, 'volume')}. ` +
        'Give one for each, or one for all.',
    );
  if (slices.length > 0 && volumes.length === 0)
    throw new UserError(
      `${words.slice} is given, and ${words.image} names no volume (.nii, .nii.gz, .nrrd, .mha, a TIFF stack, DICOM of several slices). ` +
        'Leave it out.',
    );
  const pictures: NamedPicture[] = [];
  for (const one of given) {
    const dicom = opened.get(one);
    if (isCut(one))
      pictures.push(await sliceOf(platform, volumeOf(platform, one, dicom, choice), slices[volumes.indexOf(one)] ?? slices[0], choice));
    else if (!isVolumeBytes(one)) pictures.push(pictureOf(one, dicom));
  }
  await rowPixels(
    platform,
    pictures.map(({ source }) => source),
  ); // they are there, and not too many
  return pictures;
}

/** A DICOM file, which is read once: its header says what it is and its mm, the rest is decoded by whoever makes the example. */
interface OpenDicom {
  scan: DicomScan;
  source: { bytes: Uint8Array; name: string };
  /** Slices of grey whose places are known. */
  isVolume: boolean;
}

/** @returns undefined where it is no DICOM */
async function dicomOf(platform: Platform, given: ImageSource | VolumeBytes, choice: ScanChoice = {}): Promise<OpenDicom | undefined> {
  if (isVolumeBytes(given)) return undefined;
  const name = typeof given === 'string' ? given : given.name;
  if (typeof given === 'string' ? !(await isDicom(platform, given)) : !isDicomBytes(given.bytes)) return undefined;
  const bytes = typeof given === 'string' ? await platform.readFile(given) : given.bytes;
  const [{ openDicomScan }, { scanAffine }] = await Promise.all([
    import('../../data/dicom/scan.ts'),
    import('../../data/dicom/toVolume.ts'),
  ]);
  const scan = await openDicomScan(platformOf(platform, { volume: bytes, name }), name, choice);
  const { size, samples, photometric } = scan;
  const isVolume = size[0] > 1 && samples === 1 && photometric !== 'PALETTE COLOR' && scanAffine(scan) !== undefined;
  return { scan, source: { bytes, name }, isVolume };
}

function pictureOf(source: ImageSource, dicom: OpenDicom | undefined): NamedPicture {
  const name = lastName(typeof source === 'string' ? source : source.name);
  if (dicom === undefined) return { source, name };
  const { spacing, notes } = dicom.scan;
  const [, pixelHeight, pixelWidth] = spacing;
  return { source: dicom.source, name, pixel: { pixelWidth: pixelWidth ?? NaN, pixelHeight: pixelHeight ?? NaN, notes } };
}

interface GivenVolume {
  path: string;
  open: () => Promise<Volume>;
}

function volumeOf(platform: Platform, given: GivenPicture, dicom: OpenDicom | undefined, { scan }: PictureChoice): GivenVolume {
  const path = typeof given === 'string' ? given : given.name;
  if (dicom !== undefined)
    return { path, open: async () => (await import('../../data/dicom/scanVolume.ts')).volumeOfScan(dicom.scan, path) };
  const files = isVolumeBytes(given) ? platformOf(platform, given) : platform;
  return { path, open: () => openAnyVolume(files, path, scan) };
}

async function sliceOf(
  platform: Platform,
  { path, open }: GivenVolume,
  said: string | undefined,
  { intensity, modality, structure, words }: PictureChoice,
): Promise<NamedPicture> {
  const volume = await open();
  if (said === undefined) {
    const [sagittal, coronal, axial] = volume.shape.map((size) => size - 1);
    throw new UserError(
      `${path} is a volume: say which slice, ${words.slice} sagittal:0 to ${sagittal}, coronal:0 to ${coronal} or axial:0 to ${axial}.`,
    );
  }
  const [word = '', digits = ''] = said.toLowerCase().split(':');
  const dim = PLANES.findIndex((plane) => plane === word) as SliceDim;
  const index = Number(digits);
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
