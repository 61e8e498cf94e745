/** Text-only Qwen2 against transformers + PEFT, by the tests of both. */
import { qwenTextTests } from '../qwenText.ts';

await qwenTextTests('qwen2');
