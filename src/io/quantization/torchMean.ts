/**
 * The mean of float32 values in torch's own order of additions (ATen's SumKernel on a CPU with AVX2, one thread): eight running sums of a
 * vector, in four interleaved rows, cascaded in levels so that no sum grows long. bitsandbytes' offset is such a mean, and its last bit
 * decides bytes further on.
 */
const LANES = 8;
const ROWS = 4;
const LEVELS = 4;

export function torchMean(values: Float32Array): number {
  const { fround } = Math;
  // Fewer than a vector are interleaved one by one.
  const lanes = values.length < LANES ? 1 : LANES;
  const vectors = Math.floor(values.length / lanes);
  let sum = 0;
  for (let i = vectors * lanes; i < values.length; i++) sum = fround(sum + values[i]!);
  for (const lane of rowSum(values, vectors, lanes)) sum = fround(sum + lane);
  return fround(sum / values.length);
}

/** (lanes): the sum of `vectors` vectors. */
function rowSum(values: Float32Array, vectors: number, lanes: number): Float32Array {
  const whole = Math.floor(vectors / ROWS);
  const sums = cascade(values, whole, ROWS * lanes);
  for (let vector = whole * ROWS; vector < vectors; vector++) {
    for (let lane = 0; lane < lanes; lane++) sums[lane] = sums[lane]! + values[vector * lanes + lane]!;
  }
  for (let row = 1; row < ROWS; row++) {
    for (let lane = 0; lane < lanes; lane++) sums[lane] = sums[lane]! + sums[row * lanes + lane]!;
  }
  return sums.subarray(0, lanes);
}

/** (width): the column sums of values (size, width). Stores to float32 arrays round. */
function cascade(values: Float32Array, size: number, width: number): Float32Array {
  const power = Math.max(4, Math.floor(Math.ceil(Math.log2(Math.max(size, 1))) / LEVELS));
  const step = 2 ** power;
  const levels = Array.from({ length: LEVELS }, () => new Float32Array(width));
  const first = levels[0]!;
  const addRow = (row: number): void => {
    for (let column = 0; column < width; column++) first[column] = first[column]! + values[row * width + column]!;
  };
  let row = 0;
  while (row + step <= size) {
    for (const end = row + step; row < end; row++) addRow(row);
    for (let level = 1; level < LEVELS; level++) {
      moveUp(levels[level - 1]!, levels[level]!);
      levels[level - 1]!.fill(0);
      if (Math.floor(row / step ** level) % step !== 0) break;
    }
  }
  for (; row < size; row++) addRow(row);
  for (let level = 1; level < LEVELS; level++) moveUp(levels[level]!, first);
  return first;
}

function moveUp(from: Float32Array, to: Float32Array): void {
  for (let i = 0; i < to.length; i++) to[i] = to[i]! + from[i]!;
}
