/**
 * Benchmark plans: `<data>/Datasets/<dataset>/benchmark_plan_{detection|biometry}_v<version>.json.gz`, the annotations of a dataset as
 * MedVision's planner wrote them. A plan is opened once for its frame (tasks, label and landmark maps), and its cases are streamed.
 */
import type { Platform } from '../../platform.ts';
import { UserError, joinPath } from '../../platform.ts';
import { fileChunks } from '../gzip.ts';
import type { SliceDim } from '../nifti.ts';
import { asArray, asIndex, asNumbers, asObject, asString, asTexts, parseJson } from './json.ts';
import type { JsonObject } from './json.ts';
import { insideDataDir } from './paths.ts';
import { scanPlan } from './planScanner.ts';
import { compareVersions, hasTransposedSpacing, noVersionText, readPin, versionAtPin } from './planVersion.ts';

export type PlanKind = 'detection' | 'biometry';
export type SampleSplit = 'train' | 'test';

/** A named line or angle: between which landmarks or lines it lies, and in which map those are named. */
export interface PlanElement {
  name: string;
  elementKeys: [string, string];
  elementMapName: string;
}

export interface PlanTask {
  /** For messages: file and place. */
  where: string;
  /** 1-based, as in the config name. */
  id: number;
  imageModality: string;
  imageDescription: string;
  labelsMap: Map<string, string>;
  /** T/L: the label whose ellipses the task holds. */
  targetLabel: number | undefined;
  /** T/L: the planner that wrote it had the two spacings of a slice transposed. */
  hasTransposedSpacing: boolean;
  /** The task as written; the A/D prompts look maps up by the names that the metrics give. */
  raw: JsonObject;
}

export interface Plan {
  path: string;
  dataset: string;
  kind: PlanKind;
  /** e.g. "1.0.0", from the file's name. */
  version: string;
  tasks: PlanTask[];
}

export interface PlanSlice {
  where: string;
  index: number;
  /** The planner's `slice_profile`; its shape depends on the task. */
  profile: unknown[];
  /** T/L clusters on the slice before the size threshold (planner 1.1.0 on). */
  clusterCount: number | undefined;
}

/** A case without its annotations. */
export interface CaseInfo {
  where: string;
  id: string;
  /** Relative to the data dir. */
  imageFile: string;
  maskFile: string | undefined;
  landmarkFile: string | undefined;
  /** Voxels along i, j, k. */
  shape: [number, number, number];
  /** mm along i, j, k. */
  voxelSize: [number, number, number];
}

export interface PlanCase {
  info: CaseInfo;
  slices(dim: SliceDim): PlanSlice[];
}

/** A case list of a plan. */
export interface WantedCases {
  task: PlanTask;
  split: SampleSplit;
}

/** Versions of a dataset's plan, newest first. */
export async function planVersions(platform: Platform, dataDir: string, dataset: string, kind: PlanKind): Promise<string[]> {
  const folder = joinPath(dataDir, 'Datasets', dataset);
  if (!(await platform.isDirectory(folder))) {
    throw new UserError(
      `${folder}: the dataset ${dataset} is not there. Check --data_dir (it should hold Datasets/${dataset}) and the task list.`,
    );
  }
  const pattern = new RegExp(`^benchmark_plan_${kind}_v([0-9]+(?:\\.[0-9]+)*)\\.json\\.gz$`);
  const versions = (await platform.listDir(folder)).flatMap((name) => pattern.exec(name)?.[1] ?? []);
  return versions.sort((a, b) => compareVersions(b, a));
}

/**
 * Where the plan lies that a pin means: of the data set's versions the newest at or before it, or without a pin the newest.
 * @throws UserError that names the versions there are
 */
export async function planAtPin(
  platform: Platform,
  dataDir: string,
  dataset: string,
  kind: PlanKind,
  pin?: string,
): Promise<{ path: string; version: string }> {
  const versions = await planVersions(platform, dataDir, dataset, kind);
  const version = versionAtPin(versions, pin);
  const folder = joinPath(dataDir, 'Datasets', dataset);
  if (version === undefined) {
    const what = noVersionText(`benchmark_plan_${kind}_v*.json.gz`, versions, pin);
    throw new UserError(`${folder}: ${what}. Fetch the dataset's plans${versions.length === 0 ? '' : ', or give a newer version'}.`);
  }
  return { path: joinPath(folder, `benchmark_plan_${kind}_v${version}.json.gz`), version };
}

/** @param pin which version, as `planAtPin` has it */
export async function openPlan(platform: Platform, dataDir: string, dataset: string, kind: PlanKind, pin?: string): Promise<Plan> {
  const { path, version } = await planAtPin(platform, dataDir, dataset, kind, pin);
  await insideDataDir(platform, dataDir, path);
  for await (const { bytes } of scanPlan(fileChunks(platform, path), { part: 'frame' }, path)) {
    const frame = asObject(parseJson(bytes, path), path);
    const tasks = asArray(frame['tasks'], `${path}: tasks`).map((value, i) => readTask(value, i, path, version));
    checkTaskIds(tasks);
    return { path, dataset, kind, version, tasks };
  }
  throw new UserError(`${path}: empty. Fetch the file again.`);
}

/** Tasks are counted, but a plan that gives two of them one task_ID was put together wrongly, and nobody knows which is meant. */
function checkTaskIds(tasks: readonly PlanTask[]): void {
  const seen = new Map<unknown, PlanTask>();
  for (const task of tasks) {
    const id = task.raw['task_ID'];
    if (id === undefined || id === null) continue;
    const earlier = seen.get(id);
    if (earlier !== undefined)
      throw new UserError(
        `${task.where}.task_ID: ${JSON.stringify(id)} is also that of tasks[${earlier.id - 1}]; each task has its own. Repair the plan.`,
      );
    seen.set(id, task);
  }
}

/** Which annotations rows come from. */
export interface PlanRecord {
  dataset: string;
  kind: PlanKind;
  version: string;
  /** Of the file as it lies there, compressed. */
  sha256: string;
  /** The version that was asked for (`--planner_version`), where one was. */
  pin?: string;
}

export async function planRecord(platform: Platform, { dataset, kind, version, path }: Plan, pin: string | null): Promise<PlanRecord> {
  return { dataset, kind, version, sha256: await hashFile(platform, path), ...(pin !== null && { pin: readPin(pin) }) };
}

/** SHA-256 of a file, in pieces where the runtime can. */
export async function hashFile(platform: Platform, path: string): Promise<string> {
  const hasher = platform.hash?.('sha256');
  if (hasher === undefined) {
    const digest = await crypto.subtle.digest('SHA-256', (await platform.readFile(path)) as Uint8Array<ArrayBuffer>);
    return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  }
  const file = await platform.openFile(path);
  try {
    for (let at = 0; at < file.size; at += HASH_BYTES) hasher.update(await file.read(at, Math.min(HASH_BYTES, file.size - at)));
  } finally {
    await file.close();
  }
  return hasher.hex();
}

const HASH_BYTES = 4 * 2 ** 20;

function readTask(value: unknown, index: number, path: string, version: string): PlanTask {
  const where = `${path}: tasks[${index}]`;
  const raw = asObject(value, where);
  const targetLabel = raw['target_label'];
  return {
    where,
    id: index + 1,
    imageModality: asString(raw['image_modality'] ?? '', `${where}.image_modality`),
    imageDescription: asString(raw['image_description'] ?? '', `${where}.image_description`),
    labelsMap: asTexts(raw['labels_map'], `${where}.labels_map`),
    targetLabel: targetLabel === undefined || targetLabel === null ? undefined : asIndex(Number(targetLabel), `${where}.target_label`),
    hasTransposedSpacing: hasTransposedSpacing(version),
    raw,
  };
}

/** The task of a config name. */
export function planTask(plan: Plan, id: number): PlanTask {
  const task = plan.tasks[id - 1];
  if (task === undefined) {
    throw new UserError(
      `${plan.path}: task ${id} of ${plan.dataset} is asked for, the ${plan.kind} plan has ${plan.tasks.length}. Check the task list.`,
    );
  }
  return task;
}

/** The cases of some tasks' splits in the plan's order, one held at a time; the plan is read once, however many lists are asked for. */
export async function* planCases<Wanted extends WantedCases>(
  platform: Platform,
  plan: Plan,
  wanted: readonly Wanted[],
): AsyncGenerator<{ wanted: Wanted; item: PlanCase }, void, undefined> {
  const lists = wanted.map((one) => ({
    task: one.task.id - 1,
    key: one.split === 'train' ? ('train_cases' as const) : ('test_cases' as const),
    one,
    count: 0,
  }));
  for await (const { bytes, task, key } of scanPlan(fileChunks(platform, plan.path), { part: 'cases', lists }, plan.path)) {
    const list = lists.find((known) => known.task === task && known.key === key);
    if (list === undefined) continue;
    const where = `${list.one.task.where}.${key}[${list.count++}]`;
    yield { wanted: list.one, item: readCase(asObject(parseJson(bytes, where), where), plan.dataset, where) };
  }
}

function readCase(raw: JsonObject, dataset: string, place: string): PlanCase {
  const id = asString(raw['case_ID'], `${place}.case_ID`);
  const where = `${place} (${id})`;
  const info = asObject(raw['image_file_info'], `${where}.image_file_info`);
  const shape = threeNumbers(info['array_size'], `${where}.image_file_info.array_size`);
  const voxelSize = threeNumbers(info['voxel_size'], `${where}.image_file_info.voxel_size`);
  shape.forEach((size, axis) => {
    if (!Number.isSafeInteger(size) || size < 1)
      throw new UserError(`${where}.image_file_info.array_size[${axis}]: a size from 1 expected, ${size} found.`);
  });
  const optionalFile = (key: string): string | undefined => {
    const value = raw[key];
    return value === undefined || value === null ? undefined : datasetFile(dataset, asString(value, `${where}.${key}`), `${where}.${key}`);
  };
  return {
    info: {
      where,
      id,
      imageFile: datasetFile(dataset, asString(raw['image_file'], `${where}.image_file`), `${where}.image_file`),
      maskFile: optionalFile('mask_file'),
      landmarkFile: optionalFile('landmark_file'),
      shape,
      voxelSize,
    },
    slices(dim) {
      const key = (['slice_profiles_x', 'slice_profiles_y', 'slice_profiles_z'] as const)[dim];
      return asArray(raw[key] ?? [], `${where}.${key}`).map((value, i) => {
        const place = `${where}.${key}[${i}]`;
        const slice = asObject(value, place);
        const index = asIndex(slice['slice_idx'], `${place}.slice_idx`);
        if (index >= (shape[dim] ?? 0))
          throw new UserError(`${place}.slice_idx: ${index} is outside the volume (${shape.join('×')}). Repair the plan.`);
        const clusters = slice['n_total_clusters'];
        return {
          where: place,
          index,
          profile: asArray(slice['slice_profile'], `${place}.slice_profile`),
          clusterCount: clusters === undefined || clusters === null ? undefined : asIndex(clusters, `${place}.n_total_clusters`),
        };
      });
    },
  };
}

/** Of a flat image some plans name two axes; the third is then 1. */
function threeNumbers(value: unknown, where: string): [number, number, number] {
  const [i = 1, j = 1, k = 1] = asNumbers(value, asArray(value, where).length === 2 ? 2 : 3, where);
  return [i, j, k];
}

/** `Datasets/<dataset>/<file>`; a plan may not lead out of the data dir. */
function datasetFile(dataset: string, file: string, where: string): string {
  const isAbsolute = file.startsWith('/') || /^[A-Za-z]:/.test(file);
  if (file === '' || isAbsolute || file.includes('\\') || file.includes('\0') || file.split('/').includes('..')) {
    throw new UserError(`${where}: a path inside the dataset's folder expected, ${JSON.stringify(file)} found. Repair the plan.`);
  }
  return joinPath('Datasets', dataset, file);
}
