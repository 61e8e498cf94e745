/**
 * The public API: what `dist/vernier.js` exports, for scripts in Node, Deno and Bun, for bundlers and for the page in web/. It asks nothing
 * of its surroundings but a `Platform` (files, images, the GPU object), which the caller brings.
 *
 *     const device = await Device.create(await platform.gpu());
 *     const session = await openSession(platform, device, { baseModel, finetuning: { kind: 'lora', config: loraConfig({ target_modules:
 *     'all-linear' }) } });
 *     await train(session, source, settings, { tracker });
 *     await session.save('my-adapter');
 */
export { joinPath, parentPath, UserError } from './platform.ts';
export type { AtomicFile, DecodedImage, Platform, RangedFile } from './platform.ts';

export { definitions, helpText, parseOptions } from './options.ts';
export type { Options, ParsedOptions } from './options.ts';

export { Device } from './gpu/device.ts';
export type { Capabilities } from './gpu/capabilities.ts';
export type { DeviceCounters, DeviceOptions } from './gpu/device.ts';
export type { MemoryReport } from './gpu/pool.ts';
export { Tensor } from './gpu/tensor.ts';

export { openSession, Session } from './train/session.ts';
export type { SessionOptions } from './train/session.ts';
export { train } from './train/trainer.ts';
export { mergeAdapter } from './train/merge.ts';
export type { MergeOptions, MergeResult } from './train/merge.ts';
export type { ExampleSource } from './train/exampleSource.ts';
export type { TrainSettings } from './train/trainSettings.ts';
export type { TrainResult, TrainSurroundings } from './train/trainer.ts';
export type { SavedCheckpoint } from './train/saving.ts';
export { RowEvaluator } from './train/evaluation.ts';
export type { EvaluationRows, EvaluationSettings, Question } from './train/evaluation.ts';
export type { EvaluationMoment, Evaluator } from './train/evaluator.ts';
export type { Scene } from './train/predictionPictures.ts';
export { boughtBy, boughtText } from './train/beforeAfter.ts';
export type { Bought } from './train/beforeAfter.ts';
export { countLabels, runMicroBatch } from './train/microBatch.ts';
export type { MicroBatchOptions } from './train/microBatch.ts';
export { AdamW } from './train/optimizer.ts';
export type { AdamWOptions, OptimizerState, StepLog } from './train/optimizer.ts';
export { ParameterArena } from './train/parameterArena.ts';
export { learningRateAt, planSteps } from './train/schedule.ts';
export type { Schedule, SchedulerType, StepPlan } from './train/schedule.ts';
export { listCheckpoints, readTrainerState } from './train/checkpointFolder.ts';
export { newestCheckpoint, openCheckpoint } from './train/resume.ts';
export type { OpenCheckpoint } from './train/resume.ts';
export type { LogRow, TrainerState } from './train/checkpointFolder.ts';

export { loraConfig, parseLoraConfig } from './io/peftConfig.ts';
export type { LoraConfig } from './io/peftConfig.ts';
export { readAdapter, writeAdapter } from './io/peft.ts';
export type { Adapter, AdapterTensor, AdapterTensorSource } from './io/peft.ts';
export { openModelFolder } from './io/modelFolder.ts';
export type { ModelFolder } from './io/modelFolder.ts';
export { openSafetensors, toFloat32, writeSafetensors } from './io/safetensors.ts';
export type { Dtype, SafetensorsFile, TensorEntry, TensorInfo } from './io/safetensors.ts';

export { hubSettings, hubSettingsFromEnv, parseHubId } from './hub/settings.ts';
export type { HubSettings, HubTimes, Repo } from './hub/settings.ts';
export { HubError } from './hub/request.ts';
export { openSnapshot } from './hub/snapshot.ts';
export type { DownloadHooks, Snapshot } from './hub/snapshot.ts';
export { fetchAdapter, fetchModel } from './hub/modelFiles.ts';
export type { FetchedFolder } from './hub/modelFiles.ts';
export { fetchDataset } from './hub/dataset.ts';
export { createRepo, uploadFiles, whoAmI } from './hub/upload.ts';
export type { Uploaded, UploadFile, UploadOptions } from './hub/upload.ts';
export { Pusher } from './hub/pusher.ts';
export { modelCard } from './hub/modelCard.ts';
export type { ModelCard } from './hub/modelCard.ts';

export { generate, generateBatch } from './models/generate.ts';
export type { GeneratedAnswer, GenerateOptions } from './models/generate.ts';
export { modelFamily } from './models/families.ts';
export type { Finetuning } from './models/lora.ts';
export type { ImageAttention, Model, ModelFamily } from './models/model.ts';
export { Gemma3Processor } from './models/gemma3/processor.ts';
export { Qwen2_5VLProcessor } from './models/qwen2_5_vl/processor.ts';
export { Qwen3VLProcessor } from './models/qwen3_vl/processor.ts';
export { TextProcessor } from './models/textProcessor.ts';

export { IGNORE_INDEX } from './data/example.ts';
export type { ContentPart, Conversation, EncodeOptions, Example, ImageSource, LabelMask, Message, Processor } from './data/example.ts';
export { readConversations } from './data/conversations/read.ts';
export { openRowFile } from './data/conversations/rowFile.ts';
export type { RowFile } from './data/conversations/rowFile.ts';
export type { ConversationOptions } from './data/conversations/row.ts';
export { Tokenizer } from './data/tokenizer.ts';
export { resizeImage } from './data/resize.ts';
export { openVolume, readNiftiHeader } from './data/nifti.ts';
export type { NiftiHeader, Volume, VolumeSlice } from './data/nifti.ts';

export { readTaskList } from './data/medvision/tasks.ts';
export type { MedvisionTask, TaskFamily, TaskType } from './data/medvision/tasks.ts';
export { collectSamples } from './data/medvision/collect.ts';
export type { CollectedSamples, CollectReport, CollectSettings, SampleSet } from './data/medvision/collect.ts';
export { medvisionSamples } from './data/medvision/samples.ts';
export type { MedvisionOptions } from './data/medvision/samples.ts';
export { sampleMessages } from './data/medvision/sample.ts';
export type { MedvisionSample, PromptStyle } from './data/medvision/sample.ts';
export { renderSlice, VolumeCache } from './data/medvision/slices.ts';
export { prepareFolder } from './data/prepared/prepare.ts';
export type { Prepared, PrepareRequest } from './data/prepared/prepare.ts';
export { PreparedSet } from './data/prepared/preparedSet.ts';
export { preparedIdentity } from './data/prepared/settings.ts';
export { writeShard } from './data/prepared/writeShard.ts';
export type { Identity, ImageStorage } from './data/prepared/identity.ts';
export type { PreparedRow, PreparedSplit } from './data/prepared/row.ts';
export { parseAnswer } from './data/medvision/answers.ts';
export { boxScores, figuresOf, scoreAnswer } from './data/medvision/metrics.ts';
export type { AnswerScore, BoxScores, Figures } from './data/medvision/metrics.ts';
export { readRow, rowText, scoreRow } from './data/medvision/answerRows.ts';
export type { AnswerRow, AnswerTask, ScoredRow } from './data/medvision/answerRows.ts';
export { summaryFiles } from './data/medvision/summaries.ts';
export type { SummaryFile, SummarySettings } from './data/medvision/summaries.ts';

export { allOf } from './track/tracker.ts';
export type { Progress, Row, RunInfo, Summary, Tracker } from './track/tracker.ts';
export { ConsoleTracker } from './track/console.ts';
export type { Terminal } from './track/console.ts';
export { JsonlTracker } from './track/jsonl.ts';

export { fineTune } from './api/fineTune.ts';
export type { FineTuneRequest, FineTuneResult, RunEvent, TrainingOptions } from './api/fineTune.ts';
export { Job } from './api/job.ts';
export type { JobHow } from './api/job.ts';
export { LoadedModel, loadModel } from './api/loadModel.ts';
export type { EvaluateRequest, EvaluationEvent, EvaluationResult, LoadModelRequest } from './api/loadModel.ts';
export type { Answer, AskRequest } from './api/answer.ts';
export type { Picture } from './api/pictures.ts';
export type { ConversationInput } from './api/rows.ts';
export type { OnPlatform } from './api/surroundings.ts';
