/** What must not change Qwen3-VL's figures, and what must not grow, by the tests of all families. */
import { memoryTests } from '../goldenMemory.ts';
import { qwen3 } from './goldenExamples.ts';

memoryTests(
  qwen3,
  [
    // Logits of 12 labelled tokens, and 48 patches × 1536 pixels.
    { id: 's09_textonly', maxBindingBytes: 12 * 640 * 4, split: 'model.language_model.embed_tokens.weight', parts: 4 },
    { id: 's01_single', maxBindingBytes: 48 * 1536 * 4, split: 'model.visual.patch_embed.proj.weight', parts: 1 },
  ],
  // Pixels, and the weights that read them, are most of so narrow a model, with checkpointing and without.
  1.4,
);
