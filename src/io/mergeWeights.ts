/**
 * The arithmetic of merging LoRA into a weight: W + s·BA, and with DoRA m · (W + s·BA) / ‖W + s·BA‖ for every row. It follows PEFT's
 * `merge_and_unload` on a CPU operation by operation, because a sum of two large numbers that nearly cancel shows every difference in
 * rounding: the product adds up over the rank in order, each step a fused multiply-add; then come the scale, the sum, the norm, each
 * rounded to float32.
 */

/** One module's low-rank update. */
export interface LowRankUpdate {
  rank: number;
  scaling: number;
  /** (R, C) */
  a: Float32Array;
  /** (F, R) */
  b: Float32Array;
  /** DoRA: (F) length of every row after the merge. */
  magnitude?: Float32Array;
}

/**
 * Merges rows in place.
 * @param weight (rows, C) consecutive rows of W in float32, the first of them row `rowStart`
 * @param width C
 */
export function mergeRows(weight: Float32Array, width: number, rowStart: number, update: LowRankUpdate): void {
  const { rank, magnitude } = update;
  const scaling = Math.fround(update.scaling);
  const delta = new Float32Array(width);
  for (let row = 0; row * width < weight.length; row++) {
    const w = weight.subarray(row * width, (row + 1) * width);
    const b = update.b.subarray((rowStart + row) * rank, (rowStart + row + 1) * rank);
    multiplyRow(delta, b, update.a);
    for (let j = 0; j < width; j++) w[j] = w[j]! + Math.fround(scaling * delta[j]!);
    if (magnitude) {
      const factor = Math.fround(magnitude[rowStart + row]! / rowNorm(w));
      for (let j = 0; j < width; j++) w[j] = factor * w[j]!;
    }
  }
}

/** Terms of a sum that MKL, torch's matrix product on a CPU, adds up before it starts another sum. */
const BLOCK_TERMS = 192;

/** delta (C) = b (R) · a (R, C). High ranks are summed in blocks, and the blocks added up. */
function multiplyRow(delta: Float32Array, b: Float32Array, a: Float32Array): void {
  const block = b.length <= BLOCK_TERMS ? b.length : Math.min(BLOCK_TERMS, Math.floor(b.length / 2));
  multiplyBlock(delta, b, a, 0, block);
  if (block === b.length) return;
  const part = new Float32Array(delta.length);
  for (let first = block; first < b.length; first += block) {
    multiplyBlock(part, b, a, first, Math.min(b.length, first + block));
    for (let j = 0; j < delta.length; j++) delta[j] = delta[j]! + part[j]!;
  }
}

/**
 * out (C) = the terms `first` to `end` of b (R) · a (R, C). A float32 product is exact in a double, so one rounding of the sum is a fused
 * multiply-add (but for the rare case where the double's own rounding lands on a tie).
 */
function multiplyBlock(out: Float32Array, b: Float32Array, a: Float32Array, first: number, end: number): void {
  const width = out.length;
  const { fround } = Math;
  out.fill(0);
  let k = first;
  // Four at a time: the running sum then stays in a register.
  for (; k + 4 <= end; k += 4) {
    const [b0, b1, b2, b3] = [b[k]!, b[k + 1]!, b[k + 2]!, b[k + 3]!];
    const [a0, a1, a2, a3] = [k * width, (k + 1) * width, (k + 2) * width, (k + 3) * width];
    for (let j = 0; j < width; j++) {
      const two = fround(fround(out[j]! + b0 * a[a0 + j]!) + b1 * a[a1 + j]!);
      out[j] = fround(two + b2 * a[a2 + j]!) + b3 * a[a3 + j]!;
    }
  }
  for (; k < end; k++) {
    const bk = b[k]!;
    for (let j = 0; j < width; j++) out[j] = out[j]! + bk * a[k * width + j]!;
  }
}

/** Euclidean norm in the order of torch's vector kernel: eight running sums, added up one after the other, then what is left over. */
function rowNorm(row: Float32Array): number {
  const { fround } = Math;
  const lanes = new Float32Array(8);
  const whole = row.length - (row.length % 8);
  for (let j = 0; j < whole; j++) lanes[j & 7] = lanes[j & 7]! + fround(row[j]! * row[j]!);
  let sum = lanes[0]!;
  for (let lane = 1; lane < 8; lane++) sum = fround(sum + lanes[lane]!);
  for (let j = whole; j < row.length; j++) sum = fround(sum + fround(row[j]! * row[j]!));
  return fround(Math.sqrt(sum));
}
