/** Gemma 3's golden cases: the reference stores whole images, (N, 3, H, W), where the processor gives patches. */
import type { Example } from '../../../src/data/example.ts';
import type { GoldenTensor } from '../golden.ts';
import { floats, GoldenModel } from '../goldenModel.ts';

const PATCH = 14;

export const gemma = new GoldenModel({
  name: 'gemma3-tiny',
  modelType: 'gemma3',
  axes: 1,
  images: (tensors) => (tensors.has('pixel_values') ? patchesOf(tensors) : undefined),
});

function patchesOf(tensors: ReadonlyMap<string, GoldenTensor>): Pick<Example, 'pixelValues' | 'imageGrids'> {
  const [images, channels, side] = tensors.get('pixel_values')!.shape as [number, number, number];
  const data = floats(tensors, 'pixel_values');
  const n = side / PATCH;
  const pixelValues = new Float32Array(data.length);
  let at = 0;
  for (let image = 0; image < images; image++) {
    for (let patch = 0; patch < n * n; patch++) {
      const [top, left] = [Math.floor(patch / n) * PATCH, (patch % n) * PATCH];
      for (let channel = 0; channel < channels; channel++) {
        for (let y = 0; y < PATCH; y++) {
          const from = ((image * channels + channel) * side + top + y) * side + left;
          pixelValues.set(data.subarray(from, from + PATCH), at);
          at += PATCH;
        }
      }
    }
  }
  return { pixelValues, imageGrids: Array.from({ length: images }, () => [1, n, n]) };
}
