/** Qwen2.5-VL's golden cases: their pixels are stored as the processor gives them. */
import { floats, GoldenModel, integers } from '../goldenModel.ts';

export const MODEL = 'qwen2_5_vl-tiny';

export const qwen = new GoldenModel({
  name: MODEL,
  modelType: 'qwen2_5_vl',
  axes: 3,
  images: (tensors) => {
    if (!tensors.has('pixel_values')) return undefined;
    const grids = integers(tensors, 'image_grid_thw');
    return {
      pixelValues: floats(tensors, 'pixel_values'),
      imageGrids: Array.from({ length: grids.length / 3 }, (_, i) => [grids[3 * i]!, grids[3 * i + 1]!, grids[3 * i + 2]!]),
    };
  },
});
