/** The high-level functions in this thread of the browser, on its platform. */
import { fineTune as fineTuneOn } from '../src/api/fineTune.ts';
import type { FineTuneRequest, FineTuneResult, RunEvent } from '../src/api/fineTune.ts';
import type { Job } from '../src/api/job.ts';
import { loadModel as loadModelOn } from '../src/api/loadModel.ts';
import type { LoadedModel, LoadModelRequest } from '../src/api/loadModel.ts';
import { platform } from './here.ts';

/** As `fineTune` of `vernier`, in this thread: a page is jerky meanwhile, which a worker (`connectWorker`) avoids. */
export function fineTune(request: FineTuneRequest): Job<RunEvent, FineTuneResult> {
  return fineTuneOn({ platform, ...request });
}

/** As `loadModel` of `vernier`, in this thread. */
export function loadModel(request: LoadModelRequest): Promise<LoadedModel> {
  return loadModelOn({ platform, ...request });
}
