/** Whole pictures as patches, as SigLIP's first layer takes them. */
import type { Example } from '../../data/example.ts';

/**
 * (images, channels, side, side) → (patches, channels · patch · patch), row by row, or with `merge` square by square of merge² patches.
 */
export function cutPatches(
  pixels: Float32Array,
  { images, channels, side, patch, merge = 1 }: { images: number; channels: number; side: number; patch: number; merge?: number },
): Pick<Example, 'pixelValues' | 'imageGrids'> {
  const n = side / patch;
  const pixelValues = new Float32Array(pixels.length);
  let at = 0;
  for (let image = 0; image < images; image++) {
    for (let place = 0; place < n * n; place++) {
      const [square, inside] = [Math.floor(place / merge ** 2), place % merge ** 2];
      const top = (Math.floor(square / (n / merge)) * merge + Math.floor(inside / merge)) * patch;
      const left = ((square % (n / merge)) * merge + (inside % merge)) * patch;
      for (let channel = 0; channel < channels; channel++) {
        for (let y = 0; y < patch; y++) {
          const from = ((image * channels + channel) * side + top + y) * side + left;
          pixelValues.set(pixels.subarray(from, from + patch), at);
          at += patch;
        }
      }
    }
  }
  return { pixelValues, imageGrids: Array.from({ length: images }, () => [1, n, n]) };
}
