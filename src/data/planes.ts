/** The planes of a volume in RAS+, by the axis that a slice cuts: the words of prompts, rows, options and file names. */
export const PLANES = ['sagittal', 'coronal', 'axial'] as const;
export type Plane = (typeof PLANES)[number];
