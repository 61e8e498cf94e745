/** Qwen3-VL's golden cases: their pictures are stored as the bytes that the processor resizes them to. */
import { GoldenModel } from '../goldenModel.ts';

export const MODEL = 'qwen3_vl-tiny';

export const qwen3 = new GoldenModel({ name: MODEL, modelType: 'qwen3_vl', axes: 3, images: () => undefined });
