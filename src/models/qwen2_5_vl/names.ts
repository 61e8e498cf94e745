/** Where Qwen2.5-VL's modules have had other names. */
import type { Spellings } from '../../io/names.ts';

export const QWEN2_5_VL_SPELLINGS: Spellings = {
  toCurrent: [
    [/^model\.(?=(language_model|visual)(\.|$))/, 'model.'],
    [/^model(?=\.|$)/, 'model.language_model'],
    [/^visual(?=\.|$)/, 'model.visual'],
    [/^language_model\.model(?=\.|$)/, 'model.language_model'],
    [/^language_model\.lm_head(?=\.|$)/, 'lm_head'],
  ],
  fromCurrent: {
    hub: [
      [/^model\.language_model(?=\.|$)/, 'model'],
      [/^model\.visual(?=\.|$)/, 'visual'],
    ],
    v5: [],
  },
};
