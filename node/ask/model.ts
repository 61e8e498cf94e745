/** The model that is asked, on the GPU, for as long as somebody asks. */
import { contextLength } from '../../src/models/contextLength.ts';
import type { AskOptions } from '../../src/options/ask.ts';
import { quantizationOf } from '../../src/options/quantization.ts';
import type { Platform } from '../../src/platform.ts';
import { openSession } from '../../src/train/session.ts';
import type { Session } from '../../src/train/session.ts';
import { chooseCompute } from '../../src/tune/compute.ts';
import { plansOf } from '../../src/tune/plans.ts';
import { openDevice } from '../../src/run/device.ts';
import { releaseGpu } from '../platform.ts';

export interface ModelFolders {
  base: string;
  adapter: string | null;
}

/** @param use is given the session, and how many positions the model has */
export async function withModel(
  platform: Platform,
  options: AskOptions,
  { base, adapter }: ModelFolders,
  { stop, say }: { stop: AbortSignal; say: (text: string) => void },
  use: (session: Session, maxTokens: number) => Promise<void>,
): Promise<void> {
  const maxTokens = await contextLength(platform, base);
  const device = await openDevice(platform, options.submit_ms);
  try {
    const { capabilities } = device;
    const computing = chooseCompute(capabilities, options.compute_dtype);
    plansOf(device).compute = computing.dtype;
    say(`GPU: ${capabilities.description}${capabilities.kind === 'software' ? ' (software)' : ''}; computes in ${computing.words}`);
    const session = await openSession(platform, device, {
      baseModel: base,
      ...(adapter === null ? { finetuning: { kind: 'none' } } : { initAdapter: adapter, isFrozen: true }),
      imageAttention: options.image_attention,
      quantization: quantizationOf(options),
      offload: options.offload,
      ...(options.min_pixels !== null && { minPixels: options.min_pixels }),
      ...(options.max_pixels !== null && { maxPixels: options.max_pixels }),
      stop,
    });
    try {
      await use(session, maxTokens);
    } finally {
      session.close();
    }
  } finally {
    device.destroy();
    releaseGpu();
  }
}
