/**
 * Pillow's image resampling to the byte (libImaging/Resample.c, the 8 bits a channel path): the filter's weights in fixed point with 22
 * bits, a horizontal pass, rounded to bytes, then a vertical one. The canvas of a browser, sharp and the JavaScript ports differ from it by
 * up to 30 levels, and the reference system trained on Pillow's pixels.
 */
import type { DecodedImage } from '../platform.ts';

export type ResizeFilter = 'bilinear' | 'bicubic' | 'lanczos';

interface Kernel {
  /** Half the width of the filter, in source pixels, when not shrinking. */
  support: number;
  weight(x: number): number;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

const KERNELS: Record<ResizeFilter, Kernel> = {
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    support: 2,
    weight(signed) {
      const a = -0.5;
      const x = Math.abs(signed);
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
    },
  },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** 8 bits of pixel and 2 of head room for the filter's overshoot leave 22 of 32. */
const PRECISION_BITS = 22;

interface Taps {
  /** First source pixel of every target pixel. */
  start: Int32Array;
  count: Int32Array;
  /** `stride` weights a target pixel, fixed point. */
  weights: Int32Array;
  stride: number;
}

function computeTaps(source: number, target: number, kernel: Kernel): Taps {
  const scale = source / target;
  const stretch = Math.max(scale, 1);
  const support = kernel.support * stretch;
  const stride = Math.ceil(support) * 2 + 1;
  const taps: Taps = { start: new Int32Array(target), count: new Int32Array(target), weights: new Int32Array(target * stride), stride };
  for (let i = 0; i < target; i++) {
    const center = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const count = Math.min(source, Math.trunc(center + support + 0.5)) - start;
    const exact = Array.from({ length: count }, (_, k) => kernel.weight((k + start - center + 0.5) * (1 / stretch)));
    // In the C code's order of additions: another order changes the last bit of a weight, and then a pixel.
    let sum = 0;
    for (const weight of exact) sum += weight;
    exact.forEach((weight, k) => {
      const fixed = (sum === 0 ? weight : weight / sum) * 2 ** PRECISION_BITS;
      taps.weights[i * stride + k] = Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    });
    taps.start[i] = start;
    taps.count[i] = count;
  }
  return taps;
}

/**
 * `Image.resize((width, height), filter)` of an RGB image.
 * @param width target width in pixels, at least 1
 * @param height target height in pixels, at least 1
 */
export function resizeImage(image: DecodedImage, width: number, height: number, filter: ResizeFilter): DecodedImage {
  if (!(width >= 1 && height >= 1 && image.width >= 1 && image.height >= 1)) {
    throw new Error(`resizeImage: ${image.width}×${image.height} to ${width}×${height}: every side must be at least 1`);
  }
  const kernel = KERNELS[filter];
  let data = image.data;
  if (width !== image.width) {
    const taps = computeTaps(image.width, width, kernel);
    const out = new Uint8Array(image.height * width * 3);
    for (let y = 0; y < image.height; y++) resample(data, y * image.width * 3, 3, out, y * width * 3, 3, taps);
    data = out;
  }
  if (height !== image.height) {
    const taps = computeTaps(image.height, height, kernel);
    const out = new Uint8Array(height * width * 3);
    for (let x = 0; x < width; x++) resample(data, x * 3, width * 3, out, x * 3, width * 3, taps);
    data = out;
  }
  return { width, height, data: data === image.data ? data.slice() : data };
}

/** One line of RGB pixels, `step` bytes apart; three sums at once because the taps are shared. */
function resample(from: Uint8Array, fromAt: number, fromStep: number, to: Uint8Array, toAt: number, toStep: number, taps: Taps): void {
  const half = 1 << (PRECISION_BITS - 1);
  for (let i = 0; i < taps.start.length; i++, toAt += toStep) {
    let red = half;
    let green = half;
    let blue = half;
    let at = fromAt + (taps.start[i] ?? 0) * fromStep;
    const first = i * taps.stride;
    const end = first + (taps.count[i] ?? 0);
    for (let k = first; k < end; k++, at += fromStep) {
      const weight = taps.weights[k] ?? 0;
      red += (from[at] ?? 0) * weight;
      green += (from[at + 1] ?? 0) * weight;
      blue += (from[at + 2] ?? 0) * weight;
    }
    to[toAt] = clipByte(red >> PRECISION_BITS);
    to[toAt + 1] = clipByte(green >> PRECISION_BITS);
    to[toAt + 2] = clipByte(blue >> PRECISION_BITS);
  }
}

function clipByte(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}
