/** Every text that a person reads in the Studio, by view: what a translation would replace. */
import { formTexts } from './texts/form.ts';
import { dataTexts } from './texts/data.ts';
import { sampleTexts } from './texts/sample.ts';
import { shellTexts } from './texts/shell.ts';
import { trainTexts } from './texts/train.ts';

export const texts = {
  ...shellTexts,
  ...sampleTexts,
  ...formTexts,
  ...trainTexts,
  ...dataTexts,
};
