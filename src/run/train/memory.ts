/**
 * The memory of a run before anything of it is loaded: planned on a dry device with the longest rows there are, held against what the run
 * may take, and used to decide how many blocks are kept. What is too much is refused with the options that bring it under.
 */
import { COMMON_GPU } from '../../gpu/capabilities.ts';
import type { Capabilities } from '../../gpu/capabilities.ts';
import { Device } from '../../gpu/device.ts';
import type { Example } from '../../data/example.ts';
import { unlessStopped } from '../../io/ahead.ts';
import type { Options } from '../../options.ts';
import { quantizationOf } from '../../options/quantization.ts';
import type { GpuMemory, Platform } from '../../platform.ts';
import { fitMemory, planMemory, savingBytes } from '../../train/memoryPlan.ts';
import type { Fit, MemoryPlan, PlannedRun } from '../../train/memoryPlan.ts';
import { memoryTable, neededBytes } from '../../train/memoryText.ts';
import type { MeasuredSource } from '../../train/rowOrder.ts';
import { openSession } from '../../train/session.ts';
import type { Session, SessionOptions } from '../../train/session.ts';
import { chooseCompute, halfOf } from '../../tune/compute.ts';
import type { Choices } from '../../tune/choices.ts';
import { plansOf } from '../../tune/plans.ts';
import { finetuning } from '../inputs/baseModel.ts';
import type { RunContext } from '../context.ts';
import { tooLarge } from './tooLarge.ts';
import type { Excess } from './tooLarge.ts';
import { openRows } from '../inputs/rows.ts';
import type { FoundRows } from '../inputs/foundRows.ts';
import type { OpenRows } from '../inputs/rows.ts';
import { imageSizes } from '../../options/imageSizes.ts';

export function sessionOptions(options: Options, base: string): SessionOptions {
  return {
    baseModel: base,
    ...(options.init_adapter === null ? { finetuning: finetuning(options) } : { initAdapter: options.init_adapter }),
    seed: options.seed,
    offload: options.offload,
    featureBytes: options.feature_cache * 2 ** 30,
    ...imageSizes(options),
    imageAttention: options.image_attention,
    quantization: quantizationOf(options),
  };
}

/**
 * `--gpu_memory_limit`: what is free for reuse is given back before more is held. Where the GPU shares the machine's memory, what a save
 * copies there comes out of the limit too (`neededBytes`).
 */
export function limitMemory(
  { device, arena }: Pick<Session, 'device' | 'arena'>,
  { gpu_memory_limit: limit }: Pick<Options, 'gpu_memory_limit'>,
): void {
  if (limit === null) return;
  device.pool.limitBytes = Math.max(0, limit * 2 ** 30 - (device.capabilities.kind === 'software' ? savingBytes(arena) : 0));
  device.trim(); // what loading leaves for reuse may be more
}

/** A session of the run, on a GPU or planned, in the memory that it may take. */
export async function openLimited(
  platform: Platform,
  device: Device,
  options: Pick<Options, 'gpu_memory_limit'>,
  how: SessionOptions,
): Promise<Session> {
  // Until the session is there; what is copied for a save is not known before.
  if (options.gpu_memory_limit !== null) device.pool.limitBytes = options.gpu_memory_limit * 2 ** 30;
  const session = await openSession(platform, device, how);
  limitMemory(session, options);
  return session;
}

/** The GPU that a run is planned for. */
export interface PlannedGpu {
  capabilities: Capabilities;
  /** Which kernels it is known to take (src/train/tuning/runPlans.ts). */
  choices?: Choices;
}

/** A device that makes nothing and would compute as the run does. What is asked of a GPU that is not here is taken to be there. */
function plannedDevice({ capabilities, choices }: PlannedGpu, options: Options): Device {
  const { compute_dtype } = options;
  const device = Device.dry(capabilities);
  plansOf(device).choose(choices);
  const how = { trainsAll: options.finetune === 'full' };
  plansOf(device).compute = compute_dtype === 'f16' ? halfOf(how) : chooseCompute(capabilities, compute_dtype, how).dtype;
  return device;
}

/** The run's rows, opened, and its memory. */
export interface PlannedRows {
  rows: OpenRows;
  fit: Fit;
  /** What the run takes of what it may take. */
  needed: number;
  /** Where it is more than the run may take. */
  excess?: Excess;
}

export async function fitRun(context: RunContext, base: string, found: FoundRows, gpu: PlannedGpu): Promise<PlannedRows> {
  const { platform, options, stop } = context;
  const { capabilities } = gpu;
  const session = await openLimited(platform, plannedDevice(gpu, options), options, { ...sessionOptions(options, base), stop });
  const rows = await openRows(context, found, session);
  try {
    const run = await largestBatches(rows, context, session);
    const bytesOf = (plan: MemoryPlan): number => neededBytes(plan, capabilities.kind === 'software');
    const { room, ...limit } = await limitOf(platform, options, capabilities);
    const fit = await fitMemory(session, run, room, bytesOf);
    const needed = bytesOf(fit.plan);
    if (needed <= limit.bytes) return { rows, fit, needed };
    const bytesWith = async (changed: Options): Promise<number> => {
      const other = await openLimited(platform, plannedDevice(gpu, changed), changed, { ...sessionOptions(changed, base), stop });
      const examples = run.examples.slice(0, changed.per_device_train_batch_size);
      const plan = await planMemory(other, {
        ...run,
        examples,
        settings: { gradient_checkpointing: changed.gradient_checkpointing, saved_inputs: changed.saved_inputs, keptStages: 0 },
      });
      other.close();
      return bytesOf(plan);
    };
    return { rows, fit, needed, excess: { needed, ...limit, bytesWith } };
  } catch (error) {
    await rows.close();
    throw error;
  } finally {
    session.close();
  }
}

/**
 * `--dry_run`: the plan as a table. `gpu`: the one that is there, if one is.
 * @throws UserError where the run does not fit into what it may take
 */
export async function tellPlan(
  context: RunContext,
  base: string,
  found: FoundRows,
  gpu: PlannedGpu = { capabilities: COMMON_GPU },
): Promise<void> {
  const { capabilities } = gpu;
  const { rows, fit, excess } = await fitRun(context, base, found, gpu);
  await rows.close();
  const size = Math.min(context.options.per_device_train_batch_size, rows.train.length);
  context.terminal.write(
    `Memory that the run takes on ${capabilities.description}, with ${size === 1 ? 'the longest row' : `the ${size} longest rows`} as a ` +
      `micro-batch:\n` +
      `${memoryTable(fit.plan)}\n${keptText(fit, context.options)}\n`,
  );
  if (excess) throw await tooLarge(context.options, excess);
}

export function keptText({ keptStages, stages }: Fit, options: Options): string {
  if (!options.gradient_checkpointing) return `All ${stages} stages of the model are kept for the backward pass.`;
  if (keptStages === 0) return `All ${stages} stages of the model are run again in the backward pass.`;
  return `${keptStages} of the ${stages} stages of the model are kept for the backward pass, as there is room; the others are run again.`;
}

/** `room`: what kept stages may fill. Infinite `bytes` where nobody knows how much there is. */
export async function limitOf(
  platform: Pick<Platform, 'gpuMemory'>,
  { gpu_memory_limit: limit }: Options,
  capabilities?: Capabilities,
): Promise<GpuMemory & { room: number }> {
  if (limit !== null) return { bytes: limit * 2 ** 30, room: limit * 2 ** 30, source: '--gpu_memory_limit' };
  const free = capabilities?.kind === 'software' ? await platform.gpuMemory?.({ isSoftware: true }) : undefined;
  // The machine needs some of its memory for other things; running stages again only costs time.
  return free ? { bytes: free.bytes, room: free.bytes / 2, source: free.source } : { bytes: Infinity, room: 0, source: '' };
}

async function largestBatches({ train, validation }: OpenRows, { options, stop }: RunContext, { processor }: Session): Promise<PlannedRun> {
  const isAnswered = options.eval_generate > 0 && processor.endOfTurnIds.length > 0;
  const asked = validation?.ask && isAnswered ? { ...validation, get: validation.ask } : undefined;
  const size = options.per_device_eval_batch_size;
  return {
    examples: await longest(train, options.per_device_train_batch_size, stop),
    settings: { gradient_checkpointing: options.gradient_checkpointing, saved_inputs: options.saved_inputs },
    loggingSteps: options.logging_steps,
    ...(validation &&
      options.eval_strategy !== 'no' && {
        evaluation: {
          examples: await longest(validation, size, stop),
          prompts: asked ? await longest(asked, size, stop) : [],
          maxNewTokens: options.eval_max_new_tokens,
        },
      }),
  };
}

/** Rows looked at for each that is taken: their lengths are rough before they are made. */
const CANDIDATES = 2;

/** The `count` longest rows, by tokens and pixels. @throws the signal's reason */
async function longest(source: MeasuredSource, count: number, stop: AbortSignal): Promise<Example[]> {
  const lengths = await source.lengths?.();
  const order = Array.from({ length: source.length }, (_, index) => index);
  if (lengths) order.sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const examples = await unlessStopped(Promise.all(order.slice(0, count * CANDIDATES).map((index) => source.get(index))), stop);
  if (examples === undefined) throw stop.reason as Error;
  const weight = ({ inputIds, pixelValues }: Example): number => inputIds.length + pixelValues.length / 1024;
  return examples.sort((a, b) => weight(b) - weight(a)).slice(0, count);
}
