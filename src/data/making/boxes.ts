/**
 * Boxes of a label mask as MedVision's planner writes them into detection plans (medvision_ds/utils/benchmark_planner.py): clusters of a
 * label that touch by their sides, on every slice of the three planes, and by their faces in the volume. The last pixel belongs to a box.
 */
import { clusters } from '../drawn/masks.ts';
import type { SliceDim, Volume, VolumeSlice } from '../nifti.ts';

export interface PlanBox {
  min_coords: number[];
  max_coords: number[];
  /** Rounded down. */
  center_coords: number[];
  /** Pixels or voxels. */
  dimensions: number[];
  /** mm */
  sizes: number[];
}

/** Of a slice or of the whole volume. */
export interface LabelBoxes {
  label: number;
  bboxes: PlanBox[];
}

export function planBox(min: readonly number[], max: readonly number[], spacing: readonly number[]): PlanBox {
  const dimensions = min.map((first, axis) => (max[axis] ?? 0) - first + 1);
  return {
    min_coords: [...min],
    max_coords: [...max],
    center_coords: min.map((first, axis) => Math.floor((first + (max[axis] ?? 0)) / 2)),
    dimensions,
    sizes: dimensions.map((size, axis) => size * (spacing[axis] ?? NaN)),
  };
}

/** mm along rows and columns of a plane's slices. */
export function sliceSpacing(zooms: readonly [number, number, number], dim: SliceDim): [number, number] {
  return [zooms[dim === 0 ? 1 : 0], zooms[dim === 2 ? 1 : 2]];
}

/** @param labels of those that are on the slice, the ones that the plan names */
export function sliceBoxes(slice: VolumeSlice, labels: readonly number[], spacing: readonly [number, number]): LabelBoxes[] {
  return labels.map((label) => ({ label, bboxes: clusters(slice, label).map(({ min, max }) => planBox(min, max, spacing)) }));
}

/** A run of voxels of one label along the first axis. */
interface Run {
  label: number;
  from: number;
  to: number;
  /** Of `Clusters`. */
  cluster: number;
}

/** Clusters that turn out to be one are joined (union–find). */
class Clusters {
  private readonly parents: number[] = [];
  private readonly boxes: { label: number; min: number[]; max: number[]; first: number }[] = [];

  add(label: number, min: number[], max: number[], first: number): number {
    this.boxes.push({ label, min, max, first });
    return this.parents.push(this.parents.length) - 1;
  }

  root(cluster: number): number {
    let at = cluster;
    while (this.parents[at] !== at) at = this.parents[at] = this.parents[this.parents[at]!]!;
    return at;
  }

  join(a: number, b: number): void {
    const [one, other] = [this.root(a), this.root(b)];
    if (one === other) return;
    const [kept, gone] = [this.boxes[one]!, this.boxes[other]!];
    this.parents[other] = one;
    kept.min = kept.min.map((value, axis) => Math.min(value, gone.min[axis]!));
    kept.max = kept.max.map((value, axis) => Math.max(value, gone.max[axis]!));
    kept.first = Math.min(kept.first, gone.first);
  }

  /** Those of a label, in the order of their first voxels (the last axis fastest). */
  of(label: number): { min: number[]; max: number[] }[] {
    return this.boxes.filter((box, at) => box.label === label && this.parents[at] === at).sort((a, b) => a.first - b.first);
  }
}

/** Boxes in the volume, of clusters that touch by their faces. Takes the memory of two slices' runs. */
export async function volumeBoxes(mask: Volume, wanted: ReadonlySet<number>): Promise<LabelBoxes[]> {
  const { shape, zooms } = mask;
  const [, nj, nk] = shape;
  const found = new Clusters();
  let below: Run[][] = [];
  for (let k = 0; k < nk; k++) {
    const { values, cols } = await mask.slice(2, k);
    const here: Run[][] = [];
    for (let j = 0; j < nj; j++) {
      const runs = runsOf(values, cols, j, shape[0], wanted);
      for (const run of runs) {
        run.cluster = found.add(run.label, [run.from, j, k], [run.to, j, k], (run.from * nj + j) * nk + k);
        for (const other of here[j - 1] ?? []) if (touches(run, other)) found.join(other.cluster, run.cluster);
        for (const other of below[j] ?? []) if (touches(run, other)) found.join(other.cluster, run.cluster);
      }
      here.push(runs);
    }
    below = here;
  }
  return [...wanted]
    .sort((a, b) => a - b)
    .map((label) => ({ label, bboxes: found.of(label).map(({ min, max }) => planBox(min, max, zooms)) }))
    .filter(({ bboxes }) => bboxes.length > 0);
}

const touches = (a: Run, b: Run): boolean => a.label === b.label && a.from <= b.to && b.from <= a.to;

function runsOf(values: Float64Array, cols: number, j: number, ni: number, wanted: ReadonlySet<number>): Run[] {
  const runs: Run[] = [];
  for (let i = 0, at = j; i < ni; i++, at += cols) {
    const label = values[at] ?? 0;
    if (label === 0 || !wanted.has(label)) continue;
    const last = runs.at(-1);
    if (last !== undefined && last.label === label && last.to === i - 1) last.to = i;
    else runs.push({ label, from: i, to: i, cluster: -1 });
  }
  return runs;
}
