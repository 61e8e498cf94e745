/** Rotary position embedding on the CPU: frequencies and the tables of cosines and sines that the `rope` op reads. */
import type { Llama3Scaling, RopeConfig, YarnScaling } from './ropeConfig.ts';

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

/** How fast each pair of a head turns, and the factor on cosines and sines. */
export interface RotaryFrequencies {
  /** (dim/2) radians a position */
  frequencies: Float32Array;
  scale: number;
}

/** transformers' ROPE_INIT_FUNCTIONS, rounded to float32 where torch rounds. */
export function ropeFrequencies({ theta, scaling }: RopeConfig, dim: number): RotaryFrequencies {
  const plain = inverseFrequencies(theta, dim);
  switch (scaling?.type) {
    case 'linear':
      return { frequencies: plain.map((frequency) => frequency / Math.fround(scaling.factor)), scale: 1 };
    case 'yarn':
      return { frequencies: yarn(theta, dim, scaling), scale: Math.fround(scaling.attentionFactor) };
    case 'llama3':
      return { frequencies: plain.map((frequency) => llama3(frequency, scaling)), scale: 1 };
    default:
      return { frequencies: plain, scale: 1 };
  }
}

/** YaRN (Peng et al. 2023): fast pairs turn as they did, slow ones by the factor slower, and a ramp leads from one to the other. */
function yarn(theta: number, dim: number, { factor, originalPositions, betaFast, betaSlow, truncate }: YarnScaling): Float32Array {
  const f = Math.fround;
  const dimensionOf = (turns: number): number => (dim * Math.log(originalPositions / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [fast, slow] = [dimensionOf(betaFast), dimensionOf(betaSlow)];
  const low = Math.max(truncate ? Math.floor(fast) : fast, 0);
  const high = Math.min(truncate ? Math.ceil(slow) : slow, dim - 1);
  const width = low === high ? 0.001 : high - low;
  return Float32Array.from({ length: Math.ceil(dim / 2) }, (_, i) => {
    const wavelength = f(f(theta) ** f((2 * i) / dim));
    const ramp = Math.min(1, Math.max(0, f(f(i - f(low)) / f(width))));
    const kept = f(1 - ramp);
    return f(f(f(1 / f(f(factor) * wavelength)) * f(1 - kept)) + f(f(1 / wavelength) * kept));
  });
}

/** Llama 3.1: slow pairs by the factor slower, fast ones as they did, those between in between. */
function llama3(frequency: number, { factor, lowFreqFactor, highFreqFactor, originalPositions }: Llama3Scaling): number {
  const f = Math.fround;
  const wavelength = f(f(2 * Math.PI) / frequency);
  if (wavelength > f(originalPositions / lowFreqFactor)) return f(frequency / f(factor));
  if (wavelength < f(originalPositions / highFreqFactor)) return frequency;
  const smooth = f(f(f(originalPositions / wavelength) - f(lowFreqFactor)) / f(highFreqFactor - lowFreqFactor));
  return f(f(f(f(1 - smooth) * frequency) / f(factor)) + f(smooth * frequency));
}

/**
 * The tables of `rows` × `width` angles; each is a position times a frequency, rounded to float32 as torch rounds it; `scale` is on cosines
 * and sines.
 */
export function rotary(
  rows: number,
  width: number,
  angle: (row: number, d: number) => [position: number, frequency: number],
  scale = 1,
): Rotary {
  const cos = new Float32Array(rows * width);
  const sin = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let d = 0; d < width; d++) {
      const [position, frequency] = angle(row, d);
      const turn = Math.fround(position * frequency);
      cos[row * width + d] = scale * Math.cos(turn);
      sin[row * width + d] = scale * Math.sin(turn);
    }
  }
  return { cos, sin };
}
