/** A MedVision data folder, written case by case: volumes, masks, landmarks, plans and task lists in upstream's format. */
import { UserError, countOf, firstOf, joinPath } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import type { ScanChoice } from '../dicom/scan.ts';
import { gzipped } from '../niftiWrite.ts';
import type { PictureBox } from './boxFiles.ts';
import { detectionOfBoxes, detectionOfMask, landmarksIn, lesionsOfMask, named, volumeOf } from './cases.ts';
import type { DetectionProfiles, Profiles } from './cases.ts';
import { storedMask, storedScan, volumeInfo } from './caseVolume.ts';
import type { Stored, VolumeInfo } from './caseVolume.ts';
import type { Description, Measure } from './description.ts';
import type { PlacedLandmark } from './landmarkFiles.ts';
import { caseMetrics, landmarkFile, measureKey, measureMaps, metricProfile } from './landmarkMetrics.ts';
import type { Metric } from './landmarkMetrics.ts';
import { PlanFile } from './planFile.ts';

/** The annotations' rules (src/data/making/lesions.ts), and the version in the plans' names. */
export const PLAN_VERSION = '1.4.0';

/** What is known of a case before its files are read. */
export interface SourceCase {
  id: string;
  /** Paths. */
  image: string;
  mask: string | undefined;
  landmarks: readonly PlacedLandmark[] | undefined;
  boxes: readonly PictureBox[] | undefined;
  side: 'train' | 'test';
}

export interface DatasetWork {
  platform: Platform;
  /** Gets `Datasets/<dataset>`. */
  out: string;
  description: Description;
  /** Training cases first. */
  cases: readonly SourceCase[];
  /** Of folders of DICOM with several series or volumes: what to take in each. */
  choice?: ScanChoice;
  stop: AbortSignal;
  say: (text: string) => void;
  onCase?: (done: number) => void;
}

/** Names of tasks by kind, without planes: what may stand in a task list. */
export interface WrittenTasks {
  detection: string[];
  lesions: string[];
  metrics: string[];
}

interface CaseEntry {
  case_ID: string;
  image_file: string;
  mask_file?: string;
  landmark_file?: string;
  image_file_info: VolumeInfo;
  mask_file_info?: VolumeInfo;
}

type PlannedCase = CaseEntry & Profiles & Partial<DetectionProfiles>;

/** A task's cases in memory: those of lesions and landmarks are small. */
interface Gathered {
  train: PlannedCase[];
  test: PlannedCase[];
}

const EMPTY = named([[], [], []]);

/** @returns undefined when it was stopped; what is there then is no data set, for its plans come last */
export async function writeDataset(work: DatasetWork): Promise<WrittenTasks | undefined> {
  const { platform, out, description, cases, stop, say } = work;
  const folder = joinPath(out, 'Datasets', description.dataset);
  const hasBoxes = cases.some(({ mask, boxes }) => mask !== undefined || boxes !== undefined) && description.labels.size > 0;
  const lesions = new Map(description.targets.map((label): [number, Gathered] => [label, { train: [], test: [] }]));
  const metrics: Gathered = { train: [], test: [] };
  const measured = new Measured();
  const unnamed = new Set<number>();
  const detection = hasBoxes ? await PlanFile.create(platform, planPath(folder, 'detection')) : undefined;
  try {
    await detection?.write(detectionHead(description, cases));
    let side = 'train';
    let isFirst = true;
    for (const [done, item] of cases.entries()) {
      if (stop.aborted) {
        await detection?.abort();
        return undefined;
      }
      if (side !== item.side) {
        side = item.side;
        isFirst = true;
        await detection?.write(testHead(cases));
      }
      const found = await writeCase(work, item, folder);
      if (found.detection !== undefined) {
        await detection?.write(`${isFirst ? '' : ','}${JSON.stringify(found.detection)}`);
        isFirst = false;
      }
      for (const [label, entry] of found.lesions) lesions.get(label)?.[item.side].push(entry);
      if (found.metrics !== undefined) metrics[item.side].push(found.metrics);
      measured.add(item.id, found.measured, found.offSlice);
      for (const label of found.unnamed) unnamed.add(label);
      work.onCase?.(done + 1);
    }
    if (side === 'train') await detection?.write(testHead(cases));
    await detection?.write(']}]}');
  } catch (error) {
    await detection?.abort();
    throw error;
  }
  for (const text of measured.notes()) say(text);
  if (unnamed.size > 0) say(unnamedNote([...unnamed].sort((a, b) => a - b)));
  const biometry = biometryTasks(description, lesions, metrics, measured);
  await detection?.commit();
  if (biometry.length > 0) await writePlan(platform, planPath(folder, 'biometry'), description, biometry);
  const id = (at: number): string => `Task${String(at + 1).padStart(2, '0')}`;
  return {
    detection: hasBoxes ? [`${description.dataset}_BoxSize_Task01`] : [],
    lesions: description.targets.map((_, at) => `${description.dataset}_TumorLesionSize_${id(at)}`),
    metrics:
      biometry.length > description.targets.length
        ? [`${description.dataset}_BiometricsFromLandmarks_${id(description.targets.length)}`]
        : [],
  };
}

const planPath = (folder: string, kind: string): string => joinPath(folder, `benchmark_plan_${kind}_v${PLAN_VERSION}.json.gz`);

interface FoundInCase {
  detection: PlannedCase | undefined;
  lesions: [number, PlannedCase][];
  metrics: PlannedCase | undefined;
  measured: Metric[];
  offSlice: Measure[];
  /** Values of the mask that have no name. */
  unnamed: ReadonlySet<number>;
}

function unnamedNote(labels: readonly number[]): string {
  const shown = `${labels.slice(0, 8).join(', ')}${labels.length > 8 ? `, … (${labels.length} in all)` : ''}`;
  return `Left out, since labels_map has no name for ${labels.length > 1 ? 'them' : 'it'}: ${shown} in the masks.`;
}

/** Copies the case's files and looks at them. */
async function writeCase(work: DatasetWork, item: SourceCase, folder: string): Promise<FoundInCase> {
  const { platform, description, choice = {}, say } = work;
  const { pixelSize } = description;
  const image = await storedScan(platform, item.image, pixelSize, choice);
  for (const note of image.notes) say(note);
  checkPixelSize(item, image, description);
  const entry: CaseEntry = { case_ID: item.id, image_file: `Images/${item.id}.nii.gz`, image_file_info: volumeInfo(image) };
  await platform.writeFile(joinPath(folder, entry.image_file), image.bytes);
  const found: FoundInCase = { detection: undefined, lesions: [], metrics: undefined, measured: [], offSlice: [], unnamed: new Set() };

  if (item.mask !== undefined) {
    const stored = await storedMask(platform, item.mask, image, item.image);
    entry.mask_file = `Masks/${item.id}_seg.nii.gz`;
    entry.mask_file_info = volumeInfo(stored);
    await platform.writeFile(joinPath(folder, entry.mask_file), stored.bytes);
    const mask = await volumeOf(stored, item.mask);
    const { profiles: boxes, unnamed } = await detectionOfMask(mask, description, item.mask);
    found.detection = { ...entry, ...boxes };
    found.unnamed = unnamed;
    for (const label of description.targets) {
      const { profiles, landmarks } = await lesionsOfMask(mask, label);
      const file = `Landmarks-Label${label}/${item.id}.json.gz`;
      await writeJson(platform, joinPath(folder, file), landmarks);
      found.lesions.push([label, { ...entry, landmark_file: file, ...profiles }]);
    }
  } else if (item.boxes !== undefined) found.detection = { ...entry, ...detectionOfBoxes(item.boxes, description, image, item.image) };

  if (item.landmarks !== undefined) {
    const landmarks = landmarksIn(item.landmarks, image, `${item.image}, landmarks`);
    const { metrics, offSlice } = caseMetrics(landmarks, description.measures, image.space.shape, image.space.zooms);
    const { case_ID, image_file, image_file_info } = entry;
    const file = `Landmarks/${item.id}.json.gz`;
    await writeJson(platform, joinPath(folder, file), landmarkFile(landmarks, metrics));
    const planes = [0, 1, 2].map((dim) => metrics.filter((one) => one.dim === dim).map(metricProfile));
    found.metrics = { case_ID, image_file, landmark_file: file, image_file_info, ...named(planes) };
    found.measured = metrics;
    found.offSlice = offSlice;
  }
  return found;
}

function checkPixelSize(item: SourceCase, { isUnitless, isPicture }: Stored, { targets, measures }: Description): void {
  // Across the slices of a volume an angle asks for mm too.
  const isMeasured = targets.length > 0 || measures.some(({ kind }) => kind === 'distance' || !isPicture);
  if (!isUnitless || !isMeasured) return;
  throw new UserError(
    isPicture
      ? `${item.image} is a picture, which says no mm. Write "pixel_size": [mm down, mm right] into the labels file, or measure boxes ` +
          'and angles alone.'
      : `${item.image} does not say how many mm a voxel has along each axis. Say it in ImageJ (Image › Properties) and save it, save the ` +
          'scan as NIfTI, NRRD or MHA, or measure boxes alone.',
  );
}

async function writeJson(platform: Platform, path: string, value: unknown): Promise<void> {
  await platform.writeFile(path, gzipped(new TextEncoder().encode(JSON.stringify(value, undefined, 4))));
}

function planFrame({ dataset }: Description, tasks: number): string {
  const info = { dataset, dataset_website: '', dataset_data: [], license: [], paper: [] };
  return `{"dataset_info":${JSON.stringify(info)},"tasks_number":${tasks},"tasks":[`;
}

/** What all tasks say of the images. */
function imageFields({ modality, imageDescription }: Description): Record<string, unknown> {
  return {
    image_modality: modality,
    image_description: imageDescription,
    image_folder: 'Images',
    image_prefix: '',
    image_suffix: '.nii.gz',
  };
}

const MASK_FIELDS = { mask_folder: 'Masks', mask_prefix: '', mask_suffix: '_seg.nii.gz' };

const detectable = (cases: readonly SourceCase[], side: 'train' | 'test'): number =>
  cases.filter((one) => one.side === side && (one.mask !== undefined || one.boxes !== undefined)).length;

function detectionHead(description: Description, cases: readonly SourceCase[]): string {
  const task = {
    task_ID: '01',
    task_type: 'detection',
    ...imageFields(description),
    ...MASK_FIELDS,
    labels_map: Object.fromEntries(description.labels),
  };
  const open = JSON.stringify(task).slice(0, -1);
  return `${planFrame(description, 1)}${open},"train_cases_number":${detectable(cases, 'train')},"train_cases":[`;
}

const testHead = (cases: readonly SourceCase[]): string => `],"test_cases_number":${detectable(cases, 'test')},"test_cases":[`;

function biometryTasks(description: Description, lesions: Map<number, Gathered>, metrics: Gathered, measured: Measured): unknown[] {
  const { labels, landmarks, measures } = description;
  const counted = ({ train, test }: Gathered): unknown => ({
    train_cases_number: train.length,
    train_cases: train.map((one) => ({ ...EMPTY, ...one })),
    test_cases_number: test.length,
    test_cases: test.map((one) => ({ ...EMPTY, ...one })),
  });
  const tasks: unknown[] = [...lesions].map(([label, gathered], at) => ({
    task_ID: String(at + 1).padStart(2, '0'),
    task_type: 'biometry',
    ...imageFields(description),
    ...MASK_FIELDS,
    landmark_folder: `Landmarks-Label${label}`,
    landmark_prefix: '',
    landmark_suffix: '.json.gz',
    labels_map: Object.fromEntries(labels),
    ...ELLIPSE_MAPS,
    target_label: label,
    ...(counted(gathered) as object),
  }));
  if (metrics.train.length + metrics.test.length > 0) {
    tasks.push({
      task_ID: String(tasks.length + 1).padStart(2, '0'),
      task_type: 'biometry',
      ...imageFields(description),
      landmark_folder: 'Landmarks',
      landmark_prefix: '',
      landmark_suffix: '.json.gz',
      landmarks_map: Object.fromEntries(landmarks),
      ...measureMaps({ measures }),
      biometrics_map: measured.map(measures),
      ...(counted(metrics) as object),
    });
  }
  return tasks;
}

const ELLIPSE_MAPS = {
  landmarks_map: {
    P1: 'first endpoint of the major axis',
    P2: 'second endpoint of the major axis',
    P3: 'first endpoint of the minor axis',
    P4: 'second endpoint of the minor axis',
  },
  lines_map: {
    'L-1-2': { name: 'major axis of the fitted ellipse', element_keys: ['P1', 'P2'], element_map_name: 'landmarks_map' },
    'L-3-4': { name: 'minor axis of the fitted ellipse', element_keys: ['P3', 'P4'], element_map_name: 'landmarks_map' },
  },
  angles_map: {},
  biometrics_map: ['L-1-2', 'L-3-4'].map((key) => ({ metric_type: 'distance', metric_map_name: 'lines_map', metric_key: key })),
};

async function writePlan(platform: Platform, path: string, description: Description, tasks: readonly unknown[]): Promise<void> {
  const file = await PlanFile.create(platform, path);
  try {
    await file.write(planFrame(description, tasks.length));
    for (const [at, task] of tasks.entries()) await file.write(`${at === 0 ? '' : ','}${JSON.stringify(task)}`);
    await file.write(']}');
  } catch (error) {
    await file.abort();
    throw error;
  }
  await file.commit();
}

/** Which measures were found on which planes, and which could not be measured. */
class Measured {
  private readonly planes = new Map<string, Set<number>>();
  private readonly off = new Map<string, { measure: Measure; cases: string[] }>();

  add(id: string, metrics: readonly Metric[], offSlice: readonly Measure[]): void {
    for (const { measure, dim } of metrics) {
      const key = measureKey(measure);
      this.planes.set(key, (this.planes.get(key) ?? new Set()).add(dim));
    }
    for (const measure of offSlice) {
      const key = measureKey(measure);
      const found = this.off.get(key) ?? { measure, cases: [] };
      found.cases.push(id);
      this.off.set(key, found);
    }
  }

  /** biometrics_map of the plan. */
  map(measures: readonly Measure[]): unknown[] {
    return measures.flatMap((measure) =>
      [...(this.planes.get(measureKey(measure)) ?? [])].sort().map((dim) => ({
        metric_type: measure.kind,
        metric_map_name: measure.kind === 'distance' ? 'lines_map' : 'angles_map',
        metric_key: measureKey(measure),
        slice_dim: dim,
      })),
    );
  }

  notes(): string[] {
    return [...this.off.values()].map(
      ({ measure, cases }) =>
        `${measure.kind === 'distance' ? 'The distance' : 'The angle'} "${measure.name || measureKey(measure)}" is left out of ` +
        `${countOf(cases.length, 'case')} (${firstOf(cases, 3)}): its landmarks lie on no ` +
        'common slice, or two of them at one place. MedVision measures on slices.',
    );
  }
}
