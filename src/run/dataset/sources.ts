/** The files of a data set that is made: images, masks, landmarks and boxes, by case. */
import { readBoxFile } from '../../data/making/boxFiles.ts';
import type { PictureBox } from '../../data/making/boxFiles.ts';
import type { Description } from '../../data/making/description.ts';
import { readFcsv, readLandmarkCases, readMarkups } from '../../data/making/landmarkFiles.ts';
import type { PlacedLandmark } from '../../data/making/landmarkFiles.ts';
import { byCase, caseName, isScanFile, matchFiles, sameName } from '../../data/making/names.ts';
import { isDicomBytes } from '../../data/dicom/elements.ts';
import { headOf } from '../../data/openVolume.ts';
import { parseJson } from '../../data/medvision/json.ts';
import type { DatasetOptions } from '../../options/dataset.ts';
import { countOf, firstOf, joinPath, lastName, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';

export interface Sources {
  images: Map<string, string>;
  masks: Map<string, string>;
  landmarks: Map<string, PlacedLandmark[]>;
  boxes: Map<string, PictureBox[]>;
}

/** Deeper folders hold no scans of one data set. */
const MAX_DEPTH = 8;

/** @throws UserError where nothing fits together */
export async function findSources(
  platform: Platform,
  options: DatasetOptions,
  description: Description,
  say: (text: string) => void,
): Promise<Sources> {
  const { images: imageDir, masks: maskDir, landmarks, boxes } = options;
  const files = await scansIn(platform, imageDir ?? '', say);
  const images = byCase(files, 'image', options.image_ending ?? undefined, '--image_ending');
  if (images.size === 0) {
    const why = options.image_ending === null ? '' : ` whose names end in ${options.image_ending}`;
    throw new UserError(`--images ${imageDir ?? ''}: no NIfTI volumes, DICOM or pictures${why}.`);
  }
  const found: Sources = { images, masks: new Map(), landmarks: new Map(), boxes: new Map() };
  if (maskDir !== null) {
    const maskFiles = await filesIn(platform, maskDir, '--masks', isScanFile);
    if (maskFiles.length === 0)
      throw new UserError(
        `--masks ${maskDir}: no label masks (NIfTI, NRRD, MHA, TIFF stacks or grey PNG) lie here. DICOM's own (SEG, RTSTRUCT) are not ` +
          'read: save them as NIfTI on the voxels of the image, as 3D Slicer does.',
      );
    const masks = byCase(maskFiles, 'mask', options.mask_ending ?? undefined, '--mask_ending');
    keepMatched(
      images,
      masks,
      { others: 'masks', fix: 'Say how the names end: --image_ending _T1w.nii.gz --mask_ending _seg.nii.gz.' },
      say,
    );
    found.masks = masks;
  }
  if (landmarks !== null) {
    found.landmarks = await readLandmarks(platform, landmarks, description, images);
    keepMatched(
      images,
      found.landmarks,
      { others: 'cases of --landmarks', fix: 'Name cases (or the files of a folder) as the images.' },
      say,
    );
  }
  if (boxes !== null) {
    found.boxes = await readBoxes(platform, boxes, images, say);
    keepMatched(images, found.boxes, { others: 'pictures of --boxes', fix: 'Its file names are those of the pictures.' }, say);
  }
  return found;
}

/** Tells what has no counterpart and takes it away from `others`. */
function keepMatched(
  images: ReadonlyMap<string, string>,
  others: Map<string, unknown>,
  words: { others: string; fix: string },
  say: (text: string) => void,
): void {
  const shownAs = new Map([...others].map(([id, file]) => [id, typeof file === 'string' ? file : id]));
  const { alone } = matchFiles(images, shownAs, words);
  const told = (files: readonly string[], what: string): void => {
    if (files.length === 0) return;
    say(`${countOf(files.length, 'file')} left out, ${what}: ${firstOf(files.map(lastName), 3)}.`);
  };
  told(alone.images, `images that are none of the ${words.others}`);
  told(alone.others, `${words.others} without an image`);
  for (const id of [...others.keys()]) if (!images.has(id)) others.delete(id);
}

/**
 * Scans that are files, and folders with DICOM in them, each one series however deep it lies there. In `dir` itself each DICOM file is a
 * scan of its own.
 */
async function scansIn(platform: Platform, dir: string, say: (text: string) => void): Promise<string[]> {
  const root = dir.replace(/\/+$/, '');
  const found = await filesIn(platform, root, '--images', () => true);
  const scans = found.filter((path) => isScanFile(lastName(path)));
  const series = new Set<string>();
  const empty: string[] = [];
  for (const path of found) {
    if (isScanFile(lastName(path)) || lastName(path).startsWith('.')) continue;
    const [first = ''] = path.slice(root.length + 1).split('/');
    const own = joinPath(root, first);
    if (series.has(own)) continue;
    const head = await headOf(platform, path);
    if (head.length === 0) empty.push(path);
    else if (head !== 'folder' && isDicomBytes(head)) series.add(own);
  }
  // Those of a series are told of where it is read.
  const alone = empty.filter((path) => ![...series].some((own) => path.startsWith(`${own}/`))).map(lastName);
  if (alone.length > 0)
    say(`${countOf(alone.length, 'empty file')} left out: ${firstOf(alone, 3)}.`);
  return [...scans, ...series];
}

async function filesIn(platform: Platform, dir: string, option: string, isWanted: (name: string) => boolean): Promise<string[]> {
  if (!(await platform.isDirectory(dir))) throw new UserError(`${option} ${dir}: there is no such folder.`);
  const found: string[] = [];
  const walk = async (folder: string, depth: number): Promise<void> => {
    for (const name of (await platform.listDir(folder)).sort()) {
      const path = joinPath(folder, name);
      if (await platform.isDirectory(path)) {
        if (depth < MAX_DEPTH && !name.startsWith('.')) await walk(path, depth + 1);
      } else if (isWanted(name)) found.push(path);
    }
  };
  await walk(dir, 0);
  return found;
}

async function readLandmarks(
  platform: Platform,
  path: string,
  description: Description,
  images: ReadonlyMap<string, string>,
): Promise<Map<string, PlacedLandmark[]>> {
  if (description.measures.length === 0)
    throw new UserError('--labels names no distances or angles, so --landmarks measure nothing. Add "distances" or "angles" to it.');
  if (!(await platform.isDirectory(path))) {
    if (!(await platform.exists(path))) throw new UserError(`--landmarks ${path}: there is no such file or folder.`);
    const value = parseJson(await platform.readFile(path), path);
    if (typeof value === 'object' && value !== null && 'markups' in value)
      throw new UserError(`--landmarks ${path} is one file of markups; name the folder it lies in, whose files are named as the cases.`);
    return readLandmarkCases(value, description, path);
  }
  const found = new Map<string, PlacedLandmark[]>();
  for (const file of await filesIn(platform, path, '--landmarks', (name) => /\.(?:json|fcsv)$/i.test(name))) {
    const stem = lastName(file).replace(/(?:\.mrk)?\.json$|\.fcsv$/i, '');
    const id = caseOf(stem, images, file);
    const bytes = await platform.readFile(file);
    const rest = stem.slice(id.length).replace(/^[_\-. ]+/, '');
    const placed = /\.fcsv$/i.test(file)
      ? readFcsv(new TextDecoder().decode(bytes), description, file)
      : readMarkups(parseJson(bytes, file), description, rest, file);
    found.set(id, joined(found.get(id) ?? [], placed, file));
  }
  return found;
}

/** The case that a file's name begins with: the longest that does. */
function caseOf(stem: string, images: ReadonlyMap<string, string>, file: string): string {
  const id = [...images.keys()]
    .filter((one) => stem === one || (new RegExp(`^[_\\-. ]`).test(stem.slice(one.length)) && stem.startsWith(one)))
    .sort((a, b) => b.length - a.length)[0];
  return id ?? caseName(file, 'mask', undefined).replace(/(?:\.mrk)?\.json$|\.fcsv$/i, '');
}

function joined(before: readonly PlacedLandmark[], more: readonly PlacedLandmark[], file: string): PlacedLandmark[] {
  for (const one of more) {
    const other = before.find(({ key }) => key === one.key);
    if (other && (other.coordinates !== one.coordinates || other.place.some((value, axis) => value !== one.place[axis])))
      throw new UserError(`${file}: ${one.key} is also set in another file of this case, at another place. Keep one of them.`);
  }
  return [...before, ...more];
}

async function readBoxes(
  platform: Platform,
  path: string,
  images: ReadonlyMap<string, string>,
  say: (text: string) => void,
): Promise<Map<string, PictureBox[]>> {
  const files = (await platform.isDirectory(path)) ? await filesIn(platform, path, '--boxes', (name) => /\.json$/i.test(name)) : [path];
  if (files.length === 0) throw new UserError(`--boxes ${path}: no JSON files.`);
  if (!(await platform.exists(files[0] ?? ''))) throw new UserError(`--boxes ${path}: there is no such file or folder.`);
  const found = new Map<string, PictureBox[]>();
  const crowded: string[] = [];
  for (const file of files)
    for (const { file: picture, boxes, crowds } of readBoxFile(parseJson(await platform.readFile(file), file), file)) {
      crowded.push(...[...new Set(crowds)].map((name) => `${name} of ${picture}`));
      const id = [...images].find(([, image]) => sameName(lastName(image), picture))?.[0] ?? caseName(picture, 'image', undefined);
      found.set(id, [...(found.get(id) ?? []), ...boxes]);
    }
  if (crowded.length > 0)
    say(
      `Left out, since a crowd of it is marked there (iscrowd), which no single box has: ${crowded.slice(0, 3).join(', ')}` +
        `${crowded.length > 3 ? ` and ${crowded.length - 3} more` : ''}.`,
    );
  return found;
}
