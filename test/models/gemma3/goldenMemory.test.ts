/** What must not change Gemma 3's figures, and what must not grow, by the tests of all families. */
import { memoryTests } from '../goldenMemory.ts';
import { gemma } from './goldenExamples.ts';

memoryTests(gemma, [
  // 16 tokens × 764 words, and 64 patches × 588 pixels.
  { id: 's09_textonly', maxBindingBytes: 16 * 764 * 4, split: 'model.language_model.embed_tokens.weight', parts: 4 },
  { id: 's01_single', maxBindingBytes: 64 * 588 * 4, split: 'model.language_model.embed_tokens.weight', parts: 2 },
]);
