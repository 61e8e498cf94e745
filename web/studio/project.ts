/**
 * A project of the Studio: scans, what was drawn on them, and the runs that learnt from it. It lies in the private file system of the
 * page's origin, `/studio/<id>/`: `project.json`, `scans/`, `rows/` (as made for the last run) and `runs/<name>/`.
 */
import type { DrawnAnnotation } from '../../src/data/drawn/annotation.ts';
import { BY_MODALITY } from '../../src/data/medvision/intensity.ts';
import type { IntensityChoice } from '../../src/data/medvision/intensity.ts';
import { errorText, joinPath, UserError } from '../../src/platform.ts';
import type { Platform } from '../../src/platform.ts';

export const STUDIO = '/studio';

/** A volume, or a picture. */
export interface Scan {
  id: string;
  /** Of the file that was dropped. */
  name: string;
  kind: 'volume' | 'picture';
  /** Where its copy lies. */
  file: string;
  /** CT, MRI, X-ray, …; '' where nobody said. */
  modality: string;
  /** For prompts: "a CT scan of the knee"; '' where nobody said. */
  description: string;
  /** mm: of a volume its three zooms; of a picture [a column, a row], null until somebody says it. */
  spacing: number[] | null;
  /** How the values of a volume become grey for the model; of no effect on a picture. */
  intensity: IntensityChoice;
  /** Whole scans are held out. */
  side: 'train' | 'test';
}

/** Rows that were given as files, in the place of drawn ones. */
export interface GivenRows {
  train: string;
  val: string | null;
}

export interface Project {
  version: 1;
  id: string;
  name: string;
  /** ms since 1970. */
  createdAt: number;
  scans: Scan[];
  annotations: DrawnAnnotation[];
  given: GivenRows | null;
  /** Folder or hub id. */
  base: string;
  /** Of training, by the names of the records, only those that were changed. */
  options: Record<string, unknown>;
  /** Oldest first. */
  runs: { name: string; startedAt: number }[];
}

/**
 * What suits dozens of drawings better than the defaults of the records, which are for many thousand rows. And a tab may be closed at
 * any time.
 */
export const FOR_FEW_ROWS = {
  epoch: 10,
  per_device_train_batch_size: 4,
  gradient_accumulation_steps: 1,
  save_steps: 10,
  logging_steps: 1,
  eval_steps: 10,
} as const;

export function newProject(id: string, name: string, createdAt: number, base: string): Project {
  const nothing = { scans: [], annotations: [], given: null, runs: [] };
  return { version: 1, id, name, createdAt, base, options: { ...FOR_FEW_ROWS }, ...nothing };
}

export function projectFolder(id: string): string {
  return joinPath(STUDIO, id);
}

/** The output folder of a run. */
export function runFolder(id: string, run: string): string {
  return joinPath(projectFolder(id), 'runs', run);
}

const fileOf = (id: string): string => joinPath(projectFolder(id), 'project.json');

export async function saveProject(platform: Platform, project: Project): Promise<void> {
  await platform.makeDir(projectFolder(project.id));
  await platform.writeFile(fileOf(project.id), JSON.stringify(project));
}

/** Projects from before there was a choice of grey levels say none. */
type Stored = Omit<Project, 'scans'> & { scans: (Omit<Scan, 'intensity'> & Partial<Pick<Scan, 'intensity'>>)[] };

/** @throws UserError for what is no project of this version */
export async function openProject(platform: Platform, id: string): Promise<Project> {
  const path = fileOf(id);
  let found: unknown;
  try {
    found = JSON.parse(new TextDecoder().decode(await platform.readFile(path)));
  } catch (cause) {
    throw new UserError(`${path} cannot be read: ${errorText(cause)} Remove the project.`, { cause });
  }
  const project = found as Partial<Stored> | null;
  if (typeof project !== 'object' || project?.version !== 1 || !Array.isArray(project.scans) || !Array.isArray(project.annotations))
    throw new UserError(`${path} is no project of this version of the Studio. Use the version that wrote it, or remove the project.`);
  const scans = project.scans.map((scan) => ({ ...scan, intensity: scan.intensity ?? BY_MODALITY }));
  return { ...newProject(id, id, 0, ''), ...project, scans, id };
}

/** Copies of scans that no scan names: a tab was closed while files came in. Only for who has the project open. */
export async function removeUnnamed(platform: Platform, { id, scans }: Project): Promise<void> {
  const folder = joinPath(projectFolder(id), 'scans');
  if (!(await platform.exists(folder))) return;
  const named = new Set(scans.map(({ file }) => file));
  for (const name of await platform.listDir(folder)) {
    const file = joinPath(folder, name);
    if (!named.has(file)) await platform.remove(file);
  }
}

/** Ids of the projects that are there, in no order. */
export async function projectIds(platform: Platform): Promise<string[]> {
  if (!(await platform.exists(STUDIO))) return [];
  const ids: string[] = [];
  for (const id of await platform.listDir(STUDIO)) if (await platform.exists(fileOf(id))) ids.push(id);
  return ids;
}
