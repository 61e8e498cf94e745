/** Rotary position embedding on the CPU: frequencies and the tables of cosines and sines that the `rope` op reads. */

/** cos and sin of the rotary angles, (N, headDim/2) row-major; element d turns the pair (d, d + headDim/2) of a head. */
export interface Rotary {
  cos: Float32Array;
  sin: Float32Array;
}

/** 1 / theta^(2i/dim), i < dim/2. Torch rounds every step to float32; so does this, else the angles of late tokens drift apart. */
export function inverseFrequencies(theta: number, dim: number): Float32Array {
  const f = Math.fround;
  return Float32Array.from({ length: Math.ceil(dim / 2) }, (_, i) => f(1 / f(f(theta) ** f((2 * i) / dim))));
}

/** The tables of `rows` × `width` angles; each is a position times a frequency, rounded to float32 as torch rounds it. */
export function rotary(rows: number, width: number, angle: (row: number, d: number) => [position: number, frequency: number]): Rotary {
  const cos = new Float32Array(rows * width);
  const sin = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let d = 0; d < width; d++) {
      const [position, frequency] = angle(row, d);
      const turn = Math.fround(position * frequency);
      cos[row * width + d] = Math.cos(turn);
      sin[row * width + d] = Math.sin(turn);
    }
  }
  return { cos, sin };
}
