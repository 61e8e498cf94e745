/** The memory of the run that is asked about, planned from the model's configuration: neither weights nor rows need be here yet. */
import { COMMON_GPU } from '../../gpu/capabilities.ts';
import type { Capabilities } from '../../gpu/capabilities.ts';
import { Device } from '../../gpu/device.ts';
import { describedFolder } from '../../io/describedFolder.ts';
import { openModelFolder } from '../../io/modelFolder.ts';
import { bitsandbytesConfig } from '../../io/quantization/bitsandbytesConfig.ts';
import { elementCount } from '../../io/safetensors.ts';
import { modelFamily, namingOf } from '../../models/families.ts';
import { withHeadOf } from '../../models/head.ts';
import { readStored } from '../../models/quantization.ts';
import type { Quantization } from '../../models/quantization.ts';
import type { Options } from '../../options.ts';
import { quantizationOf } from '../../options/quantization.ts';
import { joinPath } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { fitMemory } from '../../train/memoryPlan.ts';
import type { MemoryPlan } from '../../train/memoryPlan.ts';
import { neededBytes } from '../../train/memoryText.ts';
import { openModel } from '../../train/session.ts';
import { finetuning } from '../inputs/baseModel.ts';
import { limitMemory, limitOf } from '../train/memory.ts';
import { imageSizes } from '../../options/imageSizes.ts';

export interface SetupPlan {
  memory: MemoryPlan;
  neededBytes: number;
  /** All values of the model, and those that train. */
  parameters: number;
  trainedValues: number;
  /** What the plan is for, in words. */
  assumption: string;
}

/** Weights that are not here, and that bitsandbytes has quantised, are planned as those that are quantised while loading. */
function quantizationFor(config: Readonly<Record<string, unknown>>, source: string, options: Options): Quantization {
  const there = bitsandbytesConfig(config, source);
  const asked = quantizationOf(options);
  return there ? { ...asked, weights: 'nf4', skipModules: there.skipModules ?? asked.skipModules } : asked;
}

/** A row of MedVision: a slice, the text around it, and the answer. */
const ROW = { height: 512, width: 512, textTokens: 350, learnt: 40 };

/**
 * @param isWhole all files of the model are here
 * @throws UserError for a model that cannot be used
 */
export async function planSetup(
  platform: Platform,
  { dir, config, isWhole }: { dir: string; config: Readonly<Record<string, unknown>>; isWhole: boolean },
  options: Options,
  capabilities: Capabilities = COMMON_GPU,
): Promise<SetupPlan> {
  const source = joinPath(dir, 'config.json');
  const described = modelFamily(String(config['model_type']), source).describe(config, source, { imageAttention: options.image_attention });
  const hasWeights = isWhole && (await platform.listDir(dir)).some((name) => name.endsWith('.safetensors'));
  const folder = hasWeights
    ? await openModelFolder(platform, dir, namingOf)
    : describedFolder(dir, config, described.shapes, namingOf(String(config['model_type']), source));
  try {
    const { stored, floats } = await readStored(folder);
    const description = hasWeights ? await withHeadOf(floats, described) : described;
    const device = Device.dry(capabilities);
    const model = await openModel(device, floats, description, {
      finetuning: finetuning(options),
      offload: options.offload,
      featureBytes: options.feature_cache * 2 ** 30,
      stored,
      quantization: quantizationFor(config, source, options),
    });
    const row = description.sample({
      ...ROW,
      ...imageSizes(options),
    });
    const batch = options.per_device_train_batch_size;
    const run = {
      examples: Array.from({ length: batch }, () => row),
      settings: { gradient_checkpointing: options.gradient_checkpointing, saved_inputs: options.saved_inputs },
      loggingSteps: options.logging_steps,
    };
    const bytesOf = (plan: MemoryPlan): number => neededBytes(plan, capabilities.kind === 'software');
    const { room } = await limitOf(platform, options, capabilities);
    limitMemory({ device, ...model }, options);
    const { plan } = await fitMemory({ device, ...model }, run, room, bytesOf);
    const count = (shapes: Iterable<readonly number[]>): number => [...shapes].reduce((sum, shape) => sum + elementCount(shape), 0);
    return {
      memory: plan,
      neededBytes: bytesOf(plan),
      parameters: count(description.shapes.values()),
      trainedValues: count(model.plan.trained.values()),
      assumption: `${batch} ${batch === 1 ? 'row' : 'rows'} of a ${ROW.width}×${ROW.height} slice and ${ROW.textTokens} tokens at a time`,
    };
  } finally {
    await folder.close();
  }
}
