/** Every gradient of Gemma 3 against PyTorch's, by the tests of all families. */
import { gradientTests } from '../goldenGradients.ts';
import { gemma } from './goldenExamples.ts';

gradientTests(gemma);
