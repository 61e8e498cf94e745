/** What must not change SmolVLM's figures, and what must not grow, by the tests of all families. */
import { memoryTests } from '../goldenMemory.ts';
import { smolvlm } from './goldenExamples.ts';

memoryTests(smolvlm, [
  // 20 tokens × 416 words, and 252 patches × 192 pixels.
  { id: 's09_textonly', maxBindingBytes: 20 * 416 * 4, split: 'model.text_model.embed_tokens.weight', parts: 3 },
]);
