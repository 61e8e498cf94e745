/**
 * Where the voxels of a NIfTI volume lie: the affine as nibabel chooses it (sform, else qform, else the voxel sizes), the directions of its
 * axes (nibabel.orientations.io_orientation, for axes without shear), and the way to RAS+, the order in which MedVision keeps its volumes.
 */

/** Voxel indices (i, j, k, 1) to mm (right, anterior, superior, 1): four rows of four. */
export type Affine = readonly (readonly number[])[];

/** What of a header says where voxels lie; the names are NIfTI's. */
export interface SpaceFields {
  qform_code: number;
  sform_code: number;
  quatern_b: number;
  quatern_c: number;
  quatern_d: number;
  qoffset_x: number;
  qoffset_y: number;
  qoffset_z: number;
  /** −1 in the first: the third axis is turned round. */
  pixDims: readonly number[];
  /** The sform, row by row; what follows the first twelve numbers is ignored. */
  sform: readonly number[];
}

/**
 * @param shape voxels along i, j, k
 * @param zooms mm along them, positive
 */
export function affineOf(fields: SpaceFields, shape: readonly number[], zooms: readonly [number, number, number]): Affine {
  const { sform } = fields;
  if (fields.sform_code > 0) return [sform.slice(0, 4), sform.slice(4, 8), sform.slice(8, 12), [0, 0, 0, 1]];
  if (fields.qform_code > 0) return quaternionAffine(fields, zooms);
  // nibabel's default: the first axis runs to the left, the origin is the middle of the volume.
  const signs = [-1, 1, 1];
  const rows = zooms.map((zoom, axis) => {
    const step = zoom * (signs[axis] ?? 1);
    return [0, 1, 2].map((at) => (at === axis ? step : 0)).concat(-step * (((shape[axis] ?? 1) - 1) / 2));
  });
  return [...rows, [0, 0, 0, 1]];
}

function quaternionAffine(fields: SpaceFields, zooms: readonly [number, number, number]): Affine {
  const { quatern_b: b, quatern_c: c, quatern_d: d } = fields;
  const a = Math.sqrt(Math.max(0, 1 - (b * b + c * c + d * d)));
  const turned = [
    [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
    [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
    [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
  ];
  // The length of what is stored may differ from 1 by its rounding.
  const length = a * a + b * b + c * c + d * d;
  const sizes = [zooms[0], zooms[1], zooms[2] * ((fields.pixDims[0] ?? 1) < 0 ? -1 : 1)];
  const offsets = [fields.qoffset_x, fields.qoffset_y, fields.qoffset_z];
  const rows = turned.map((row, at) => [...row.map((value, axis) => (value / length) * (sizes[axis] ?? 1)), offsets[at] ?? 0]);
  return [...rows, [0, 0, 0, 1]];
}

/** Which way each axis of the voxels runs. */
export interface Orientation {
  /** Of axis i, j, k: 0 for left–right, 1 for posterior–anterior, 2 for inferior–superior; each once. */
  axes: [number, number, number];
  /** Of axis i, j, k: −1 where it runs to the left, back or down. */
  signs: [number, number, number];
}

export function orientationOf(affine: Affine): Orientation {
  const axes: [number, number, number] = [0, 1, 2];
  const signs: [number, number, number] = [1, 1, 1];
  const free = new Set([0, 1, 2]);
  const found = ([0, 1, 2] as const).map((axis) => {
    const steps = [0, 1, 2].map((row) => affine[row]?.[axis] ?? 0);
    return { axis, steps, clarity: Math.max(...steps.map(Math.abs)) / Math.hypot(...steps) };
  });
  // The axis whose direction is clearest chooses first.
  for (const { axis, steps } of found.sort((a, b) => b.clarity - a.clarity)) {
    const along = [...free].reduce((best, row) => (Math.abs(steps[row] ?? 0) > Math.abs(steps[best] ?? 0) ? row : best));
    free.delete(along);
    axes[axis] = along;
    signs[axis] = (steps[along] ?? 0) < 0 ? -1 : 1;
  }
  return { axes, signs };
}

const LETTERS = [
  ['L', 'R'],
  ['P', 'A'],
  ['I', 'S'],
] as const;

/** ["R", "A", "S"]: where each axis runs to (nibabel.aff2axcodes). */
export function axisCodes({ axes, signs }: Orientation): string[] {
  return axes.map((axis, at) => LETTERS[axis]?.[(signs[at] ?? 1) < 0 ? 0 : 1] ?? '');
}

export const isRas = ({ axes, signs }: Orientation): boolean =>
  axes.every((axis, at) => axis === at) && signs.every((sign) => sign === 1);

/** A volume in RAS+, and how its voxels are found in the stored one. */
export interface RasSpace {
  shape: [number, number, number];
  zooms: [number, number, number];
  affine: Affine;
  /** Of the axes to the right, forwards and up: the stored axis, and whether it is turned round. */
  from: [StoredAxis, StoredAxis, StoredAxis];
}

export interface StoredAxis {
  axis: 0 | 1 | 2;
  isTurned: boolean;
}

/** Axes are exchanged and turned round, nothing is resampled (nibabel.as_closest_canonical). */
export function rasSpace(shape: readonly [number, number, number], zooms: readonly [number, number, number], affine: Affine): RasSpace {
  const { axes, signs } = orientationOf(affine);
  const from = ([0, 1, 2] as const).map((out): StoredAxis => {
    const axis = axes.indexOf(out) as 0 | 1 | 2;
    return { axis, isTurned: signs[axis] < 0 };
  }) as RasSpace['from'];
  const rows = [0, 1, 2].map((row) => {
    const stored = affine[row] ?? [];
    // The first voxel along a turned axis is the last stored one.
    const offset = from.reduce((sum, { axis, isTurned }) => sum + (isTurned ? (stored[axis] ?? 0) * (shape[axis] - 1) : 0), stored[3] ?? 0);
    return [...from.map(({ axis, isTurned }) => (stored[axis] ?? 0) * (isTurned ? -1 : 1)), offset];
  });
  return {
    shape: from.map(({ axis }) => shape[axis]) as RasSpace['shape'],
    zooms: from.map(({ axis }) => zooms[axis]) as RasSpace['zooms'],
    affine: [...rows, [0, 0, 0, 1]],
    from,
  };
}

/** A stored place in the RAS+ volume. @param place i, j, k, fractions allowed */
export function toRas(place: readonly number[], shape: readonly [number, number, number], { from }: RasSpace): [number, number, number] {
  return from.map(({ axis, isTurned }) => {
    const at = place[axis] ?? NaN;
    return isTurned ? shape[axis] - 1 - at : at;
  }) as [number, number, number];
}

/** Voxel indices of a place in mm (right, anterior, superior), fractions kept; undefined for an affine that has no inverse. */
export function voxelAt(affine: Affine, mm: readonly number[]): [number, number, number] | undefined {
  const [a = [], b = [], c = []] = affine;
  const cross = (u: readonly number[], v: readonly number[]): [number, number, number] => [
    (u[1] ?? 0) * (v[2] ?? 0) - (u[2] ?? 0) * (v[1] ?? 0),
    (u[2] ?? 0) * (v[0] ?? 0) - (u[0] ?? 0) * (v[2] ?? 0),
    (u[0] ?? 0) * (v[1] ?? 0) - (u[1] ?? 0) * (v[0] ?? 0),
  ];
  const rows = [cross(b, c), cross(c, a), cross(a, b)];
  const determinant = (rows[0] ?? []).reduce((sum, value, at) => sum + value * (a[at] ?? 0), 0);
  if (!(Math.abs(determinant) > 0)) return undefined;
  const rest = [a, b, c].map((row, at) => (mm[at] ?? NaN) - (row[3] ?? 0));
  // The inverse of rows a, b, c has these cross products as its columns.
  return [0, 1, 2].map((axis) => rows.reduce((sum, column, at) => sum + column[axis]! * (rest[at] ?? NaN), 0) / determinant) as [
    number,
    number,
    number,
  ];
}
