/**
 * From task lists to samples: plan → case → slice → annotation → prompt and target, in a fixed order (tasks as listed, then the plan's order), so
 * that the samples of a volume are neighbours and a run can be repeated. Nothing is held but the case at hand.
 */
import type { Platform } from '../../platform.ts';
import { UserError } from '../../platform.ts';
import { metricPrompt, metricTarget, metricValues, metrics } from './angleDistance.ts';
import { boxPrompt, boxTarget, boxValues, boxes } from './detection.ts';
import { openPlan, planCases, planTask } from './plan.ts';
import type { Plan, PlanCase, PlanSlice, PlanTask, SampleSplit } from './plan.ts';
import type { ImageFrame } from './prompt.ts';
import type { Annotation, DropReason, MedvisionSample, PromptStyle } from './sample.ts';
import { VolumeCache } from './slices.ts';
import type { MedvisionTask } from './tasks.ts';
import { ellipse, ellipsePrompt, ellipseTarget, ellipseValues } from './tumorLesion.ts';

export interface MedvisionOptions {
  /** Default 'train'; a task that names its split keeps it. */
  split?: SampleSplit;
  /** Default 'corrected'. */
  promptStyle?: PromptStyle;
  /** The size a slice has for the model (Processor.resizedSize): the pixel size in the prompt belongs to it. */
  resizedSize: (height: number, width: number) => { height: number; width: number };
  /** The model resizes every image to one size (MedGemma). Only reference style asks: there it computes pixel sizes in float32. */
  isFixedSize?: boolean;
  /** Default: the newest plan of each dataset. */
  plannerVersion?: string;
  /** Shared with whoever renders the slices; made here if absent. */
  volumes?: VolumeCache;
  /** Called once for each annotation that the hub loader's filters leave out. */
  onDropped?: (reason: DropReason, task: MedvisionTask) => void;
  /** Called for each plan that is opened, to record its version. */
  onPlan?: (plan: Plan) => void;
}

export async function* medvisionSamples(
  platform: Platform,
  dataDir: string,
  tasks: readonly MedvisionTask[],
  options: MedvisionOptions,
): AsyncGenerator<MedvisionSample, void, undefined> {
  const volumes = options.volumes ?? new VolumeCache(platform, dataDir);
  const plans = new Map<string, Plan>();
  for (const task of tasks) {
    const key = `${task.dataset}/${task.planKind}`;
    let plan = plans.get(key);
    if (plan === undefined) {
      plan = await openPlan(platform, dataDir, task.dataset, task.planKind, options.plannerVersion);
      plans.set(key, plan);
      options.onPlan?.(plan);
    }
    yield* taskSamples(platform, volumes, plan, task, options);
  }
}

async function* taskSamples(
  platform: Platform,
  volumes: VolumeCache,
  plan: Plan,
  task: MedvisionTask,
  options: MedvisionOptions,
): AsyncGenerator<MedvisionSample, void, undefined> {
  const info = planTask(plan, task.id);
  const split = task.split ?? options.split ?? 'train';
  const style = options.promptStyle ?? 'corrected';
  const rowAxis = task.sliceDim === 0 ? 1 : 0;
  const colAxis = task.sliceDim === 2 ? 1 : 2;
  let loaderIndex = 0;
  for await (const item of planCases(platform, plan, info, split)) {
    const slices = item.slices(task.sliceDim);
    if (slices.length === 0) continue;
    const height = item.shape[rowAxis];
    const width = item.shape[colAxis];
    const resized = options.resizedSize(height, width);
    const frame: ImageFrame = {
      height,
      width,
      resizedHeight: resized.height,
      resizedWidth: resized.width,
      pixelHeight: NaN,
      pixelWidth: NaN,
      isFloat32: false,
    };
    if (task.taskType !== 'BoxSize') {
      // The reference takes pixel sizes from the volume, not from the plan.
      const header = await matchingHeader(volumes, item);
      frame.pixelHeight = header.zooms[rowAxis];
      frame.pixelWidth = header.zooms[colAxis];
      frame.isFloat32 = (options.isFixedSize ?? false) && header.version === 1;
    }
    for (const slice of slices) {
      for (const found of annotations(info, slice, task, frame)) {
        const index = loaderIndex++;
        if (typeof found === 'string') {
          options.onDropped?.(found, task);
          continue;
        }
        yield {
          taskType: task.taskType,
          task: task.name,
          split,
          dataset: task.dataset,
          caseId: item.id,
          imageFile: item.imageFile,
          maskFile: item.maskFile,
          landmarkFile: item.landmarkFile,
          sliceDim: task.sliceDim,
          sliceIdx: slice.index,
          height,
          width,
          loaderIndex: index,
          annotation: found,
          ...worded(info, found, frame, style),
        };
      }
    }
  }
}

async function matchingHeader(volumes: VolumeCache, item: PlanCase): ReturnType<VolumeCache['header']> {
  const header = await volumes.header(item.imageFile);
  if (header.shape.some((size, axis) => size !== item.shape[axis])) {
    throw new UserError(
      `${header.path}: the volume is ${header.shape.join('×')}, ${item.where} says ${item.shape.join('×')}. ` +
        'It is not the volume that was annotated; fetch it again.',
    );
  }
  return header;
}

function* annotations(
  info: PlanTask,
  slice: PlanSlice,
  task: MedvisionTask,
  frame: ImageFrame,
): Generator<Annotation | DropReason, void, undefined> {
  switch (task.taskType) {
    case 'BoxSize':
      yield* boxes(info, slice, frame.height, frame.width);
      break;
    case 'TumorLesionSize':
      yield ellipse(info, slice);
      break;
    case 'BiometricsFromLandmarks':
      for (const metric of metrics(info, slice)) if (task.metricType === undefined || metric.kind === task.metricType) yield metric;
  }
}

function worded(info: PlanTask, found: Annotation, frame: ImageFrame, style: PromptStyle): Pick<MedvisionSample, 'prompt' | 'target' | 'values'> {
  switch (found.kind) {
    case 'box': {
      const values = boxValues(found, frame.height, frame.width, style);
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
