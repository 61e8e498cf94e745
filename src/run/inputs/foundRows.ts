import type { PlanRecord } from '../../data/medvision/plan.ts';
import type { Question } from '../../train/evaluation.ts';
import type { RowList } from '../../train/sources.ts';
import type { LeftOut } from '../../train/trainer.ts';

/** Rows that can be told apart and counted; examples are made of them later. */
export interface FoundRows {
  train: RowList;
  /** Held-out rows, where there are some. */
  validation?: RowList;
  /** What the answer of a validation row is measured by, where it is MedVision's. */
  validationQuestion?: (index: number) => Promise<Question | undefined>;
  /** Which annotations rows of task lists come from. */
  plans?: readonly PlanRecord[];
  /** Where rows are left out. */
  leftOut?: LeftOut;
  /** Where volumes and prepared rows are read from. */
  dataDir?: string;
  preparedDir?: string;
}
