/** Gemma 3's golden cases: the reference stores whole images, (N, 3, H, W), where the processor gives patches. */
import { cutPatches } from '../../../src/run/bench/cutPatches.ts';
import { floats, GoldenModel } from '../goldenModel.ts';

export const gemma = new GoldenModel({
  name: 'gemma3-tiny',
  modelType: 'gemma3',
  axes: 1,
  images: (tensors) => {
    if (!tensors.has('pixel_values')) return undefined;
    const [images, channels, side] = tensors.get('pixel_values')!.shape as [number, number, number];
    return cutPatches(floats(tensors, 'pixel_values'), { images, channels, side, patch: 14 });
  },
});
