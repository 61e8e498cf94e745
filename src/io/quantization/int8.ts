/**
 * Bytes for an embedding table, for which NF4 is too coarse: every row is divided by its largest magnitude and rounded to −127…127, a scale
 * (f32) a row. A value is the byte times the scale, one rounding in float32; it is at most half a step, 1/254 of the row's largest value,
 * from what it was.
 */
export interface Int8Rows {
  /** (rows · size) */
  codes: Int8Array<ArrayBuffer>;
  /** (rows) */
  scales: Float32Array;
}

/** @param values (rows, size) */
export function quantizeRows(values: Float32Array, size: number): Int8Rows {
  const codes = new Int8Array(values.length);
  const scales = new Float32Array(values.length / size);
  for (let row = 0; row < scales.length; row++) {
    let largest = 0;
    for (let i = row * size; i < (row + 1) * size; i++) largest = Math.max(largest, Math.abs(values[i]!));
    const scale = (scales[row] = largest / 127);
    // A row of zeros, or of numbers too small for float32 to have a hundredth of.
    const inverse = scales[row]! > 0 ? 127 / largest : 0;
    if (!Number.isFinite(scale)) throw new RangeError(`row ${row} has a value that is not a finite number`);
    for (let i = row * size; i < (row + 1) * size; i++) codes[i] = Math.round(values[i]! * inverse);
  }
  return { codes, scales };
}

export function dequantizeRows({ codes, scales }: Int8Rows, size: number): Float32Array {
  return Float32Array.from(codes, (code, i) => code * scales[Math.floor(i / size)]!);
}
