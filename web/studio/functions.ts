/** The Studio's own functions in the worker, beside those of `connectWorker`. Each room of `web/` has its own. */
import { rowFunctions } from '../data/rowsOfProject.ts';
import { keptRunFunctions } from '../train/inWorker.ts';
import { gpuFunctions } from './gpu.ts';
import { requestFunctions } from './requests.ts';

type Room = Readonly<Record<string, (...given: never[]) => unknown>>;

type Later<Of extends Room, Name extends keyof Of> = {
  readonly [One in Name]: (...given: Parameters<Of[One]>) => Promise<Awaited<ReturnType<Of[One]>>>;
};

/** Functions of a room whose code comes when it is first asked for something, so that the first visit fetches little. */
function later<Of extends Room, Name extends keyof Of & string>(open: () => Promise<Of>, names: readonly Name[]): Later<Of, Name> {
  const entries = names.map((name) => [name, async (...given: never[]) => (await open())[name]!(...given)] as const);
  return Object.fromEntries(entries) as unknown as Later<Of, Name>;
}

const sample = later(async () => (await import('../sample/inWorker.ts')).sampleFunctions, ['runSample', 'stopSample']);
const inspect = later(async () => (await import('../data/inspectRows.ts')).inspectFunctions, ['inspectRows']);
const model = later(
  async () => (await import('../model/inWorker.ts')).modelFunctions,
  ['cachedModels', 'downloadModel', 'stopDownload', 'removeModel', 'planMemory'],
);
const judge = later(
  async () => (await import('../judge/inWorker.ts')).judgeFunctions,
  ['answersIn', 'judged', 'decided', 'makeReport', 'judgedPicture'],
);
const use = later(async () => (await import('../use/inWorker.ts')).useFunctions, ['packRun', 'pushRun']);

export const studioFunctions = {
  ...gpuFunctions,
  ...requestFunctions,
  ...rowFunctions,
  ...keptRunFunctions,
  ...sample,
  ...inspect,
  ...model,
  ...judge,
  ...use,
};

export type StudioFunctions = typeof studioFunctions;
