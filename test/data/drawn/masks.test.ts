/** Boxes and axes made from the embedded sample's masks are those of its plans, which MedVision's planner wrote. */
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { fitEllipse, outerBorder } from '../../../src/data/drawn/ellipseFit.ts';
import { clusters, ellipseAxes, labelsOf } from '../../../src/data/drawn/masks.ts';
import type { Cluster } from '../../../src/data/drawn/masks.ts';
import { acuteAngle, distance } from '../../../src/data/drawn/measured.ts';
import { openVolume } from '../../../src/data/nifti.ts';
import type { SliceDim, Volume, VolumeSlice } from '../../../src/data/nifti.ts';

const folder = fileURLToPath(new URL('../../../node/sample/Datasets/Colin27Mini/', import.meta.url));

interface Case {
  case_ID: string;
  mask_file: string;
  landmark_file: string;
  slice_profiles_x: PlanSlice[];
  slice_profiles_y: PlanSlice[];
  slice_profiles_z: PlanSlice[];
}
interface PlanSlice {
  slice_idx: number;
  slice_profile: unknown[];
}
interface Task {
  target_label?: number;
  cluster_size_threshold?: number;
  train_cases: Case[];
  test_cases: Case[];
}

const read = <T>(file: string): T => JSON.parse(gunzipSync(readFileSync(folder + file)).toString()) as T;
const casesOf = (task: Task): Case[] => [...task.train_cases, ...task.test_cases];
const AXES = ['x', 'y', 'z'] as const;
const sizeOf = ({ zooms }: Volume, dim: SliceDim): [number, number] => [zooms[dim === 0 ? 1 : 0], zooms[dim === 2 ? 1 : 2]];

it('every box of every label on every slice', async () => {
  let count = 0;
  for (const task of read<{ tasks: Task[] }>('benchmark_plan_detection_v1.0.0.json.gz').tasks) {
    for (const item of casesOf(task)) {
      const mask = await openVolume(nodePlatform, folder + item.mask_file);
      for (const [dim, axis] of AXES.entries()) {
        const made: PlanSlice[] = [];
        for (let index = 0; index < (mask.shape[dim] ?? 0); index++) {
          const slice = await mask.slice(dim as SliceDim, index);
          const profile = labelsOf(slice, 'mask').map((label) => ({
            label,
            bboxes: clusters(slice, label).map(({ min, max }) => ({ min_coords: min, max_coords: max })),
          }));
          if (profile.length > 0) made.push({ slice_idx: index, slice_profile: profile });
        }
        count += made.length;
        expect(item[`slice_profiles_${axis}`]).toMatchObject(made);
        expect(made.length).toBe(item[`slice_profiles_${axis}`].length);
      }
    }
  }
  expect(count).toBeGreaterThan(200);
});

interface Landmarks {
  P1: number[];
  P2: number[];
  P3: number[];
  P4: number[];
  ROI_pixels_count: number;
}

interface Ellipses {
  points: number[][];
  pixels: number;
}

/** All ellipses of the sample: where they are, those of the plan, those made here, and those that the planner's mix-up makes of ours. */
async function ellipses(): Promise<{ place: string; isSquare: boolean; planned: Ellipses[]; made: Ellipses[]; mixedUp: number[][][] }[]> {
  const task = read<{ tasks: Task[] }>('benchmark_plan_biometry_v1.0.0.json.gz').tasks[0]!;
  const found = [];
  for (const item of casesOf(task)) {
    const mask = await openVolume(nodePlatform, folder + item.mask_file);
    const landmarks = read<Record<string, { slice_idx: number; landmarks: Landmarks[] }[]>>(item.landmark_file);
    for (const [dim, axis] of AXES.entries()) {
      const size = sizeOf(mask, dim as SliceDim);
      for (let index = 0; index < (mask.shape[dim] ?? 0); index++) {
        const slice = await mask.slice(dim as SliceDim, index);
        const wanted = landmarks[`slice_landmarks_${axis}`]!.find(({ slice_idx: at }) => at === index)?.landmarks ?? [];
        const all = clusters(slice, task.target_label!);
        const made = ellipseAxes(all, slice, size, task.cluster_size_threshold!);
        if (made.length === 0 && wanted.length === 0) continue;
        found.push({
          place: `${item.case_ID} ${axis} ${index}`,
          isSquare: size[0] === size[1],
          planned: wanted.map(({ P1, P2, P3, P4, ROI_pixels_count: pixels }) => ({
            points: [P1, P2, P3, P4].map((place) => place.filter((_, i) => i !== dim)),
            pixels,
          })),
          made,
          mixedUp: all.filter(({ pixels }) => pixels >= task.cluster_size_threshold!).map((cluster) => plannersPoints(cluster, size)),
        });
      }
    }
  }
  return found;
}

/** The fit with the two sizes of a pixel mixed up, and the axes brought back by one size each, whichever way they lie. */
function plannersPoints({ isIn, start }: Cluster, [rowSize, columnSize]: [number, number]): number[][] {
  const fitted = fitEllipse(outerBorder(isIn, start).map(([row, column]) => [column * rowSize, row * columnSize] as const))!;
  const [centreColumn, centreRow] = [fitted.centre[0] / rowSize, fitted.centre[1] / columnSize];
  const [a, b] = [fitted.axes[0] / rowSize / 2, fitted.axes[1] / columnSize / 2];
  const [cos, sin] = [Math.cos(fitted.angle), Math.sin(fitted.angle)];
  const ends = (row: number, column: number): number[][] =>
    [
      [centreRow + row, centreColumn + column],
      [centreRow - row, centreColumn - column],
    ]
      .sort((one, other) => other[0]! - one[0]! || other[1]! - one[1]!)
      .map((point) => point.map(Math.round));
  const lines = [ends(a * sin, a * cos), ends(b * cos, -b * sin)];
  return (a >= b ? lines : lines.reverse()).flat();
}

it('every axis of an ellipse, where pixels are square', async () => {
  const square = (await ellipses()).filter(({ isSquare }) => isSquare);
  expect(square.length).toBeGreaterThanOrEqual(10);
  for (const { place, planned, made } of square) expect(made, place).toEqual(planned);
});

it('where they are not, the planner mixes up their two sizes, and axes differ', async () => {
  const oblong = (await ellipses()).filter(({ isSquare }) => !isSquare);
  // Slices on which the planner's axes leave the cluster's box where the right ones do not, and the other way round.
  expect(oblong.filter(({ planned }) => planned.length === 0).map(({ place }) => place)).toEqual(['k03-bet-1x1x15mm-deep x 61']);
  expect(oblong.filter(({ made }) => made.length === 0).map(({ place }) => place)).toEqual(['k03-bet-1x1x15mm-deep y 1']);
  const planned = oblong.filter((one) => one.planned.length > 0);
  expect(planned.map(({ place }) => place.slice(-4))).toEqual(['x 62', ' y 1', ' y 2', ' y 4', ' y 7']);
  // The plan's points come out of the fit when the sizes are mixed up, so that is the whole difference.
  for (const { place, planned: own, mixedUp } of planned)
    expect(mixedUp, place).toEqual(expect.arrayContaining(own.map(({ points }) => points)));
});

it('an ellipse of known axes, on oblong pixels', () => {
  const [rows, cols] = [80, 80];
  const size: [number, number] = [0.5, 2];
  const values = new Float64Array(rows * cols);
  const turn = Math.PI / 36; // of further turned ones the planner's rule leaves out many: their ends lie deep inside the box
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < cols; column++) {
      const [y, x] = [(row - 40) * size[0], (column - 40) * size[1]];
      const [along, across] = [x * Math.cos(turn) + y * Math.sin(turn), y * Math.cos(turn) - x * Math.sin(turn)];
      if ((along / 15) ** 2 + (across / 8) ** 2 <= 1) values[row * cols + column] = 7;
    }
  const slice: VolumeSlice = { values, rows, cols };
  const [found] = ellipseAxes(clusters(slice, 7), slice, size, 60);
  const [p1, p2, p3, p4] = found!.points;
  expect(Math.abs(distance(p1, p2, size) - 30)).toBeLessThan(2.1); // border pixels lie inside, and ends are whole pixels of 2 mm
  expect(Math.abs(distance(p3, p4, size) - 16)).toBeLessThan(2.1);
});

it('an ellipse through five points is the only one there is (cv2.fitEllipse)', () => {
  const five = [[0, 1], [1, 0], [2, 1], [1, 2], [0, 2]] as const; // prettier-ignore
  const { centre, axes } = fitEllipse(five)!;
  for (const [found, wanted] of [[centre[0], 1], [centre[1], 1], [axes[0], 1.632993], [axes[1], 2.828427]] as const) // prettier-ignore
    expect(Math.abs(found - wanted)).toBeLessThan(1e-5);
  expect(fitEllipse(five.slice(1))).toBeUndefined();
});

it('labels are whole numbers', () => {
  const slice = (...values: number[]): VolumeSlice => ({ values: new Float64Array(values), rows: 1, cols: values.length });
  expect(labelsOf(slice(0, 3, 1, 3), 'm.nii')).toEqual([1, 3]);
  for (const wrong of [1.5, -1, NaN, 70000])
    expect(() => labelsOf(slice(0, wrong), 'm.nii')).toThrow(/^m\.nii: row 0, column 1 is .*whole numbers from 0 to 65535/);
});

it('clusters touch by their sides, not by corners', () => {
  const slice: VolumeSlice = { values: new Float64Array([1, 0, 1, 1, 1, 0, 0, 1, 0]), rows: 3, cols: 3 };
  const at = clusters(slice, 1).map(({ min, max, pixels }) => ({ min, max, pixels }));
  expect(at).toEqual([
    { min: [0, 0], max: [2, 1], pixels: 4 },
    { min: [0, 2], max: [0, 2], pixels: 1 },
  ]);
});

interface MetricTask extends Task {
  lines_map: Record<string, { element_keys: [string, string] }>;
  angles_map: Record<string, { element_keys: [string, string] }>;
}

it('distances and angles of landmarks are those of the plan', async () => {
  const task = read<{ tasks: MetricTask[] }>('benchmark_plan_biometry_v1.0.0.json.gz').tasks[1]!;
  const count = { distance: 0, angle: 0 };
  for (const item of casesOf(task)) {
    const image = await openVolume(nodePlatform, folder + (item as unknown as { image_file: string }).image_file);
    const landmarks = read<Record<string, { slice_idx: number; landmarks: Record<string, number[]> }[]>>(item.landmark_file);
    for (const [dim, axis] of AXES.entries())
      for (const { slice_idx: index, slice_profile: profile } of item[`slice_profiles_${axis}`])
        for (const metric of profile as { metric_type: 'distance' | 'angle'; metric_key: string; metric_value: number }[]) {
          const lines = metric.metric_type === 'distance' ? [metric.metric_key] : task.angles_map[metric.metric_key]!.element_keys;
          const names = lines.flatMap((line) => task.lines_map[line]!.element_keys);
          const held = landmarks[`slice_landmarks_${axis}`]!.find(
            (slice) => slice.slice_idx === index && names.every((name) => name in slice.landmarks),
          )!.landmarks;
          const points = names.map((name) => held[name]!.filter((_, i) => i !== dim) as [number, number]);
          const size = sizeOf(image, dim as SliceDim);
          const value = metric.metric_type === 'distance' ? distance(points[0]!, points[1]!, size) : acuteAngle(points, size);
          expect(Math.abs(value - metric.metric_value), `${item.case_ID} ${metric.metric_key}`).toBeLessThan(2e-5);
          count[metric.metric_type]++;
        }
  }
  expect(count.distance).toBeGreaterThan(20);
  expect(count.angle).toBeGreaterThan(5);
});
