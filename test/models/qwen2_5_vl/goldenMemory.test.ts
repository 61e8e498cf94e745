/** What must not change Qwen2.5-VL's figures, and what must not grow, by the tests of all families. */
import { memoryTests } from '../goldenMemory.ts';
import { qwen } from './goldenExamples.ts';

memoryTests(qwen, [
  // 80 tokens × 128 features, and 48 patches × 1176 pixels.
  { id: 's09_textonly', maxBindingBytes: 80 * 128 * 4, split: 'model.language_model.embed_tokens.weight', parts: 4 },
  { id: 's01_single', maxBindingBytes: 48 * 1176 * 4, split: 'model.visual.patch_embed.proj.weight', parts: 2 },
]);
