/** In the worker: what functions of src/run are given where nobody reads along. */
import { modelFolder } from '../../src/run/inputs/hubInputs.ts';
import type { Terminal } from '../../src/track/console.ts';
import { platform } from '../here.ts';

export const quiet: Terminal = { write: () => undefined, isTty: false, columns: 80 };

/** The folder of a model, fetched where it is on the hub. @param where names it in messages @throws UserError where it cannot be had */
export function quietModelFolder(where: string, base: string): Promise<string> {
  const context = { platform, terminal: quiet, stop: new AbortController().signal, options: { report_to: ['none' as const] } };
  return modelFolder(context, where, base);
}
