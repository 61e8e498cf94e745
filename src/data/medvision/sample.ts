/** What one MedVision sample is, whichever of the three tasks it comes from, and what its prompt needs to know of the image. */
import type { Message } from '../example.ts';
import type { SliceDim } from '../nifti.ts';
import { PLANES } from '../planes.ts';
import type { Canvas } from './canvas.ts';
import type { Intensity } from './intensity.ts';
import type { SampleSplit } from './plan.ts';
import type { TaskType } from './tasks.ts';

/**
 * `reference` is medvision_bm to the character, its defects included, for comparison with published runs. `corrected` is the default; what
 * it changes is listed, with examples, in README.md.
 */
export type PromptStyle = 'reference' | 'corrected';

/**
 * Pixel coordinates are [row, column], both from the upper-left corner; the last row and column of a box belong to it. `others` are further
 * boxes or ellipses of the label on the slice, which only `--disable_sample_filtering true` lets through: the largest stands in the
 * annotation itself, then they follow by size, all in one answer.
 */
export type Annotation =
  | { kind: 'box'; label: number; labelName: string; min: [number, number]; max: [number, number]; others?: BoxCorners[] }
  | {
      kind: 'ellipse';
      label: number;
      labelName: string;
      major: number;
      minor: number;
      unit: string;
      /** Pixels are not square, or the axes are swapped, under a planner that had the spacings transposed: the lengths may be wrong. */
      isSuspect: boolean;
      others?: Axes[];
    }
  | { kind: 'distance' | 'angle'; key: string; name: string; value: number; unit: string; landmarks: string[] };

export interface BoxCorners {
  min: [number, number];
  max: [number, number];
}

/** Lengths of an ellipse's axes, as the plan calls them. */
export interface Axes {
  major: number;
  minor: number;
}

/** Why the hub loader leaves an annotation out. */
export type DropReason = 'more_than_one_box' | 'box_under_10px' | 'more_than_one_ellipse' | 'empty_annotation';

export interface MedvisionSample {
  taskType: TaskType;
  /** Config name without the split. */
  task: string;
  split: SampleSplit;
  dataset: string;
  caseId: string;
  /** Relative to the data dir. It is also the key by which samples are grouped into volumes. */
  imageFile: string;
  maskFile: string | undefined;
  landmarkFile: string | undefined;
  /** As the plan says: MRI, CT, …; absent where it says nothing. Summaries count by it. */
  modality?: string;
  /** How its picture is made; absent: as the reference does. */
  intensity?: Intensity;
  sliceDim: SliceDim;
  sliceIdx: number;
  /** Pixels of the picture, which is the slice, or the canvas: rows and columns. */
  height: number;
  width: number;
  /** Where the slice lies on its picture, where it is not the picture; annotations are in pixels of the slice. */
  canvas?: Canvas;
  /** Position among the annotations of its config, those counted that the filters drop. */
  loaderIndex: number;
  annotation: Annotation;
  prompt: string;
  target: string;
  /**
   * The answer as numbers, before rounding to text. BoxSize: x1, y1, x2, y2 relative to the image, origin lower left; TumorLesionSize:
   * major and minor axis; BiometricsFromLandmarks: one length or angle. Of several boxes or ellipses those of each, one after the other.
   */
  values: number[];
}

/** How many numbers an answer has; of several boxes or ellipses, each of them. */
export const ANSWER_LENGTH: Record<TaskType, 1 | 2 | 4> = { BoxSize: 4, TumorLesionSize: 2, BiometricsFromLandmarks: 1 };

/** The conversation of a sample, as medvision_bm formats it. */
export function sampleMessages(sample: MedvisionSample): Message[] {
  return [
    { role: 'user', content: [{ type: 'image' }, { type: 'text', text: sample.prompt }] },
    { role: 'assistant', content: [{ type: 'text', text: sample.target }] },
  ];
}

/** Where a slice is from, in words. */
export function slicePlace(caseId: string, sliceDim: number, sliceIdx: number): string {
  return `${caseId}, ${PLANES[sliceDim] ?? 'axis'} slice ${sliceIdx}`;
}
