/** Qwen3-VL forward against transformers, by the tests of all families. */
import { parseQwen3VLConfig } from '../../../src/models/qwen3_vl/config.ts';
import { deepNames } from '../../../src/models/qwen3_vl/vision.ts';
import { goldenJson } from '../golden.ts';
import { forwardTests } from '../goldenForward.ts';
import type { Tap } from '../goldenForward.ts';
import { MODEL, qwen3 } from './goldenExamples.ts';

const { vision, text } = parseQwen3VLConfig(goldenJson('models', MODEL, 'config.json'));
const VISION = 'model.visual';
const TEXT = 'model.language_model';

forwardTests(qwen3, {
  featureStage: `${VISION}.merger`,
  taps: ({ taps }, { example }) => {
    const list: Tap[] = [];
    const tap = (quantity: string, golden: string, values: Float32Array | undefined): unknown => list.push({ quantity, golden, values });
    if (example.imageGrids.length > 0) {
      tap('vision.embedded', 'taps.vision.embedded', taps.get(`${VISION}.pos_embed`));
      for (let i = 0; i < vision.depth; i++) tap('vision.block.*', `taps.vision.block.${i}`, taps.get(`${VISION}.blocks.${i}`));
      deepNames(vision).forEach((name, i) => {
        tap('vision.deepstack.*', `taps.vision.deepstack.${i}`, taps.get(`${VISION}.deepstack_merger_list.${i}/${name}`));
      });
      tap('image_features', 'image_features', taps.get(`${VISION}.merger`));
    }
    tap('inputs_embeds', 'taps.inputs_embeds', taps.get(`${TEXT}.embed_tokens`));
    for (let i = 0; i < text.layers; i++) tap('layer.*', `taps.layer.${i}`, taps.get(`${TEXT}.layers.${i}`));
    tap('final_norm', 'taps.final_norm', taps.get('final_norm'));
    return list;
  },
});
