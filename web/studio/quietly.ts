/** In the worker: what functions of src/run are given where nobody reads along. */
import { modelFolder } from '../../src/run/inputs/hubInputs.ts';
import { SILENT } from '../../src/track/console.ts';
import { platform } from '../here.ts';

/** The folder of a model, fetched where it is on the hub. @param where names it in messages @throws UserError where it cannot be had */
export function quietModelFolder(where: string, base: string): Promise<string> {
  const context = { platform, terminal: SILENT, stop: new AbortController().signal, options: { report_to: ['none' as const] } };
  return modelFolder(context, where, base);
}
