/** What of dropped files is taken into a project, and what is said of them. */
import type { DrawnAnnotation } from '../../src/data/drawn/annotation.ts';
import type { Labels } from '../../src/data/drawn/labels.ts';
import type { GivenRows, Scan } from '../studio/project.ts';

export interface Imported {
  scans: Scan[];
  /** Rows, where files of rows were among them. */
  given: GivenRows | null;
  labels: Labels[];
  /** On the scans: what the plans of a data folder say. */
  annotations: DrawnAnnotation[];
  /** What could not be taken, and why, each beginning with the file's name. */
  problems: string[];
  /** What one should know of what was taken. */
  notes: string[];
  /** What is to be set right before anything is measured. */
  warnings: string[];
}

export type Tell = (name: string, done: number, all: number) => Promise<void>;
