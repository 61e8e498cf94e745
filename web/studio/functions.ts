/** The Studio's own functions in the worker, beside those of `connectWorker`. Each room of `web/` has its own. */
import type { inspectFunctions } from '../data/inspectRows.ts';
import { rowFunctions } from '../data/rowsOfProject.ts';
import { judgeFunctions } from '../judge/inWorker.ts';
import { modelFunctions } from '../model/inWorker.ts';
import type { sampleFunctions } from '../sample/inWorker.ts';
import { keptRunFunctions } from '../train/inWorker.ts';
import type { useFunctions } from '../use/inWorker.ts';
import { gpuFunctions } from './gpu.ts';
import { requestFunctions } from './requests.ts';

type Sample = typeof sampleFunctions;
type Inspect = typeof inspectFunctions;
type Use = typeof useFunctions;

const sample = async (): Promise<Sample> => (await import('../sample/inWorker.ts')).sampleFunctions;
const inspect = async (): Promise<Inspect> => (await import('../data/inspectRows.ts')).inspectFunctions;
const use = async (): Promise<Use> => (await import('../use/inWorker.ts')).useFunctions;

/** Of rooms that not everybody goes to the code comes when it is first asked for something. */
const later = {
  runSample: async (...given: Parameters<Sample['runSample']>) => (await sample()).runSample(...given),
  stopSample: async () => (await sample()).stopSample(),
  inspectRows: async (...given: Parameters<Inspect['inspectRows']>) => (await inspect()).inspectRows(...given),
  packRun: async (...given: Parameters<Use['packRun']>) => (await use()).packRun(...given),
  pushRun: async (...given: Parameters<Use['pushRun']>) => (await use()).pushRun(...given),
};

export const studioFunctions = {
  ...gpuFunctions,
  ...requestFunctions,
  ...rowFunctions,
  ...keptRunFunctions,
  ...judgeFunctions,
  ...modelFunctions,
  ...later,
};

export type StudioFunctions = typeof studioFunctions;
