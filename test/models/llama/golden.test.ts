/** Text-only Llama against transformers + PEFT, by the tests of all text families. */
import { textModelTests } from '../textModelTests.ts';

const scaling = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64, rope_theta: 10000 };

await textModelTests('llama', 'scaled', [
  { rope_parameters: { rope_type: 'default', rope_theta: 10000 } },
  { rope_parameters: { rope_type: 'linear', factor: 8, rope_theta: 10000 } },
  // The kept frequencies and those between begin elsewhere.
  { rope_parameters: { ...scaling, high_freq_factor: 8 } },
  { rope_parameters: { ...scaling, original_max_position_embeddings: 32 } },
]);
