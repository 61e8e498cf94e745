/**
 * Distances and angles between landmarks, as plans have them: measured on a slice that all their landmarks lie on, by the rules of
 * src/data/drawn/measured.ts (lengths are index differences times the size of a voxel; angles are the acute ones). Within its slice a
 * landmark may lie between voxels.
 */
import type { DrawnPoint } from '../drawn/annotation.ts';
import { acuteAngle, distance } from '../drawn/measured.ts';
import type { SliceDim } from '../nifti.ts';
import { sliceSpacing } from './boxes.ts';
import type { Description, Measure } from './description.ts';

/** By key (P1, …): i, j, k of the RAS+ volume, voxel centres at whole numbers, to hundredths. */
export type CaseLandmarks = ReadonlyMap<string, readonly [number, number, number]>;

const lineKey = (from: string, to: string): string => `L-${from.slice(1)}-${to.slice(1)}`;
const angleKey = (points: readonly string[]): string =>
  `A-L_${points
    .slice(0, 2)
    .map((point) => point.slice(1))
    .join('_')}-L_${points
    .slice(2)
    .map((point) => point.slice(1))
    .join('_')}`;

export const measureKey = ({ kind, points }: Measure): string =>
  kind === 'distance' ? lineKey(points[0] ?? '', points[1] ?? '') : angleKey(points);

/** lines_map and angles_map of a plan's task. */
export function measureMaps({ measures }: Pick<Description, 'measures'>): {
  lines_map: Record<string, unknown>;
  angles_map: Record<string, unknown>;
} {
  const lines: Record<string, unknown> = {};
  const angles: Record<string, unknown> = {};
  const line = (from: string, to: string, name: string): void => {
    const key = lineKey(from, to);
    if (name !== '' || !(key in lines)) lines[key] = { name, element_keys: [from, to], element_map_name: 'landmarks_map' };
  };
  for (const measure of measures) {
    const [a = '', b = '', c = '', d = ''] = measure.points;
    if (measure.kind === 'distance') {
      line(a, b, measure.name);
      continue;
    }
    line(a, b, '');
    line(c, d, '');
    angles[measureKey(measure)] = { name: measure.name, element_keys: [lineKey(a, b), lineKey(c, d)], element_map_name: 'lines_map' };
  }
  return { lines_map: lines, angles_map: angles };
}

export interface Metric {
  measure: Measure;
  dim: SliceDim;
  slice: number;
  value: number;
}

/** A measure on each plane that its landmarks share a slice of; `offSlice` are those that share none, or whose ends are at one place. */
export function caseMetrics(
  landmarks: CaseLandmarks,
  measures: readonly Measure[],
  shape: readonly [number, number, number],
  zooms: readonly [number, number, number],
): { metrics: Metric[]; offSlice: Measure[] } {
  const metrics: Metric[] = [];
  const offSlice: Measure[] = [];
  for (const measure of measures) {
    const places = measure.points.flatMap((key) => landmarks.get(key) ?? []);
    if (places.length !== 3 * measure.points.length) continue; // not all of them were set on this case
    const points = measure.points.map((key) => landmarks.get(key) ?? [NaN, NaN, NaN]);
    const found = ([0, 1, 2] as const).flatMap((dim): Metric[] => {
      const slices = new Set(points.map((point) => Math.round(point[dim])));
      const [slice = -1] = slices;
      // A plane of one row or column shows nothing.
      const isFlat = shape.some((size, axis) => axis !== dim && size === 1);
      if (slices.size !== 1 || slice < 0 || slice >= shape[dim] || isFlat) return [];
      const flat = points.map((point): DrawnPoint => [point[dim === 0 ? 1 : 0] ?? NaN, point[dim === 2 ? 1 : 2] ?? NaN]);
      const size = sliceSpacing(zooms, dim);
      const [a = [0, 0], b = [0, 0], c = [0, 0], d = [0, 0]] = flat;
      // Both ends at one place: no line.
      if (distance(a, b, size) === 0 || (measure.kind === 'angle' && distance(c, d, size) === 0)) return [];
      return [{ measure, dim, slice, value: measure.kind === 'distance' ? distance(a, b, size) : acuteAngle(flat, size) }];
    });
    if (found.length === 0) offSlice.push(measure);
    metrics.push(...found);
  }
  return { metrics, offSlice };
}

/** An entry of `slice_profiles_x|y|z`. */
export function metricProfile({ measure, dim, slice, value }: Metric): unknown {
  return {
    slice_idx: slice,
    slice_profile: [
      {
        metric_type: measure.kind,
        metric_map_name: measure.kind === 'distance' ? 'lines_map' : 'angles_map',
        metric_key: measureKey(measure),
        metric_value: value,
        metric_unit: measure.kind === 'distance' ? 'mm' : 'degree',
        slice_dim: dim,
      },
    ],
  };
}

/** The file of a case: by plane and slice, the landmarks that its metrics use there. */
export function landmarkFile(landmarks: CaseLandmarks, metrics: readonly Metric[]): Record<string, unknown[]> {
  const planes = ['x', 'y', 'z'].map((axis, dim): [string, unknown[]] => {
    const slices = new Map<number, Set<string>>();
    for (const metric of metrics) {
      if (metric.dim !== dim) continue;
      const keys = slices.get(metric.slice) ?? new Set();
      for (const key of metric.measure.points) keys.add(key);
      slices.set(metric.slice, keys);
    }
    const entries = [...slices].map(([index, keys]) => ({
      slice_idx: index,
      landmarks: Object.fromEntries(
        [...keys].map((key) => [key, (landmarks.get(key) ?? []).map((at, axisAt) => (axisAt === dim ? index : at))]),
      ),
    }));
    return [`slice_landmarks_${axis}`, entries];
  });
  return Object.fromEntries(planes);
}
