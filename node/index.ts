/**
 * `vernier/node`: the high-level functions on this Node, Deno or Bun, with its files, its GPU and its threads.
 */
import process from 'node:process';
import { fineTune as fineTuneOn } from '../src/api/fineTune.ts';
import type { FineTuneRequest, FineTuneResult, RunEvent } from '../src/api/fineTune.ts';
import type { Job } from '../src/api/job.ts';
import { loadModel as loadModelOn } from '../src/api/loadModel.ts';
import type { LoadedModel, LoadModelRequest } from '../src/api/loadModel.ts';
import { keepSecretsOf } from '../src/track/secrets.ts';
import { nodePlatform } from './platform.ts';
import { startWorkers } from './workers/pool.ts';

export { UserError } from '../src/platform.ts';
export type { Answer, AskRequest } from '../src/api/answer.ts';
export type { FineTuneRequest, FineTuneResult, RunEvent } from '../src/api/fineTune.ts';
export type { Job } from '../src/api/job.ts';
export type { EvaluateRequest, EvaluationEvent, EvaluationResult, LoadedModel, LoadModelRequest } from '../src/api/loadModel.ts';
export type { Picture } from '../src/api/pictures.ts';
export type { ConversationInput } from '../src/api/rows.ts';
export { nodePlatform } from './platform.ts';
export { startWorkers } from './workers/pool.ts';

/** As `fineTune` of `vernier`, on this runtime. */
export function fineTune(request: FineTuneRequest): Job<RunEvent, FineTuneResult> {
  keepSecretsOf(process.env);
  return fineTuneOn({ platform: nodePlatform, startWorkers, ...request });
}

/** As `loadModel` of `vernier`, on this runtime. */
export function loadModel(request: LoadModelRequest): Promise<LoadedModel> {
  keepSecretsOf(process.env);
  return loadModelOn({ platform: nodePlatform, startWorkers, ...request });
}
