/** Every gradient of Qwen3-VL against PyTorch's, by the tests of all families. */
import { gradientTests } from '../goldenGradients.ts';
import { qwen3 } from './goldenExamples.ts';

gradientTests(qwen3);
