/** In the worker: the quick start, as `npm start` runs it, on the files that come with the page. */
import type { RecipeName } from '../../src/options/quickstart.ts';
import type { ComparisonRow } from '../../src/run/report/figures.ts';
import { RECIPES } from '../../src/run/quickstart/recipes.ts';
import { quickstart } from '../../src/run/quickstart/run.ts';
import type { QuickstartSettings } from '../../src/run/quickstart/run.ts';
import { platform } from '../here.ts';

/** What the page says of it; the rest is the recipe's. */
export interface SampleRequest extends Partial<Pick<QuickstartSettings, 'steps' | 'questions' | 'seed'>> {
  recipe: RecipeName;
  out: string;
}

export interface SampleResult {
  losses: { step: number; loss: number }[];
  comparison: ComparisonRow[];
  /** Path of report.html. */
  report: string;
}

let stop: AbortController | undefined;

export const sampleFunctions = {
  /** @param tell lines as the command line shows them */
  async runSample({ recipe, out, ...given }: SampleRequest, tell?: (text: string) => Promise<void>): Promise<SampleResult> {
    const chosen = RECIPES[recipe];
    stop = new AbortController();
    const terminal = { write: (text: string) => void tell?.(text), isTty: false, columns: 100 };
    const settings = { ...chosen, ...given, base: `/own/${chosen.base}`, sample: '/own/sample', out };
    const { losses, comparison, report } = await quickstart(platform, settings, terminal, stop.signal);
    return { losses, comparison, report };
  },
  /** It ends as by Ctrl-C: with the adapter and the report of what is done. */
  stopSample(): void {
    stop?.abort();
  },
};
