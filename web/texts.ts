/** Every text that a person reads in the Studio, by view: what a translation would replace. */
import { sampleTexts } from './texts/sample.ts';
import { shellTexts } from './texts/shell.ts';

export const texts = {
  ...shellTexts,
  ...sampleTexts,
};
