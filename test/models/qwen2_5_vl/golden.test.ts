/** Qwen2.5-VL forward against transformers, by the tests of all families. */
import { parseQwen2_5VLConfig } from '../../../src/models/qwen2_5_vl/config.ts';
import { windowOrder } from '../../../src/models/qwen2_5_vl/positions.ts';
import { goldenJson } from '../golden.ts';
import { forwardTests } from '../goldenForward.ts';
import type { Tap } from '../goldenForward.ts';
import { MODEL, qwen } from './goldenExamples.ts';

const config = parseQwen2_5VLConfig(goldenJson('models', MODEL, 'config.json'));
const TEXT = 'model.language_model';

forwardTests(qwen, {
  featureStage: 'model.visual.merger',
  taps: ({ taps }, { example }) => {
    const list: Tap[] = [];
    const tap = (quantity: string, golden: string, values: Float32Array | undefined): unknown => list.push({ quantity, golden, values });
    if (example.imageGrids.length > 0) {
      const { spatialMergeSize, hiddenSize } = config.vision;
      const { windowIndex } = windowOrder(example.imageGrids, config.vision);
      const patches = taps.get('model.visual.patch_embed')!;
      // The tower's own blocks are in window order in the reference too, its patch embedding and final features are not.
      tap('vision.patch_embed', 'taps.vision.patch_embed', scatterGroups(patches, windowIndex, spatialMergeSize ** 2 * hiddenSize));
      for (let i = 0; i < config.vision.depth; i++) tap('vision.block.*', `taps.vision.block.${i}`, taps.get(`model.visual.blocks.${i}`));
      const features = taps.get('model.visual.merger')!;
      tap('image_features', 'image_features', features);
      tap('vision.merger_window_order', 'taps.vision.merger_window_order', gatherGroups(features, windowIndex, config.text.hiddenSize));
    }
    tap('inputs_embeds', 'taps.inputs_embeds', taps.get(`${TEXT}.embed_tokens`));
    for (let i = 0; i < config.text.layers; i++) tap('layer.*', `taps.layer.${i}`, taps.get(`${TEXT}.layers.${i}`));
    tap('final_norm', 'taps.final_norm', taps.get('final_norm'));
    return list;
  },
});

/** Groups of `width` values from place to `index[place]`. */
function scatterGroups(values: Float32Array, index: Int32Array, width: number): Float32Array {
  const out = new Float32Array(values.length);
  index.forEach((to, place) => out.set(values.subarray(place * width, (place + 1) * width), to * width));
  return out;
}

function gatherGroups(values: Float32Array, index: Int32Array, width: number): Float32Array {
  const out = new Float32Array(values.length);
  index.forEach((from, place) => out.set(values.subarray(from * width, (from + 1) * width), place * width));
  return out;
}
