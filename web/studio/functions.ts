/** The Studio's own functions in the worker, beside those of `connectWorker`. Each room of `web/` has its own. */
import { inspectFunctions } from '../data/inspectRows.ts';
import { rowFunctions } from '../data/rowsOfProject.ts';
import { judgeFunctions } from '../judge/inWorker.ts';
import { modelFunctions } from '../model/inWorker.ts';
import { sampleFunctions } from '../sample/inWorker.ts';
import { keptRunFunctions } from '../train/inWorker.ts';
import { useFunctions } from '../use/inWorker.ts';
import { gpuFunctions } from './gpu.ts';
import { requestFunctions } from './requests.ts';

export const studioFunctions = {
  ...gpuFunctions,
  ...requestFunctions,
  ...sampleFunctions,
  ...rowFunctions,
  ...inspectFunctions,
  ...keptRunFunctions,
  ...judgeFunctions,
  ...useFunctions,
  ...modelFunctions,
};

export type StudioFunctions = typeof studioFunctions;
