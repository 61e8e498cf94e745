/** SmolVLM forward against transformers, by the tests of all families. Patches come square by square here, row by row there. */
import { forwardTests } from '../goldenForward.ts';
import type { Tap } from '../goldenForward.ts';
import { byRows, smolvlm } from './goldenExamples.ts';

const VISION = 'model.vision_model';
const TEXT = 'model.text_model';

forwardTests(smolvlm, {
  featureStage: 'model.connector.modality_projection',
  taps: ({ taps }, { tensors, example }) => {
    const list: Tap[] = [];
    const tap = (quantity: string, golden: string, values: Float32Array | undefined): unknown => list.push({ quantity, golden, values });
    const has = (name: string): boolean => tensors.has(name);
    if (example.imageGrids.length > 0) {
      const patches = (stage: string): Float32Array | undefined => byRows(taps.get(stage), 6);
      tap('vision.embeddings', 'taps.vision.embeddings', patches(`${VISION}.embeddings`));
      for (let i = 0; has(`taps.vision.block.${i}`); i++) tap('vision.block.*', `taps.vision.block.${i}`, patches(`${VISION}.encoder.layers.${i}`));
      tap('vision.post_layernorm', 'taps.vision.post_layernorm', patches(`${VISION}.post_layernorm`));
      tap('image_features', 'image_features', taps.get('model.connector.modality_projection'));
    }
    tap('inputs_embeds', 'taps.inputs_embeds', taps.get(`${TEXT}.embed_tokens`));
    for (let i = 0; has(`taps.layer.${i}`); i++) tap('layer.*', `taps.layer.${i}`, taps.get(`${TEXT}.layers.${i}`));
    tap('final_norm', 'taps.final_norm', taps.get('final_norm'));
    return list;
  },
});
