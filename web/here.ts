/** The high-level functions in this thread of the browser, on one platform. */
import { fineTune as fineTuneOn } from '../src/api/fineTune.ts';
import type { FineTuneRequest, FineTuneResult, RunEvent } from '../src/api/fineTune.ts';
import type { Job } from '../src/api/job.ts';
import { loadModel as loadModelOn } from '../src/api/loadModel.ts';
import type { LoadedModel, LoadModelRequest } from '../src/api/loadModel.ts';
import { browserPlatform } from './platform.ts';

/**
 * Files under paths of one's own choosing, which are read as if they lay there: Files that were picked, or the URLs of a server's. What is
 * written goes into the private file system of the page's origin.
 */
export const mounts = new Map<string, Blob | string>();

/** What environment variables say elsewhere: HF_TOKEN, HF_ENDPOINT, WANDB_API_KEY, … They are kept in memory only. */
export const variables = new Map<string, string>();

export const platform = browserPlatform(mounts, variables);

/** As `fineTune` of `vernier`, in this thread: a page is jerky meanwhile, which a worker (`connectWorker`) avoids. */
export function fineTune(request: FineTuneRequest): Job<RunEvent, FineTuneResult> {
  return fineTuneOn({ platform, ...request });
}

/** As `loadModel` of `vernier`, in this thread. */
export function loadModel(request: LoadModelRequest): Promise<LoadedModel> {
  return loadModelOn({ platform, ...request });
}
