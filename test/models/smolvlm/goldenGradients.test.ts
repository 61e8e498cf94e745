/** Every gradient of SmolVLM against PyTorch's, by the tests of all families. */
import { gradientTests } from '../goldenGradients.ts';
import { smolvlm } from './goldenExamples.ts';

gradientTests(smolvlm);
