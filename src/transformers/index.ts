/**
 * `vernier/transformers`: what somebody has of transformers.js (`@huggingface/transformers`, which is not needed otherwise) in the place of
 * ours: pictures, tokenizers, processors, and its cache of files.
 */
export { sharedCache } from './cache.ts';
export type { CacheLike } from './cache.ts';
export { processorOf, tokenizerOf, withTransformers } from './modelFiles.ts';
export type { TransformersProcessor, TransformersTokenizer } from './modelFiles.ts';
export { decodedImage } from './pixels.ts';
export type { RawImageLike } from './pixels.ts';
