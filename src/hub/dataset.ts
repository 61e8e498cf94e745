/**
 * A MedVision data set from the hub: `Datasets/<dataset>/benchmark_plan_…json.gz` and the volumes that the plans name for the chosen tasks,
 * and nothing else of what may be a terabyte. What comes back is a data folder like a local one.
 */
import { openPlan, planCases } from '../data/medvision/plan.ts';
import type { PlanKind, SampleSplit } from '../data/medvision/plan.ts';
import { compareVersions, noVersionText, versionAtPin } from '../data/medvision/planVersion.ts';
import { scanOf } from '../data/medvision/samples.ts';
import type { TaskScan } from '../data/medvision/samples.ts';
import type { MedvisionTask } from '../data/medvision/tasks.ts';
import { countOf, firstOf, UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import type { FetchedFolder } from './modelFiles.ts';
import { HubError } from './request.ts';
import type { HubSettings } from './settings.ts';
import { openSnapshot } from './snapshot.ts';
import type { DownloadHooks, Snapshot } from './snapshot.ts';
import type { HubFile } from './tree.ts';

export interface DatasetRequest {
  /** `org/name` */
  id: string;
  /** Default main. */
  revision?: string | undefined;
  tasks: readonly MedvisionTask[];
  /** Of tasks that do not name theirs. Default train. */
  split?: SampleSplit;
  /** Default: the newest plan; else the newest at or before it. */
  plannerVersion?: string | undefined;
  /** The landmarks as well, where the data set has them: training does without, drawing does not. */
  withLandmarks?: boolean | undefined;
}

/** @throws UserError in words */
export async function fetchDataset(
  platform: Platform,
  settings: HubSettings,
  request: DatasetRequest,
  hooks: DownloadHooks = {},
): Promise<FetchedFolder> {
  const { id, revision = 'main', tasks } = request;
  const snapshot = await openSnapshot(platform, settings, { type: 'dataset', id }, revision, hooks);
  const groups = new Map<string, MedvisionTask[]>();
  for (const task of tasks) {
    const key = `${task.dataset}/${task.planKind}`;
    groups.set(key, [...(groups.get(key) ?? []), task]);
  }
  const plans: HubFile[] = [];
  for (const [first] of groups.values())
    if (first !== undefined) plans.push(await planFile(snapshot, first.dataset, first.planKind, request.plannerVersion));
  await snapshot.fetch(plans);

  const volumes = new Set<string>();
  const landmarks = new Set<string>();
  for (const own of groups.values()) {
    for (const info of await casesOf(platform, snapshot.dir, own, request)) {
      volumes.add(info.imageFile);
      if (info.landmarkFile !== undefined) landmarks.add(info.landmarkFile);
    }
  }
  const found = await snapshot.info([...volumes]);
  if (found.length < volumes.size) throw missingVolumes(snapshot, volumes, found);
  if (request.withLandmarks === true && landmarks.size > 0) found.push(...(await snapshot.info([...landmarks])));
  await snapshot.fetch(found);
  await snapshot.finish();
  return { id, commit: snapshot.commit, dir: snapshot.dir };
}

async function planFile(snapshot: Snapshot, dataset: string, kind: PlanKind, wanted: string | undefined): Promise<HubFile> {
  const folder = `Datasets/${dataset}`;
  const files = await snapshot.list(folder, { isRecursive: false }).catch((error: unknown) => {
    if (error instanceof HubError && error.status === 404) return [];
    throw error;
  });
  const pattern = new RegExp(`^benchmark_plan_${kind}_v([0-9]+(?:\\.[0-9]+)*)\\.json\\.gz$`);
  const versions = files.flatMap((file) => {
    const version = pattern.exec(file.path.slice(folder.length + 1))?.[1];
    return version === undefined ? [] : [{ file, version }];
  });
  versions.sort((a, b) => compareVersions(b.version, a.version));
  const names = versions.map(({ version }) => version);
  const chosen = versions.find(({ version }) => version === versionAtPin(names, wanted));
  if (chosen !== undefined) return chosen.file;
  const place = snapshot.isOffline ? `the cache of ${snapshot.repo.id} (${snapshot.dir})` : `the hub data set ${snapshot.repo.id}`;
  const what = noVersionText(`${folder}/benchmark_plan_${kind}_v*.json.gz`, names, wanted);
  throw new UserError(`${place}: ${what}. Check the task list${wanted === undefined ? '' : ' and --planner_version'}.`);
}

/** Relative paths of the files of those volumes that have slices of these tasks (of one plan). */
async function casesOf(
  platform: Platform,
  dir: string,
  tasks: readonly MedvisionTask[],
  { split, plannerVersion }: DatasetRequest,
): Promise<{ imageFile: string; landmarkFile: string | undefined }[]> {
  const [first] = tasks;
  if (first === undefined) return [];
  const plan = await openPlan(platform, dir, first.dataset, first.planKind, plannerVersion);
  const lists = new Map<string, { task: TaskScan['info']; split: SampleSplit; tasks: MedvisionTask[] }>();
  for (const task of tasks) {
    const { info } = scanOf(plan, task);
    const own = task.split ?? split ?? 'train';
    const list = lists.get(`${task.id} ${own}`) ?? { task: info, split: own, tasks: [] };
    lists.set(`${task.id} ${own}`, list);
    list.tasks.push(task);
  }
  const files: { imageFile: string; landmarkFile: string | undefined }[] = [];
  for await (const { wanted, item } of planCases(platform, plan, [...lists.values()])) {
    if (wanted.tasks.some(({ sliceDim }) => item.slices(sliceDim).length > 0))
      files.push({ imageFile: item.info.imageFile, landmarkFile: item.info.landmarkFile });
  }
  return files;
}

function missingVolumes({ repo, dir, isOffline }: Snapshot, wanted: ReadonlySet<string>, found: readonly HubFile[]): UserError {
  const there = new Set(found.map(({ path }) => path));
  const missing = [...wanted].filter((path) => !there.has(path));
  const place = isOffline ? `the cache of ${repo.id} (${dir})` : `the hub data set ${repo.id}`;
  const advice = isOffline
    ? 'Run once with a network, without --offline true or HF_HUB_OFFLINE.'
    : "It may hold the annotations only, because the volumes' licence keeps them elsewhere: fetch those from their own source into a " +
      'folder that has Datasets/, with the plans, and give that as --data_dir.';
  return new UserError(
    `${place} has ${there.size} of the ${countOf(wanted.size, 'volume')} that the tasks need; missing are ` +
      `${firstOf(missing, 3)}. ${advice}`,
  );
}
