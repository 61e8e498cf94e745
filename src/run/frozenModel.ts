/** A model that nothing trains, on the GPU, for as long as somebody asks it: evaluation's, and that of single questions. */
import type { EvaluateOptions } from '../options/evaluate.ts';
import { quantizationOf } from '../options/quantization.ts';
import type { Platform } from '../platform.ts';
import { openSession } from '../train/session.ts';
import type { Session } from '../train/session.ts';
import { beginComputing, openDevice } from './device.ts';
import { imageSizes } from '../options/imageSizes.ts';

export interface FrozenModel {
  base: string;
  adapter: string | null;
}

export type FrozenModelOptions = Pick<
  EvaluateOptions,
  | 'gpu_adapter'
  | 'submit_ms'
  | 'compute_dtype'
  | 'image_attention'
  | 'offload'
  | 'feature_cache'
  | 'min_pixels'
  | 'do_image_splitting'
  | 'longest_edge'
  | 'max_pixels'
  | 'quantization'
  | 'quantization_skip_modules'
  | 'quantize_embedding'
>;

interface Opening {
  platform: Platform;
  options: FrozenModelOptions;
  /** Ends the reading of the weights. */
  stop: AbortSignal;
  say: (text: string) => void;
}

export interface OpenModel {
  session: Session;
  /** The session, and the GPU with it. */
  close(): void;
}

/** @param use is given the session, which is closed after it */
export async function withFrozenModel<T>(opening: Opening, model: FrozenModel, use: (session: Session) => Promise<T>): Promise<T> {
  const { session, close } = await openFrozenModel(opening, model);
  try {
    return await use(session);
  } finally {
    close();
  }
}

export async function openFrozenModel({ platform, options, stop, say }: Opening, { base, adapter }: FrozenModel): Promise<OpenModel> {
  const device = await openDevice(platform, options);
  const letGo = (): void => {
    device.destroy();
    platform.releaseGpu?.();
  };
  try {
    beginComputing(device, options.compute_dtype, say);
    const session = await openSession(platform, device, {
      baseModel: base,
      ...(adapter === null ? { finetuning: { kind: 'none' } } : { initAdapter: adapter, isFrozen: true }),
      imageAttention: options.image_attention,
      quantization: quantizationOf(options),
      offload: options.offload,
      featureBytes: options.feature_cache * 2 ** 30,
      ...imageSizes(options),
      stop,
    });
    const close = (): void => {
      session.close();
      letGo();
    };
    return { session, close };
  } catch (error) {
    letGo();
    throw error;
  }
}
