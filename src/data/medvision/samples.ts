/**
 * From task lists to samples: plan → case → slice → annotation → prompt and target, in a fixed order (tasks as listed, then the plan's
 * order), so that the samples of a volume are neighbours and a run can be repeated. Nothing is held but the case at hand.
 */
import type { Platform } from '../../platform.ts';
import { UserError } from '../../platform.ts';
import type { AnswerTemplate } from './answerTemplate.ts';
import { metricPrompt, metricTarget, metricValues, metrics } from './angleDistance.ts';
import { boxPrompt, boxTarget, boxValues, boxes } from './detection.ts';
import { canvasOf } from './canvas.ts';
import type { NewShape } from './canvas.ts';
import { intensityOf } from './intensity.ts';
import type { IntensityMode } from './intensity.ts';
import { LandmarkLines } from './landmarks.ts';
import { openPlan, planCases, planTask } from './plan.ts';
import type { CaseInfo, Plan, PlanCase, PlanSlice, PlanTask, SampleSplit } from './plan.ts';
import type { ImageFrame } from './prompt.ts';
import type { SampleRecord } from './record.ts';
import type { Annotation, DropReason, MedvisionSample, PromptStyle } from './sample.ts';
import { VolumeCache } from './slices.ts';
import type { MedvisionTask } from './tasks.ts';
import { ellipse, ellipsePrompt, ellipseTarget, ellipseValues } from './tumorLesion.ts';

/** The size a slice has for the model (Processor.resizedSize): the pixel size in the prompt belongs to it. */
export type ResizedSize = (height: number, width: number) => { height: number; width: number };

export interface MedvisionOptions {
  /** Default 'train'; a task that names its split keeps it. */
  split?: SampleSplit;
  /** Default 'corrected'. */
  promptStyle?: PromptStyle;
  /** Default: the reference's min-max, without looking for voxels that are not finite. */
  intensity?: IntensityMode;
  resizedSize: ResizedSize;
  /** The shape of every picture, where it is not the slice's own. */
  newShape?: NewShape | undefined;
  /** A pin: of each dataset the newest plan at or before it. Default: the newest plan there is. */
  plannerVersion?: string;
  /** Shared with whoever renders the slices; made here if absent. */
  volumes?: VolumeCache;
  /** False: with the annotations that the hub loader leaves out, several boxes or ellipses of a label among them. Default true. */
  isFiltered?: boolean;
  /** Makes another record of each before it is worded. */
  change?: (record: SampleRecord) => SampleRecord;
  /** Words prompts and answers, where it has something to say of a kind. */
  template?: AnswerTemplate;
  /** Called once for each annotation that the hub loader's filters leave out. */
  onDropped?: (reason: DropReason, task: MedvisionTask) => void;
  /** Called for each plan that is opened, to record its version. */
  onPlan?: (plan: Plan) => void;
}

/** A task of a list on its way through a plan. */
export interface TaskScan {
  task: MedvisionTask;
  info: PlanTask;
  split: SampleSplit;
  /** Annotations seen so far. */
  seen: number;
}

export type RecordOptions = Pick<MedvisionOptions, 'resizedSize' | 'newShape' | 'onDropped' | 'isFiltered' | 'template'> & {
  volumes: VolumeCache;
  isFixedSize: boolean;
  /** Of the data folder; needed with a template. */
  landmarks?: LandmarkLines;
};

export async function* medvisionSamples(
  platform: Platform,
  dataDir: string,
  tasks: readonly MedvisionTask[],
  options: MedvisionOptions,
): AsyncGenerator<MedvisionSample, void, undefined> {
  const { promptStyle = 'corrected', volumes = new VolumeCache(platform, dataDir) } = options;
  const landmarks = new LandmarkLines(platform, dataDir, options.plannerVersion);
  const recordOptions = { ...options, volumes, landmarks, isFixedSize: isFixedSize(options.resizedSize) };
  const plans = new Map<string, Plan>();
  for (const task of tasks) {
    const key = `${task.dataset}/${task.planKind}`;
    let plan = plans.get(key);
    if (plan === undefined) {
      plan = await openPlan(platform, dataDir, task.dataset, task.planKind, options.plannerVersion);
      plans.set(key, plan);
      options.onPlan?.(plan);
    }
    const scan = scanOf(plan, task, options.split);
    for await (const { item } of planCases(platform, plan, [{ task: scan.info, split: scan.split }])) {
      for (const record of await caseRecords(scan, item, recordOptions))
        yield sampleOf(options.change?.(record) ?? record, promptStyle, options.intensity, options.template);
    }
  }
}

export function scanOf(plan: Plan, task: MedvisionTask, split: SampleSplit = 'train'): TaskScan {
  return { task, info: planTask(plan, task.id), split: task.split ?? split, seen: 0 };
}

/**
 * A processor with one size for every image (MedGemma) shows in what it makes of images of different shapes. The reference treats such
 * models apart: it computes their pixel sizes in float32.
 */
export function isFixedSize(resizedSize: ResizedSize): boolean {
  const sizes = [resizedSize(224, 224), resizedSize(300, 500), resizedSize(512, 256)];
  return sizes.every(({ height, width }) => height === sizes[0]?.height && width === sizes[0].width);
}

/** The records of a case's slices along the task's plane, made as they are asked for. */
export async function caseRecords(scan: TaskScan, item: PlanCase, options: RecordOptions): Promise<Iterable<SampleRecord>> {
  const slices = item.slices(scan.task.sliceDim);
  if (slices.length === 0) return [];
  const records = sliceRecords(scan, item.info, slices, await frameOf(scan.task, item.info, options), options);
  return options.template === undefined || scan.task.taskType === 'BoxSize' ? records : withPoints(records, options.template, options);
}

/** @throws UserError where a template speaks of lines and no landmarks are known */
async function withPoints(
  records: Iterable<SampleRecord>,
  template: AnswerTemplate,
  { landmarks }: RecordOptions,
): Promise<SampleRecord[]> {
  const found: SampleRecord[] = [];
  for (const record of records) {
    const { annotation, task, item, sliceIdx, frame } = record;
    if (!template.needsLines(annotation)) {
      found.push(record);
      continue;
    }
    const of = {
      annotation,
      landmarkFile: item.landmarkFile,
      task: task.name,
      sliceDim: task.sliceDim,
      sliceIdx,
      ...(frame.canvas && { canvas: frame.canvas }),
    };
    const lines = 'others' in annotation ? [] : ((await landmarks?.of(of)) ?? []);
    if (lines.length !== (annotation.kind === 'distance' ? 1 : 2)) {
      const why =
        'others' in annotation
          ? 'rows of several ellipses have none. Leave --disable_sample_filtering out,'
          : `${item.landmarkFile ?? 'its landmark file'} has no landmarks for it. Fetch the landmark files of ${task.dataset},`;
      throw new UserError(
        `${item.where}, slice ${sliceIdx}: the answer template speaks of lines, and ${why} or leave lines and cosine out of the template.`,
      );
    }
    found.push({ ...record, points: Float64Array.from(lines.flatMap((line) => line.flatMap(({ x, y }) => [x, y]))) });
  }
  return found;
}

function* sliceRecords(
  scan: TaskScan,
  item: CaseInfo,
  slices: readonly PlanSlice[],
  frame: ImageFrame,
  { onDropped, isFiltered = true }: Pick<RecordOptions, 'onDropped' | 'isFiltered'>,
): Generator<SampleRecord, void, undefined> {
  const { task, info, split } = scan;
  for (const slice of slices) {
    for (const found of annotations(info, slice, task, frame, isFiltered)) {
      const loaderIndex = scan.seen++;
      if (typeof found === 'string') onDropped?.(found, task);
      else yield { info, task, split, item, frame, sliceIdx: slice.index, loaderIndex, annotation: found };
    }
  }
}

async function frameOf(task: MedvisionTask, item: CaseInfo, options: RecordOptions): Promise<ImageFrame> {
  const rowAxis = task.sliceDim === 0 ? 1 : 0;
  const colAxis = task.sliceDim === 2 ? 1 : 2;
  const height = item.shape[rowAxis];
  const width = item.shape[colAxis];
  const canvas = options.newShape && canvasOf(options.newShape, height, width);
  const resized = options.resizedSize(canvas?.height ?? height, canvas?.width ?? width);
  const frame: ImageFrame = {
    height,
    width,
    resizedHeight: resized.height,
    resizedWidth: resized.width,
    pixelHeight: NaN,
    pixelWidth: NaN,
    isFloat32: false,
    ...(canvas && { canvas }),
  };
  // Boxes can be had without the volumes, on another machine than theirs; where a volume is there, it has to be the right one.
  if (task.taskType !== 'BoxSize' || (await options.volumes.exists(item.imageFile))) {
    const header = await options.volumes.header(item.imageFile);
    if (header.shape.some((size, axis) => size !== item.shape[axis])) {
      throw new UserError(
        `${header.path}: the volume is ${header.shape.join('×')}, ${item.where} says ${item.shape.join('×')}. ` +
          'It is not the volume that was annotated; fetch it again.',
      );
    }
    // The reference takes pixel sizes from the volume, not from the plan.
    frame.pixelHeight = header.zooms[rowAxis];
    frame.pixelWidth = header.zooms[colAxis];
    frame.isFloat32 = options.isFixedSize && header.version === 1;
  }
  return frame;
}

function* annotations(
  info: PlanTask,
  slice: PlanSlice,
  task: MedvisionTask,
  frame: ImageFrame,
  isFiltered: boolean,
): Generator<Annotation | DropReason, void, undefined> {
  switch (task.taskType) {
    case 'BoxSize':
      yield* boxes(info, slice, frame, isFiltered);
      break;
    case 'TumorLesionSize':
      yield ellipse(info, slice, frame, isFiltered);
      break;
    case 'BiometricsFromLandmarks':
      for (const metric of metrics(info, slice)) if (task.metricType === undefined || metric.kind === task.metricType) yield metric;
  }
}

/** @param intensity of the picture, where it is not the reference's @param template words prompt and target anew */
export function sampleOf(record: SampleRecord, style: PromptStyle, intensity?: IntensityMode, template?: AnswerTemplate): MedvisionSample {
  const { info, task, split, item, frame, sliceIdx, loaderIndex, annotation } = record;
  const plain = worded(info, annotation, frame, style);
  return {
    taskType: task.taskType,
    task: task.name,
    split,
    dataset: task.dataset,
    caseId: item.id,
    imageFile: item.imageFile,
    maskFile: item.maskFile,
    landmarkFile: item.landmarkFile,
    ...(info.imageModality !== '' && { modality: info.imageModality }),
    sliceDim: task.sliceDim,
    sliceIdx,
    height: frame.canvas?.height ?? frame.height,
    width: frame.canvas?.width ?? frame.width,
    ...(frame.canvas && { canvas: frame.canvas }),
    loaderIndex,
    annotation,
    ...(intensity !== undefined && {
      intensity: intensityOf(intensity, info.imageModality, 'labelName' in annotation ? annotation.labelName : '', task.dataset),
    }),
    ...plain,
    ...template?.worded(record, plain),
  };
}

function worded(
  info: PlanTask,
  found: Annotation,
  frame: ImageFrame,
  style: PromptStyle,
): Pick<MedvisionSample, 'prompt' | 'target' | 'values'> {
  switch (found.kind) {
    case 'box': {
      const values = boxValues(found, frame, style);
      return { prompt: boxPrompt(info, found, frame, style), target: boxTarget(values, frame, style), values };
    }
    case 'ellipse': {
      const values = ellipseValues(found, style);
      return { prompt: ellipsePrompt(info, found, frame, style), target: ellipseTarget(values, style), values };
    }
    case 'distance':
    case 'angle': {
      const values = metricValues(found, style);
      return { prompt: metricPrompt(info, found, frame, style), target: metricTarget(values, style), values };
    }
  }
}
