/** Every text that a person reads in the Studio, by view: what a translation would replace. */
import { dataTexts } from './texts/data.ts';
import { formTexts } from './texts/form.ts';
import { judgeTexts } from './texts/judge.ts';
import { modelTexts } from './texts/model.ts';
import { sampleTexts } from './texts/sample.ts';
import { shellTexts } from './texts/shell.ts';
import { trainTexts } from './texts/train.ts';
import { uiTexts } from './texts/ui.ts';
import { useTexts } from './texts/use.ts';
import { wordTexts } from './texts/words.ts';

export const texts = {
  ...shellTexts,
  ...sampleTexts,
  ...formTexts,
  ...trainTexts,
  ...dataTexts,
  ...judgeTexts,
  ...uiTexts,
  ...useTexts,
  ...wordTexts,
  ...modelTexts,
};
