/** `vernier/web`: the high-level functions in a browser, in this thread or in a worker. */
import { provideDicomCodecs } from './dicomCodecs.ts';
import { openDicomCodec } from './openDicomCodec.ts';

provideDicomCodecs(openDicomCodec);

export { UserError } from '../src/platform.ts';
export type { Answer, AskRequest } from '../src/api/answer.ts';
export type { FineTuneRequest, FineTuneResult, RunEvent } from '../src/api/fineTune.ts';
export type { Job } from '../src/api/job.ts';
export type { EvaluateRequest, EvaluationEvent, EvaluationResult, LoadedModel, LoadModelRequest } from '../src/api/loadModel.ts';
export type { Picture } from '../src/api/pictures.ts';
export type { ConversationInput } from '../src/api/rows.ts';
export { connectWorker } from './client.ts';
export type { WorkerClient, WorkerFineTuneRequest, WorkerModel } from './client.ts';
export { fineTune, loadModel } from './engine.ts';
export { mounts, platform, variables } from './here.ts';
export { pickedFiles } from './mountedFiles.ts';
export { browserPlatform } from './platform.ts';
