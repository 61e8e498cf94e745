/** The Studio's own functions in the worker, beside those of `connectWorker`. Each room of `web/` has its own. */
import { gpuFunctions } from './gpu.ts';

export const studioFunctions = {
  ...gpuFunctions,
};

export type StudioFunctions = typeof studioFunctions;
