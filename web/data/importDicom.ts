/**
 * DICOM on its way into a project: each series becomes a volume, or pictures where it is a projection. They are kept as NIfTI and PNG, and
 * called by number: what a DICOM file says of a person, its name and that of its folder included, stays where it is.
 */
import type { FileFacts } from '../../src/data/dicom/facts.ts';
import { DICOM_LIMITS } from '../../src/data/dicom/limits.ts';
import { scanPicture } from '../../src/data/dicom/picture.ts';
import { scanOf } from '../../src/data/dicom/scan.ts';
import type { DicomScan } from '../../src/data/dicom/scan.ts';
import { asOne, seriesAmong } from '../../src/data/dicom/series.ts';
import { volumeCount } from '../../src/data/dicom/stack.ts';
import { scanVolume } from '../../src/data/dicom/toVolume.ts';
import { BY_MODALITY } from '../../src/data/medvision/intensity.ts';
import { niftiBody, niftiHead } from '../../src/data/niftiWrite.ts';
import { joinPath, lastName, UserError } from '../../src/platform.ts';
import { platform } from '../here.ts';
import { projectFolder } from '../studio/project.ts';
import type { Scan } from '../studio/project.ts';
import { texts } from '../texts.ts';
import { pictureSpacing } from './scanPixels.ts';
import { dicomKind, isVolumeOf } from './dicomKinds.ts';
import type { Imported, Tell } from './imported.ts';

export interface DicomRequest {
  project: string;
  paths: readonly string[];
  /** Of the scans that the project has. */
  names: readonly string[];
  /** Names of files beside them that are nothing that is read. */
  others: readonly string[];
  found: Imported;
  tell?: Tell | undefined;
}

/** Files between two words to the page. */
const TOLD_EVERY = 16;
const PIECE = 4 * 2 ** 20;
/** Of a series: scans of many times would fill the list. */
const MOST_VOLUMES = 16;

export async function takeDicom({ project, paths, names, others, found, tell }: DicomRequest): Promise<void> {
  const folder = joinPath(projectFolder(project), 'scans');
  await platform.makeDir(folder);
  const { series, faults, withoutPixels } = await seriesAmong(platform, paths, DICOM_LIMITS, async (path, done) => {
    if (done % TOLD_EVERY === 0) await tell?.(lastName(path), done, paths.length);
  });
  for (const { path, error } of faults) found.problems.push(error.message.replaceAll(path, lastName(path)));
  if (series.length === 0) {
    // Nothing came of DICOM, so all is told by name.
    found.problems.push(...withoutPixels.map((path) => texts.data.dicom.noImage(lastName(path))), ...others.map(texts.data.unread));
    return;
  }
  if (withoutPixels.length > 0) found.notes.push(texts.data.dicom.noPixels(withoutPixels.length));
  // Discs have many, which nobody asks for.
  if (others.length > 0) found.notes.push(texts.data.dicom.others(others.length));
  const naming = new Naming(names);
  const said: Said = new Map();
  for (const [done, files] of series.entries()) {
    const [first] = files;
    if (first === undefined) continue;
    const taken = { folder, kind: dicomKind(first.modality), study: naming.study(first.studyUid), naming, said, found };
    const isVolume = files.every(isVolumeOf);
    const name = naming.next(taken.study, taken.kind, isVolume ? 'series' : 'image');
    await tell?.(name, done, series.length);
    try {
      if (isVolume) await takeSeries(taken, name, files);
      else await takeImages(taken, name, files);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      found.problems.push(withoutPaths(error.message, files, name));
    }
  }
  for (const [note, { scans, isOfPixels }] of said) {
    // What is to be looked at before anything is measured.
    const list = isOfPixels ? found.warnings : found.notes;
    list.push(texts.data.dicom.note(scans, note));
  }
}

/** Notes, with the scans that they are of. */
type Said = Map<string, { scans: string[]; isOfPixels: boolean }>;

interface Taken {
  folder: string;
  /** CT, MRI, …; '' where it is none of them. */
  kind: string;
  study: string;
  naming: Naming;
  said: Said;
  found: Imported;
}

/** Each of its volumes (echoes, times, orientations) is a scan. */
async function takeSeries(taken: Taken, first: string, files: readonly FileFacts[]): Promise<void> {
  const series = asOne(files, first);
  const count = volumeCount(
    series.files.flatMap(({ frames }) => frames),
    first,
  );
  if (count > MOST_VOLUMES) throw new UserError(texts.data.dicom.volumes(first, count, MOST_VOLUMES));
  keepNotes(taken.said, first, series.notes);
  for (let volume = 1; volume <= count; volume++) {
    const name = volume === 1 ? first : taken.naming.next(taken.study, taken.kind, 'series');
    try {
      await takeVolume(taken, name, scanOf(platform, { files: series.files, notes: [] }, name, { volume: count === 1 ? null : volume }));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      taken.found.problems.push(withoutPaths(error.message, files, name));
    }
  }
}

async function takeVolume({ folder, kind, said, found }: Taken, name: string, scan: DicomScan): Promise<void> {
  if (scan.noVolume?.kind === 'gaps') throw new UserError(texts.data.dicom.gaps(name, scan.noVolume.text));
  const volume = await scanVolume(scan, name);
  const { id, file } = newFile(folder, 'nii');
  const target = await platform.createFile(file);
  try {
    await target.write(niftiHead(volume));
    const body = niftiBody(volume);
    for (let at = 0; at < body.length; at += PIECE) await target.write(body.subarray(at, at + PIECE));
  } catch (error) {
    await target.abort();
    throw error;
  }
  await target.commit();
  const spacing = volume.zooms.map((mm) => Number(mm.toPrecision(9)));
  keepNotes(said, name, [...scan.notes, ...(scan.size[0] === 1 ? [texts.data.dicom.oneSlice] : [])], scan.pixelNote);
  found.scans.push({ ...unsaid(id, name, file, kind), kind: 'volume', spacing });
}

/** One by one: views of one part from several sides are no volume. */
async function takeImages({ folder, kind, study, naming, said, found }: Taken, first: string, files: readonly FileFacts[]): Promise<void> {
  const { files: images, notes } = asSeries(files, first);
  keepNotes(said, first, notes);
  let name = first;
  for (const [at, image] of images.entries()) {
    if (at > 0) name = naming.next(study, kind, 'image');
    try {
      const scan = scanOf(platform, { files: [image], notes: [] }, name);
      const { data, width, height, notes: own = [] } = await scanPicture(scan, name);
      const { id, file } = newFile(folder, 'png');
      await platform.writeFile(file, await platform.encodePng(data, width, height, 3));
      keepNotes(said, name, scan.notes, scan.pixelNote);
      for (const { text } of own) found.notes.push(text);
      found.scans.push({ ...unsaid(id, name, file, kind), kind: 'picture', spacing: pictureSpacing(scan) });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      found.problems.push(withoutPaths(error.message, [image], name));
    }
  }
}

/** Pictures of one series need not be alike: each is one of its own, only doubles are left out. */
function asSeries(files: readonly FileFacts[], name: string): ReturnType<typeof asOne> {
  try {
    return asOne(files, name);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { files: [...files], notes: [] };
  }
}

function newFile(folder: string, ending: string): { id: string; file: string } {
  const id = crypto.randomUUID().slice(0, 8);
  return { id, file: joinPath(folder, `${id}.${ending}`) };
}

function unsaid(id: string, name: string, file: string, modality: string): Omit<Scan, 'kind' | 'spacing'> {
  return { id, name, file, modality, description: '', intensity: BY_MODALITY, side: 'train' };
}

/** @param pixelNote that of them which is of the size of pixels */
function keepNotes(said: Said, name: string, notes: readonly string[], pixelNote?: string): void {
  for (const note of notes) said.set(note, { scans: [...(said.get(note)?.scans ?? []), name], isOfPixels: note === pixelNote });
}

/** The folder of a series is often called as its patient. */
function withoutPaths(message: string, files: readonly FileFacts[], name: string): string {
  const plain = files.reduce((text, { path }) => text.replaceAll(path, lastName(path)), message);
  return plain.startsWith(name) ? plain : `${name}: ${plain}`;
}

/** "Study 2, CT series 1": a study is of one patient, so that what is held out can be held out by patients (`patientOf`). */
class Naming {
  private readonly used: Set<string>;
  private readonly studies = new Map<string, string>();
  private last: number;

  constructor(names: readonly string[]) {
    this.used = new Set(names);
    this.last = Math.max(0, ...names.map((name) => Number(/^Study (\d+),/.exec(name)?.[1] ?? 0)));
  }

  study(uid: string): string {
    const known = uid === '' ? undefined : this.studies.get(uid);
    const study = known ?? `Study ${++this.last}`;
    this.studies.set(uid, study);
    return study;
  }

  next(study: string, kind: string, what: 'series' | 'image'): string {
    for (let number = 1; ; number++) {
      const name = `${study}, ${kind === '' ? '' : `${kind} `}${what} ${number}`;
      if (this.used.has(name)) continue;
      this.used.add(name);
      return name;
    }
  }
}
