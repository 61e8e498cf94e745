/**
 * Task lists and config names: `{dataset}_{BoxSize|TumorLesionSize|BiometricsFromLandmarks}_{TaskNN}_{plane}`, with `_Train` or `_Test`
 * behind it for a config of the hub dataset. The cephalometric set inserts `Distance` or `Angle`; `BoxCoordinate` is an alias of `BoxSize`
 * in the upstream lists of test tasks. A list is a flat JSON object of which only the keys count.
 */
import type { Platform } from '../../platform.ts';
import { UserError } from '../../platform.ts';
import type { SliceDim } from '../nifti.ts';
import { asObject, parseJson } from './json.ts';
import type { PlanKind, SampleSplit } from './plan.ts';

export type TaskType = 'BoxSize' | 'TumorLesionSize' | 'BiometricsFromLandmarks';
/** As the reference's programs name the three kinds (`--task_type`), and its options the limits of each. */
export type TaskTag = 'AD' | 'Detection' | 'TL';
export const TASK_TAGS: Readonly<Record<TaskType, TaskTag>> = {
  BiometricsFromLandmarks: 'AD',
  BoxSize: 'Detection',
  TumorLesionSize: 'TL',
};
/** The three list options of the command line: --tasks_list_json_path_{AD,detect,TL}. */
export type TaskFamily = 'AD' | 'detect' | 'TL';

export interface MedvisionTask {
  /** Config name without the split, alias resolved. */
  name: string;
  dataset: string;
  taskType: TaskType;
  family: TaskFamily;
  planKind: PlanKind;
  /** A/D of the cephalometric set only: which metrics the task holds. */
  metricType: 'distance' | 'angle' | undefined;
  /** 1-based position in the plan's tasks. */
  id: number;
  plane: 'Sagittal' | 'Coronal' | 'Axial';
  /** The axis that the plane cuts: Sagittal 0, Coronal 1, Axial 2. */
  sliceDim: SliceDim;
  /** Where a full config name said so. */
  split: SampleSplit | undefined;
}

const TYPES = 'BoxSize|BoxCoordinate|TumorLesionSize|BiometricsFromLandmarks|MaskSize';
/**
 * What upstream's evaluation lists append for the same samples: a size to which Qwen's pictures were brought first, a data set read from
 * disk.
 */
const VARIANT = String.raw`(?:-\d+x\d+|_local_ds|_local_ds_OOD)?`;
const NAME = new RegExp(
  String.raw`^([A-Za-z0-9][A-Za-z0-9.+-]*)_(${TYPES})(?:_(Distance|Angle))?_Task(\d{1,4})_` +
    String.raw`(Sagittal|Coronal|Axial)(?:_(Train|Test))?${VARIANT}$`,
);

const FAMILY: Record<TaskType, TaskFamily> = { BoxSize: 'detect', TumorLesionSize: 'TL', BiometricsFromLandmarks: 'AD' };

/** `where` names the list the name comes from. */
export function parseTaskName(name: string, where: string): MedvisionTask {
  const match = NAME.exec(name);
  const [, dataset = '', written = '', metric, digits = '', plane = '', split] = match ?? [];
  const id = Number(digits);
  if (match === null || id < 1 || (metric !== undefined && written !== 'BiometricsFromLandmarks')) {
    throw new UserError(
      `${where}: "${name}" is not a MedVision task. ` +
        'Expected {dataset}_{BoxSize|TumorLesionSize|BiometricsFromLandmarks}_Task01_{Sagittal|Coronal|Axial}.',
    );
  }
  if (written === 'MaskSize')
    throw new UserError(
      `${where}: "${name}" is a mask-size task, which is not built; detection, angle/distance and tumour/lesion tasks are.`,
    );
  const taskType: TaskType = written === 'BoxCoordinate' ? 'BoxSize' : (written as TaskType);
  const sliceDim: SliceDim = plane === 'Sagittal' ? 0 : plane === 'Coronal' ? 1 : 2;
  return {
    name: `${dataset}_${taskType}${metric === undefined ? '' : `_${metric}`}_Task${digits}_${plane}`,
    dataset,
    taskType,
    family: FAMILY[taskType],
    planKind: taskType === 'BoxSize' ? 'detection' : 'biometry',
    metricType: metric === 'Distance' ? 'distance' : metric === 'Angle' ? 'angle' : undefined,
    id,
    plane: plane as MedvisionTask['plane'],
    sliceDim,
    split: split === 'Train' ? 'train' : split === 'Test' ? 'test' : undefined,
  };
}

const MAX_LIST_BYTES = 8 * 2 ** 20;

/** The tasks of a list in its order. With `family`, tasks of another family are an error: they would be trained under the wrong limits. */
export async function readTaskList(platform: Platform, path: string, family?: TaskFamily): Promise<MedvisionTask[]> {
  const file = await platform.openFile(path);
  const { size } = file;
  await file.close();
  if (size > MAX_LIST_BYTES)
    throw new UserError(`${path}: ${size} bytes; a task list, JSON with a key a task, has a few thousand. Check the path.`);
  const bytes = await platform.readFile(path);
  const names = Object.keys(asObject(parseJson(bytes, path), path));
  if (names.length === 0)
    throw new UserError(`${path}: the task list is empty. Name at least one task, as {"KiTS23_TumorLesionSize_Task01_Axial": 1}.`);
  // JSON.parse keeps one of two equal keys, so a name that the text holds twice shows only in the text.
  const seen = new Map<string, string>();
  const written = [...new TextDecoder().decode(bytes).matchAll(/"([^"\\]+)"\s*:/g)].map((match) => match[1] ?? '');
  return (written.length > names.length ? written : names).map((name) => {
    const task = parseTaskName(name, path);
    const earlier = seen.get(task.name);
    if (earlier !== undefined)
      throw new UserError(
        `${path}: the task ${task.name} is listed twice${earlier === name ? '' : ` (as "${earlier}" and "${name}")`}. Remove one.`,
      );
    seen.set(task.name, name);
    if (family !== undefined && task.family !== family) {
      throw new UserError(
        `${path}: "${name}" belongs in the list of --tasks_list_json_path_${task.family}, not in that of --tasks_list_json_path_${family}.`,
      );
    }
    return task;
  });
}
