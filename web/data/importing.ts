/**
 * Files that were dropped become a project's: each is told by its content, looked at as a whole, and copied into the browser's storage, so
 * that it is there after a reload. One that cannot be read is told of by name, and the others are taken.
 */
import { ImageFiles } from '../../src/data/conversations/imageFiles.ts';
import { openRowFile } from '../../src/data/conversations/rowFile.ts';
import { readLabels } from '../../src/data/drawn/labels.ts';
import { fileChunks } from '../../src/data/gzip.ts';
import { sniffFormat, SNIFFED_BYTES } from '../../src/data/imageFormats.ts';
import { BY_MODALITY } from '../../src/data/medvision/intensity.ts';
import { dataOptions } from '../../src/options/data.ts';
import { openAnyVolume, tiffPages } from '../../src/data/openVolume.ts';
import { isRawVolume } from '../../src/data/rawVolumes/isRawVolume.ts';
import { joinArrays } from '../../src/io/joinArrays.ts';
import { countOf, errorText, joinPath, lastName, parentPath, UserError } from '../../src/platform.ts';
import type { Platform } from '../../src/platform.ts';
import { mounts, platform } from '../here.ts';
import { projectFolder } from '../studio/project.ts';
import type { Scan } from '../studio/project.ts';
import { texts } from '../texts.ts';
import { dataFolderDrawings, foldersAmong, preparedRows } from './importFolders.ts';
import type { Imported, Tell } from './imported.ts';
import { pictureOf } from './scanPixels.ts';

/** A file and where it lay in what was dropped: "case1/scan.nii.gz". */
export interface DroppedFile {
  path: string;
  file: File;
}

type Kind = 'volume' | 'picture' | 'rows' | 'labels' | 'dicom' | 'none';

const DROPPED = '/dropped';
/** What systems leave in folders. */
const LEFT_BY_SYSTEMS = /(?:^|\/)(?:\.[^/]*|Thumbs\.db|desktop\.ini|__MACOSX\/.*)$/i;
/** Names of files that hold out. */
const HELD_OUT = /(?:^|[^a-z])(?:val|valid|validation|test|eval|held[-_]?out)(?:[^a-z]|$)/i;
/** Of a file, to tell what it is. */
const HEAD_BYTES = Math.max(4096, SNIFFED_BYTES);
/** Problems of rows that are shown of one file. */
const SHOWN = 3;

/**
 * @param names of the scans that the project has
 * @param tell hears which file is looked at, and how many are done
 */
export async function importFiles(
  project: string,
  dropped: readonly DroppedFile[],
  names: readonly string[],
  tell?: Tell,
): Promise<Imported> {
  const found: Imported = { scans: [], given: null, labels: [], annotations: [], problems: [], notes: [], warnings: [] };
  const files = dropped.filter(({ path }) => !LEFT_BY_SYSTEMS.test(path));
  const mounted = new Map(files.map(({ path, file }) => [joinPath(DROPPED, path), file] as const));
  for (const [path, file] of mounted) mounts.set(path, file);
  try {
    const { dataDirs, preparedDirs } = foldersAmong([...mounted.keys()]);
    for (const dir of dataDirs) await orTold(found, dir, () => takeDataFolder(project, dir, found, tell));
    for (const dir of preparedDirs) await orTold(found, dir, () => takePrepared(project, dir, found));
    const single = [...mounted.keys()].filter((path) => ![...dataDirs, ...preparedDirs].some((dir) => path.startsWith(`${dir}/`)));
    const kinds = new Map<string, Kind>();
    for (const path of single) await orTold(found, path, async () => kinds.set(path, await kindOf(path)));
    const of = (kind: Kind): string[] => [...kinds].filter(([, own]) => own === kind).map(([path]) => path);
    const others = of('none').map(shownName);
    if (of('dicom').length === 0) found.problems.push(...others.map(texts.data.unread));
    else await (await import('./importDicom.ts')).takeDicom({ project, paths: of('dicom'), names, others, found, tell });
    const rows = of('rows');
    const scans = [...of('volume'), ...(rows.length === 0 ? of('picture') : [])].sort();
    let done = 0;
    for (const path of [...rows, ...scans]) {
      await tell?.(shownName(path), done++, rows.length + scans.length);
      await orTold(found, path, async () => {
        if (rows.includes(path)) await takeRows(project, path, found);
        else found.scans.push(await takeScan(project, path, kinds.get(path) === 'volume' ? 'volume' : 'picture', found));
      });
    }
    for (const path of of('labels'))
      await orTold(found, path, async () => found.labels.push(readLabels(await platform.readFile(path), shownName(path))));
  } finally {
    for (const path of mounted.keys()) mounts.delete(path);
  }
  return found;
}

const shownName = (path: string): string => path.slice(DROPPED.length + 1);

async function orTold(found: Imported, path: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof DOMException && error.name === 'QuotaExceededError') throw error;
    const text = errorText(error);
    const plain = text.replaceAll(`${DROPPED}/`, '');
    found.problems.push(plain.startsWith(shownName(path)) ? plain : `${shownName(path)}: ${plain}`);
  }
}

/** @throws UserError for an empty file */
async function kindOf(path: string): Promise<Kind> {
  let head = new Uint8Array(0);
  for await (const chunk of fileChunks(platform, path, 65536)) {
    head = joinArrays(Uint8Array, [head, chunk.subarray(0, HEAD_BYTES - head.length)]);
    if (head.length >= HEAD_BYTES) break;
  }
  if (head.length === 0) throw new UserError(`${path}: the file is empty.`);
  const text = new TextDecoder('latin1').decode(head);
  if (text.startsWith('PAR1')) return 'rows';
  if (isRawVolume(head)) return 'volume';
  const format = sniffFormat(head);
  switch (format) {
    case 'nifti':
      return 'volume';
    case 'json':
      return /"format"\s*:\s*"vernier-labels"/.test(text) ? 'labels' : 'rows';
    case undefined:
      if (/\.jsonl?(?:\.gz)?$/i.test(path)) return 'rows';
      return 'none';
    case 'dicom':
      return 'dicom';
    case 'tiff':
      return (await tiffPages(platform, path)) === 'one' ? 'picture' : 'volume';
    default:
      return 'picture'; // what is none is refused by name when it is decoded
  }
}

async function takeScan(project: string, path: string, kind: Scan['kind'], found: Imported): Promise<Scan> {
  const id = crypto.randomUUID().slice(0, 8);
  const name = lastName(path);
  let spacing: Scan['spacing'] = null;
  if (kind === 'volume') {
    const volume = await openAnyVolume(platform, path); // unpacks what is compressed, and so knows whether it is whole
    await volume.slice(2, Math.floor(volume.shape[2] / 2));
    const { spacingUnit, hasZooms } = volume.header;
    if (hasZooms) spacing = volume.zooms.map((mm) => Number(mm.toPrecision(9))); // float32 0.4375 is itself, 0.1 is not 0.10000000149
    if (spacing === null) found.warnings.push(texts.data.noVoxelSize(name));
    else if (spacingUnit !== 'mm') found.warnings.push(texts.data.otherUnit(name, spacingUnit, spacing));
  } else {
    await pictureOf(platform, { file: path, name });
  }
  const ending = /(?:\.nii)?(?:\.[A-Za-z0-9]+)$/.exec(name)?.[0].toLowerCase() ?? '';
  const folder = joinPath(projectFolder(project), 'scans');
  await platform.makeDir(folder);
  const file = joinPath(folder, `${id}${ending}`);
  await copy(path, file);
  return { id, name, kind, file, modality: '', description: '', spacing, intensity: BY_MODALITY, side: 'train' };
}

/** Volumes of one name in several data sets stay apart by their files; their annotations come along. */
async function takeDataFolder(project: string, dir: string, found: Imported, tell?: Tell): Promise<void> {
  const { byVolume, notes } = await dataFolderDrawings(platform, dir);
  let done = 0;
  for (const [imageFile, drawings] of byVolume) {
    const path = joinPath(dir, imageFile);
    await tell?.(shownName(path), done++, byVolume.size);
    await orTold(found, path, async () => {
      const scan = await takeScan(project, path, 'volume', found);
      const [{ modality = '', description = '', split = 'train' } = {}] = drawings;
      // Grey levels as `vernier train --data_dir` has them, so that both see the same pictures.
      const intensity = dataOptions.intensity.default;
      found.scans.push({ ...scan, modality, description, intensity, side: split });
      found.annotations.push(...drawings.map(({ drawn }) => ({ ...drawn, id: crypto.randomUUID(), scan: scan.id })));
    });
  }
  found.notes.push(...notes);
}

async function takePrepared(project: string, dir: string, found: Imported): Promise<void> {
  const target = joinPath(projectFolder(project), 'given', lastName(dir));
  for (const { split, path, rows } of await preparedRows(platform, dir, target)) give(found, path, split === 'validation', rows);
}

/** With the pictures that its rows name. */
async function takeRows(project: string, path: string, found: Imported): Promise<void> {
  const rows = await openRowFile(platform, path);
  const images = new ImageFiles(platform);
  const needed = new Set<string>();
  const problems: string[] = [];
  let count = 0;
  try {
    for await (const { row, problem } of rows.scan()) {
      try {
        if (row === undefined) throw problem ?? new UserError(path);
        await images.check(row);
        for (const image of row.conversation.images) if (typeof image === 'string') needed.add(image);
        count++;
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        problems.push(error.message);
      }
    }
  } finally {
    await rows.close();
  }
  if (problems.length > 0) {
    const more = problems.length > SHOWN ? `\n… and ${countOf(problems.length - SHOWN, 'more row')}.` : '';
    throw new UserError(
      `${shownName(path)}: ${countOf(problems.length, 'row')} cannot be read.\n${problems.slice(0, SHOWN).join('\n')}${more}`,
    );
  }
  const folder = joinPath(projectFolder(project), 'given');
  for (const from of [...needed, path]) {
    const to = joinPath(folder, shownName(platform.absolutePath(from)));
    await platform.makeDir(parentPath(to));
    await copy(platform.absolutePath(from), to);
  }
  const file = joinPath(folder, shownName(path));
  give(found, file, HELD_OUT.test(lastName(path)), count);
}

/** @throws UserError for a second file of the same use */
function give(found: Imported, file: string, isHeldOut: boolean, rows: number): void {
  const { given } = found;
  const use = isHeldOut ? 'hold out' : 'train on';
  if (isHeldOut ? given?.val : given?.train)
    throw new UserError(`${lastName(file)}: a file of rows to ${use} is there already. Put them into one.`);
  found.given = isHeldOut ? { train: given?.train ?? '', val: file } : { train: file, val: given?.val ?? null };
  found.notes.push(`${lastName(file)}: ${countOf(rows, 'row')} to ${use}.`);
}

/** In pieces: no file is held whole. */
async function copy(from: string, to: string, files: Platform = platform): Promise<void> {
  const source = await files.openFile(from);
  const target = await files.createFile(to);
  try {
    for (let at = 0; at < source.size; at += PIECE) await target.write(await source.read(at, Math.min(PIECE, source.size - at)));
  } catch (error) {
    await target.abort();
    throw error;
  } finally {
    await source.close();
  }
  await target.commit();
}

const PIECE = 4 * 2 ** 20;
