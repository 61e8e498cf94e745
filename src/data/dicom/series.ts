/** The images of one series: of a file, or of a folder, in which other files may lie. */
import { countOf, firstOf, joinPath, lastName, UserError } from '../../platform.ts';
import type { Platform, RangedFile } from '../../platform.ts';
import { isDicomBytes } from './elements.ts';
import { factsOf } from './facts.ts';
import type { FileFacts } from './facts.ts';
import { readDicomFile, readFirst } from './file.ts';
import { KINDS } from './kinds.ts';
import { DICOM_LIMITS } from './limits.ts';
import type { DicomLimits } from './limits.ts';
import { fileForPlan } from './volumes.ts';

type Files = Pick<Platform, 'isDirectory' | 'listDir' | 'openFile'>;

export interface Series {
  files: FileFacts[];
  notes: string[];
}

/**
 * @param path of a file or folder
 * @param chosen the series to read, by its number, SeriesInstanceUID or SeriesDescription; null: there has to be one
 * @throws UserError where there is no image, or more than one series
 */
export async function readSeries(platform: Files, path: string, limits: DicomLimits, chosen: string | null = null): Promise<Series> {
  if (!(await platform.isDirectory(path))) {
    if (isDirectoryFile(path))
      throw new UserError(`${path}: this is the table of contents of a disc, without images. Give the folder that it lies in.`);
    const facts = await readFacts(platform, path, limits, { chosen });
    if (typeof facts !== 'object') throw new UserError(`${path}: this DICOM file has no pixels. Give one with an image.`);
    return asOne(ofSeries([facts], path, chosen, []), path);
  }
  const found: FileFacts[] = [];
  const empty: string[] = [];
  let others = 0;
  let withoutPixels = 0;
  const files = await filesIn(platform, path, limits);
  for (const file of files) {
    const facts = isDirectoryFile(file) ? 'no DICOM' : await readFacts(platform, file, limits, { mayBeOther: true, chosen });
    if (facts === 'empty') empty.push(lastName(file));
    else if (facts === 'no DICOM') others++;
    else if (facts === undefined) withoutPixels++;
    else found.push(facts);
  }
  const emptyFiles = `${countOf(empty.length, 'empty file')} (${firstOf(empty, MOST_SHOWN)})`;
  if (found.length === 0) {
    const isOfTiff = files.some((file) => /\.tiff?$/i.test(file));
    throw new UserError(
      `${path}: no DICOM file with an image lies here (${countOf(others + withoutPixels, 'other file')}` +
        `${empty.length === 0 ? '' : `, ${emptyFiles}`}). Give the folder of a series` +
        `${isOfTiff ? ', or save the slices as one TIFF stack (ImageJ: File › Import › Image Sequence, then Save As)' : ''}.`,
    );
  }
  const notes: string[] = [];
  if (empty.length > 0) notes.push(`${emptyFiles} left out; if they are images of the series, fetch them again`);
  if (others > 0) notes.push(`${countOf(others, 'file')} of the folder ${others === 1 ? 'is' : 'are'} no DICOM and left out`);
  if (withoutPixels > 0) notes.push(`${countOf(withoutPixels, 'DICOM file')} without an image left out`);
  return asOne(ofSeries(found, path, chosen, notes), path, notes);
}

/** Those of the series that was asked for. */
function ofSeries(files: readonly FileFacts[], path: string, chosen: string | null, notes: string[]): readonly FileFacts[] {
  const own = files.filter(({ isChosen }) => isChosen);
  if (own.length === 0)
    throw new UserError(
      `${path}: no image is of series ${JSON.stringify(chosen)}; there is ${seriesText(files)}. Choose one by its number.`,
    );
  if (own.length < files.length) notes.push(`${countOf(files.length - own.length, 'image')} of other series left out`);
  return own;
}

/**
 * Images of one series, localizers beside others and doubles left out.
 * @param name in messages
 * @throws UserError where they are no one series
 */
export function asOne(files: readonly FileFacts[], name: string, notes: string[] = []): Series {
  return { files: withoutDoubles(oneSeries(files, name, notes), notes), notes };
}

/**
 * Which study the first image of a file or folder is of: to tell whether scans are of one patient, never to be shown.
 * @returns undefined where none says; what cannot be read is left to whoever reads the scan
 */
export async function studyOf(platform: Files, path: string): Promise<string | undefined> {
  const files = (await platform.isDirectory(path)) ? await filesIn(platform, path, DICOM_LIMITS) : [path];
  for (const file of files) {
    if (isDirectoryFile(file)) continue;
    try {
      const facts = await readFacts(platform, file, DICOM_LIMITS, { mayBeOther: true });
      if (typeof facts === 'object' && facts.studyUid !== '') return facts.studyUid;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }
  return undefined;
}

export interface FoundSeries {
  /** The images of each series, by study: studies in the order of their first files, series of their numbers. */
  series: FileFacts[][];
  /** DICOM files without an image. */
  withoutPixels: string[];
  /** Files that cannot be read. */
  faults: { path: string; error: UserError }[];
}

/**
 * The series among DICOM files, where several may be mixed.
 * @param tell hears how many files are read
 */
export async function seriesAmong(
  platform: Files,
  paths: readonly string[],
  limits: DicomLimits,
  tell?: (path: string, done: number) => Promise<void>,
): Promise<FoundSeries> {
  const studies = new Map<string, Map<string, FileFacts[]>>();
  const faults: FoundSeries['faults'] = [];
  const withoutPixels: string[] = [];
  for (const [done, path] of paths.entries()) {
    await tell?.(path, done);
    if (isDirectoryFile(path)) continue;
    try {
      const facts = await readFacts(platform, path, limits);
      if (typeof facts !== 'object') withoutPixels.push(path);
      else listOf(mapOf(studies, facts.studyUid), facts.seriesUid).push(facts);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      faults.push({ path, error });
    }
  }
  const number = ([file]: FileFacts[]): number => Number(file?.seriesNumber ?? Infinity);
  const series = [...studies.values()].flatMap((own) => [...own.values()].sort((a, b) => number(a) - number(b) || 0));
  return { series, withoutPixels, faults };
}

function mapOf(all: Map<string, Map<string, FileFacts[]>>, key: string): Map<string, FileFacts[]> {
  const own = all.get(key) ?? new Map<string, FileFacts[]>();
  all.set(key, own);
  return own;
}

function listOf(all: Map<string, FileFacts[]>, key: string): FileFacts[] {
  const own = all.get(key) ?? [];
  all.set(key, own);
  return own;
}

/**
 * @param options.mayBeOther other files lie in the folder too
 * @param options.chosen the series that is asked for
 * @returns undefined where it has no image; in a folder of others, 'empty' for a file of no bytes
 */
async function readFacts(
  platform: Files,
  path: string,
  limits: DicomLimits,
  { mayBeOther = false, chosen = null }: { mayBeOther?: boolean; chosen?: string | null } = {},
): Promise<FileFacts | 'empty' | 'no DICOM' | undefined> {
  const file = await platform.openFile(path);
  try {
    const first = await readFirst(file, limits);
    if (mayBeOther && !isDicomBytes(first)) return file.size === 0 ? 'empty' : 'no DICOM';
    return factsOf(await readDicomFile(file, limits, { first, later: lazyFile(platform, path, file.size) }), limits, chosen);
  } finally {
    await file.close();
  }
}

/** A file that is open while it is read: a system lets a process have some hundred open at once, series have thousands. */
function lazyFile(platform: Files, path: string, size: number): RangedFile {
  return {
    path,
    size,
    read: async (...given) => {
      const file = await platform.openFile(path);
      try {
        return await file.read(...given);
      } finally {
        await file.close();
      }
    },
    close: () => Promise.resolve(),
  };
}

/** The table of contents of a disc. */
const isDirectoryFile = (path: string): boolean => lastName(path).toUpperCase() === 'DICOMDIR';

/** Names with numbers in the order of the numbers: IM2 before IM10. */
function byNumbers(a: string, b: string): number {
  const parts = (name: string): string[] => name.match(/\d+|\D+/g) ?? [];
  const [one, other] = [parts(a), parts(b)];
  for (const [at, part] of one.entries()) {
    const its = other[at] ?? '';
    const areNumbers = /^\d/.test(part) && /^\d/.test(its);
    const [left, right] = areNumbers ? [part.replace(/^0+/, ''), its.replace(/^0+/, '')] : [part, its];
    if (areNumbers && left.length !== right.length) return left.length - right.length;
    if (left !== right) return left < right ? -1 : 1;
  }
  return one.length - other.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** All files below a folder, in the order of their names; hidden ones are not looked at. */
async function filesIn(platform: Files, dir: string, limits: DicomLimits): Promise<string[]> {
  const files: string[] = [];
  const folders = [dir];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const name of (await platform.listDir(folder)).sort(byNumbers)) {
      if (name.startsWith('.')) continue;
      const path = joinPath(folder, name);
      if (await platform.isDirectory(path)) folders.push(path);
      else files.push(path);
      if (files.length + folders.length > limits.files)
        throw new UserError(`${dir}: more than ${limits.files} files lie in this folder. Give the folder of one series.`);
    }
  }
  return files;
}

/** @throws UserError where several series have images; localizers, which other images are planned on, are left out beside others */
function oneSeries(files: readonly FileFacts[], path: string, notes: string[]): FileFacts[] {
  const planned = files.filter(({ isLocalizer }) => !isLocalizer);
  const kept = planned.length > 0 ? planned : [...files];
  if (kept.length < files.length) notes.push(`${countOf(files.length - kept.length, 'localizer image')} left out`);
  const mixed = new Set(kept.map(({ seriesUid }) => seriesUid)).size;
  if (mixed > 1) {
    const [choice, flag] = hasNumbers(kept, mixed) ? ['number', '--series N'] : ['SeriesInstanceUID or SeriesDescription', '--series TEXT'];
    throw new UserError(
      `${path}: ${mixed} series are mixed here: ${seriesText(kept)}. Choose one with vernier volume, ask and dataset make by its ` +
        `${choice}: ${flag}; or give a folder with one. ${fileForPlan(path, flag)}`,
    );
  }
  const [first] = kept;
  const odd = first && kept.find(({ format }) => format.rows !== first.format.rows || format.columns !== first.format.columns);
  if (odd !== undefined)
    throw new UserError(
      `${path}: its images differ in size, ${first?.format.rows}×${first?.format.columns} and ${odd.format.rows}×${odd.format.columns} ` +
        `(rows × columns; ${odd.path}), so they are no one volume. Give those of one size alone.`,
    );
  const other = kept.find(({ format }) => format.photometric !== first?.format.photometric);
  if (other !== undefined)
    throw new UserError(
      `${path}: its images differ in PhotometricInterpretation, ${first?.format.photometric} and ${other.format.photometric} ` +
        `(${other.path}), so they are no one volume. Give one kind alone.`,
    );
  return kept;
}

/** Whether a number names each series. */
function hasNumbers(files: readonly FileFacts[], series: number): boolean {
  const numbers = new Set(files.map(({ seriesNumber }) => seriesNumber));
  return numbers.size === series && !numbers.has(undefined);
}

/** What a user may see of series, to tell them apart: nothing that people wrote. */
function seriesText(files: readonly FileFacts[]): string {
  const series = new Map<string, FileFacts[]>();
  for (const file of files) listOf(series, file.seriesUid).push(file);
  const texts = [...series.values()].flatMap((members) => {
    const [member] = members;
    if (member === undefined) return [];
    const { seriesNumber, modality, format } = member;
    const facts = [modality ?? 'no modality', countOf(members.length, 'file'), `${format.rows}×${format.columns}`];
    return `series ${seriesNumber ?? '?'} (${facts.join(', ')})`;
  });
  return firstOf(texts, MOST_SHOWN);
}

const MOST_SHOWN = 8;

/** Of two files of one identifier: whether they are the same image. */
function isSameImage(a: FileFacts, b: FileFacts): boolean {
  if (KINDS.some((_, kind) => a.frames[0]?.kinds[kind] !== b.frames[0]?.kinds[kind])) return false;
  const [one, other] = [a.frames[0]?.placement?.position, b.frames[0]?.placement?.position];
  if (one === undefined || other === undefined) return one === other && a.instanceNumber === b.instanceNumber;
  return one.every((mm, axis) => mm === other[axis]);
}

function withoutDoubles(files: readonly FileFacts[], notes: string[]): FileFacts[] {
  const seen = new Map<string, FileFacts[]>();
  let shared = 0;
  const kept = files.filter((file) => {
    if (file.objectUid === undefined) return true;
    const same = listOf(seen, file.objectUid);
    if (same.some((other) => isSameImage(file, other))) return false;
    if (same.length > 0) shared++;
    same.push(file);
    return true;
  });
  // Some that take names out of files give all of them one identifier.
  if (shared > 0)
    notes.push(`${countOf(shared, 'image has', 'images have')} the SOPInstanceUID of another one but are other images, and are kept`);
  const doubles = files.length - kept.length;
  if (doubles > 0)
    notes.push(`${countOf(doubles, 'file is a duplicate', 'files are duplicates')} of another one (same SOPInstanceUID) and left out`);
  return kept;
}
