/**
 * The ellipse of a cluster of pixels as OpenCV gives it, which MedVision's planner uses: the outer border (findContours, RETR_EXTERNAL,
 * CHAIN_APPROX_NONE; S. Suzuki and K. Abe, Topological structural analysis of digitized binary images by border following, 1985), and the
 * least-squares ellipse through it (fitEllipse: a general conic for the centre, then again for the axes).
 */

/** Steps to the eight neighbours, [row, column], against the clock from the right. */
const STEPS = [
  [0, 1],
  [-1, 1],
  [-1, 0],
  [-1, -1],
  [0, -1],
  [1, -1],
  [1, 0],
  [1, 1],
] as const;

type Place = readonly [number, number];

/**
 * Border pixels in their order, [row, column]; a pixel that the border passes twice comes twice.
 * @param isIn whether a pixel belongs to the cluster; false outside the slice
 * @param start the cluster's first pixel, by rows
 */
export function outerBorder(isIn: (row: number, column: number) => boolean, start: Place): Place[] {
  const step = ([row, column]: Place, direction: number): Place => {
    const [down, right] = STEPS[direction & 7] ?? [0, 0];
    return [row + down, column + right];
  };
  const isSame = (a: Place, b: Place): boolean => a[0] === b[0] && a[1] === b[1];
  // Clockwise from the left, where nothing is: the pixel that the border comes back from.
  let direction = 4;
  do direction = (direction - 1) & 7;
  while (direction !== 4 && !isIn(...step(start, direction)));
  if (direction === 4) return [start];
  const last = step(start, direction);
  const border: Place[] = [];
  let at = start;
  for (;;) {
    do direction = (direction + 1) & 7;
    while (!isIn(...step(at, direction)));
    border.push(at);
    const next = step(at, direction);
    if (isSame(next, start) && isSame(at, last)) return border;
    at = next;
    direction = (direction + 4) & 7; // from where it came
  }
}

export interface FittedEllipse {
  centre: [number, number];
  /** Whole lengths, the shorter first. */
  axes: [number, number];
  /** Of the shorter axis, from the first coordinate towards the second, in radians. */
  angle: number;
}

/** Undefined for points that lie on no ellipse (fewer than five, or all on a line). */
export function fitEllipse(points: readonly Place[]): FittedEllipse | undefined {
  const n = points.length;
  if (n < 5) return undefined;
  const mean = ([0, 1] as const).map((i) => points.reduce((sum, point) => sum + point[i], 0) / n);
  const [cx = 0, cy = 0] = mean;
  const spread = points.reduce((sum, [x, y]) => sum + Math.abs(x - cx) + Math.abs(y - cy), 0);
  if (!(spread > 0)) return undefined;
  const scale = 100 / spread;
  const scaled = points.map(([x, y]) => [(x - cx) * scale, (y - cy) * scale] as const);
  const conic = leastSquares(
    scaled.map(([x, y]) => [-x * x, -y * y, -x * y, x, y]),
    10_000,
  );
  if (conic === undefined) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = conic;
  // Where the conic's derivatives vanish.
  const determinant = 4 * a * b - c * c;
  if (!(Math.abs(determinant) > 0)) return undefined;
  const [mx, my] = [(2 * b * d - c * e) / determinant, (2 * a * e - c * d) / determinant];
  const axes = leastSquares(
    scaled.map(([x, y]) => [(x - mx) ** 2, (y - my) ** 2, (x - mx) * (y - my)]),
    1,
  );
  if (axes === undefined) return undefined;
  const [p = 0, q = 0, r = 0] = axes;
  const turn = -0.5 * Math.atan2(r, q - p);
  const difference = Math.abs(r) > 1e-8 ? r / Math.sin(-2 * turn) : q - p;
  const half = (value: number): number => (Math.abs(value) > 1e-8 ? Math.sqrt(2 / Math.abs(value)) / scale : NaN);
  const [one, other] = [2 * half(p + q - difference), 2 * half(p + q + difference)];
  if (!(one > 0) || !(other > 0) || !Number.isFinite(one + other)) return undefined;
  const isTurned = one > other;
  return {
    centre: [mx / scale + cx, my / scale + cy],
    axes: isTurned ? [other, one] : [one, other],
    angle: isTurned ? Math.PI / 2 + turn : 0,
  };
}

/** x for which the rows times x come nearest to `right`, by Householder's reflections; undefined where that is no single x. */
function leastSquares(rows: readonly (readonly number[])[], right: number): number[] | undefined {
  const columns = rows[0]?.length ?? 0;
  const matrix = rows.map((row) => [...row, right]);
  const sizes = Array.from({ length: columns }, (_, j) => Math.sqrt(matrix.reduce((sum, row) => sum + (row[j] ?? 0) ** 2, 0)));
  for (let j = 0; j < columns; j++) {
    const below = matrix.slice(j);
    const norm = Math.sqrt(below.reduce((sum, row) => sum + (row[j] ?? 0) ** 2, 0));
    // What the columns before say already leaves nothing.
    if (!(norm > 1e-10 * (sizes[j] ?? 0))) return undefined;
    const pivot = below[0]?.[j] ?? 0;
    const reflector = below.map((row) => row[j] ?? 0);
    reflector[0] = pivot + (pivot < 0 ? -norm : norm);
    const square = reflector.reduce((sum, value) => sum + value * value, 0);
    for (let k = j; k <= columns; k++) {
      const factor = (2 * below.reduce((sum, row, i) => sum + (reflector[i] ?? 0) * (row[k] ?? 0), 0)) / square;
      for (const [i, row] of below.entries()) row[k] = (row[k] ?? 0) - factor * (reflector[i] ?? 0);
    }
  }
  const x = new Array<number>(columns).fill(0);
  for (let j = columns - 1; j >= 0; j--) {
    const row = matrix[j] ?? [];
    let rest = row[columns] ?? 0;
    for (let k = j + 1; k < columns; k++) rest -= (row[k] ?? 0) * (x[k] ?? 0);
    x[j] = rest / (row[j] ?? NaN);
  }
  return x.every(Number.isFinite) ? x : undefined;
}
