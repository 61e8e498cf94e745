/** A sample on its way from plan to words. */
import type { CaseInfo, PlanTask, SampleSplit } from './plan.ts';
import type { ImageFrame } from './prompt.ts';
import type { Annotation } from './sample.ts';
import type { MedvisionTask } from './tasks.ts';

/** A sample before it is worded. */
export interface SampleRecord {
  info: PlanTask;
  task: MedvisionTask;
  split: SampleSplit;
  item: CaseInfo;
  frame: ImageFrame;
  sliceIdx: number;
  /** Position among the annotations of its config, those counted that the filters drop. */
  loaderIndex: number;
  annotation: Annotation;
  /** Column and row of its landmarks (landmarks.ts), one after the other; only where a template asks for them. */
  points?: Float64Array;
}
