/**
 * Axes of tumours and lesions from a label mask, by the rules of MedVision's annotations 1.4.0: of every cluster the ellipse that OpenCV
 * fits to its border, left out where the border has fewer than five pixels, an axis is not finite, the longer one is below the larger of
 * 2 mm and twice the coarser size of a pixel, the shorter one is below a pixel, or the longer one is over 1.5 times the diagonal of the
 * cluster's box. Ends are whole pixels, and lengths are taken between them.
 */
import type { DrawnPoint } from '../drawn/annotation.ts';
import { clusterAxes, clusters, rounded } from '../drawn/masks.ts';
import type { Cluster } from '../drawn/masks.ts';
import { distance } from '../drawn/measured.ts';
import type { PixelSize } from '../drawn/measured.ts';
import type { SliceDim, VolumeSlice } from '../nifti.ts';

export interface Lesion {
  /** Ends of the longer, then of the shorter axis. */
  points: DrawnPoint[];
  pixels: number;
  major: number;
  minor: number;
}

export interface SliceLesions {
  /** Largest cluster first. */
  lesions: Lesion[];
  /** Clusters of the label, those counted that have no ellipse. */
  clusters: number;
}

const LEAST_MM = 2;
const LEAST_PIXELS = 2;
const MOST_OF_DIAGONAL = 1.5;

export function sliceLesions(slice: VolumeSlice, label: number, size: PixelSize): SliceLesions {
  const found = clusters(slice, label);
  const lesions = [...found]
    .sort((a, b) => b.pixels - a.pixels)
    .flatMap((cluster) => {
      const lesion = lesionOf(cluster, slice, size);
      return lesion === undefined ? [] : [lesion];
    });
  return { lesions, clusters: found.length };
}

function lesionOf(cluster: Cluster, { rows, cols }: VolumeSlice, size: PixelSize): Lesion | undefined {
  const axes = clusterAxes(cluster, size);
  if (axes === undefined || !axes.flat().every(Number.isFinite)) return undefined;
  const [a = [0, 0], b = [0, 0], c = [0, 0], d = [0, 0]] = axes;
  const major = distance(a, b, size);
  const { min, max } = cluster;
  const diagonal = Math.hypot((max[0] - min[0] + 1) * size[0], (max[1] - min[1] + 1) * size[1]);
  const isTooSmall = major < Math.max(LEAST_MM, LEAST_PIXELS * Math.max(...size)) || distance(c, d, [1, 1]) < 1;
  if (isTooSmall || major > MOST_OF_DIAGONAL * diagonal) return undefined;
  const points = axes.map(rounded);
  const isInside = ([row, column]: DrawnPoint): boolean => row >= 0 && column >= 0 && row < rows && column < cols;
  if (!points.every(isInside)) return undefined;
  const [p1 = [0, 0], p2 = [0, 0], p3 = [0, 0], p4 = [0, 0]] = points;
  return { points, pixels: cluster.pixels, major: distance(p1, p2, size), minor: distance(p3, p4, size) };
}

/** [i, j, k] of a pixel of a slice. */
export function voxelOf([row, column]: DrawnPoint, dim: SliceDim, index: number): [number, number, number] {
  if (dim === 0) return [index, row, column];
  return dim === 1 ? [row, index, column] : [row, column, index];
}

/** The metrics of a plan's slice profile. */
export function lesionMetrics({ major, minor }: Lesion, dim: SliceDim): unknown[] {
  return [
    ['L-1-2', major],
    ['L-3-4', minor],
  ].map(([key, value]) => ({
    metric_type: 'distance',
    metric_map_name: 'lines_map',
    metric_key: key,
    metric_value: value,
    metric_unit: 'mm',
    slice_dim: dim,
  }));
}
