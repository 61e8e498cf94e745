/** Text-only Qwen3 against transformers + PEFT, by the tests of all text families. */
import { textModelTests } from '../textModelTests.ts';

await textModelTests('qwen3', 'sliding', [
  { layer_types: null, max_window_layers: 3 },
  { sliding_window: 10 },
  { rope_parameters: { rope_type: 'default', rope_theta: 10000 } },
]);
