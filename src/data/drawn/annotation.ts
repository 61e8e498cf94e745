/** What a person draws on a slice or a picture, to be measured. */

export type Shape = 'box' | 'distance' | 'angle' | 'ellipse';

/**
 * Points are pixels of the slice as it is stored (../medvision/README.md says how planes lie), [row, column], pixel centres at whole
 * numbers.
 */
export interface DrawnAnnotation {
  id: string;
  /** Id of the scan. */
  scan: string;
  /** Null: a picture. */
  plane: 'sagittal' | 'coronal' | 'axial' | null;
  /** 0 for pictures. */
  slice: number;
  shape: Shape;
  /** The structure, or the name of the measure. */
  label: string;
  /** Two for a distance; four for an angle, two of each line; none otherwise. */
  landmarks: string[];
  /**
   * box: first and last pixel, both belonging to it. distance: its ends. angle: the ends of one line, then of the other. ellipse: the ends
   * of the major axis, then of the minor one.
   */
  points: [row: number, column: number][];
}
