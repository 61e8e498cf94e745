/** Gemma 3 forward against transformers, by the tests of all families. */
import { forwardTests } from '../goldenForward.ts';
import type { Tap } from '../goldenForward.ts';
import { gemma } from './goldenExamples.ts';

const VISION = 'model.vision_tower.vision_model';
const TEXT = 'model.language_model';

forwardTests(gemma, {
  featureStage: 'model.multi_modal_projector',
  taps: ({ taps }, { tensors, example }) => {
    const list: Tap[] = [];
    const tap = (quantity: string, golden: string, stage: string): unknown => list.push({ quantity, golden, values: taps.get(stage) });
    const has = (name: string): boolean => tensors.has(name);
    if (example.imageGrids.length > 0) {
      tap('vision.embeddings', 'taps.vision.embeddings', `${VISION}.embeddings`);
      for (let i = 0; has(`taps.vision.block.${i}`); i++) tap('vision.block.*', `taps.vision.block.${i}`, `${VISION}.encoder.layers.${i}`);
      tap('vision.post_layernorm', 'taps.vision.post_layernorm', `${VISION}.post_layernorm`);
      tap('image_features', 'image_features', 'model.multi_modal_projector');
    }
    tap('inputs_embeds', 'taps.inputs_embeds', `${TEXT}.embed_tokens`);
    for (let i = 0; has(`taps.layer.${i}`); i++) tap('layer.*', `taps.layer.${i}`, `${TEXT}.layers.${i}`);
    tap('final_norm', 'taps.final_norm', 'final_norm');
    return list;
  },
});
