/** Where Gemma 3's modules have had other names. */
import type { Spellings } from '../../io/names.ts';

export const GEMMA3_SPELLINGS: Spellings = {
  toCurrent: [
    [/^(model\.)?vision_tower\.(?=(embeddings|encoder|post_layernorm|head)(\.|$))/, 'model.vision_tower.vision_model.'],
    [/^(model\.)?vision_tower(?=\.|$)/, 'model.vision_tower'],
    [/^(model\.)?multi_modal_projector(?=\.|$)/, 'model.multi_modal_projector'],
    [/^language_model\.model(?=\.|$)/, 'model.language_model'],
    [/^language_model\.lm_head(?=\.|$)/, 'lm_head'],
  ],
  fromCurrent: {
    hub: [
      [/^model\.language_model(?=\.|$)/, 'language_model.model'],
      [/^model\.(?=(vision_tower|multi_modal_projector)(\.|$))/, ''],
      [/^lm_head(?=\.|$)/, 'language_model.lm_head'],
    ],
    v5: [[/^model\.vision_tower\.vision_model(?=\.|$)/, 'model.vision_tower']],
  },
};
