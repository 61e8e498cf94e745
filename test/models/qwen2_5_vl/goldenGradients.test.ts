/** Every gradient of Qwen2.5-VL against PyTorch's, by the tests of all families. */
import { gradientTests } from '../goldenGradients.ts';
import { qwen } from './goldenExamples.ts';

gradientTests(qwen);
