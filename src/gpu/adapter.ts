/** Choosing the adapter, taking everything it offers, and the words for what can go wrong with a GPU. */
import { UserError } from '../platform.ts';
import { capabilitiesOf, featuresOf } from './capabilities.ts';
import type { Capabilities, OptionalFeature } from './capabilities.ts';
import { SUBMIT_MS } from './pacing.ts';
import type { Pacing } from './pacing.ts';

export interface DeviceOptions {
  powerPreference?: GPUPowerPreference;
  /** Pretend the adapter binds no more than this many bytes at once (tests of split tensors). */
  maxBindingBytes?: number;
  /** Leave these optional features off even where the adapter has them. */
  without?: readonly OptionalFeature[];
  /** Time every kernel with timestamp queries. */
  profile?: boolean;
  /** Milliseconds of GPU time that a submit may take, default 100 (pacing.ts); 0: any. */
  submitMs?: number;
}

/** The adapter's device with its features on and its limits raised. Throws a UserError where there is no adapter. */
export async function openAdapter(gpu: GPU, options: DeviceOptions): Promise<{ gpu: GPUDevice; capabilities: Capabilities }> {
  const adapter = await gpu.requestAdapter({ powerPreference: options.powerPreference ?? 'high-performance' }).catch(noSuchAdapter);
  if (!adapter) {
    throw new UserError(
      'No WebGPU adapter was found. On Linux install a Vulkan driver (for the software GPU: mesa-vulkan-drivers 25 or newer and ' +
        'libvulkan1; ' +
        '`npm start` does it on Debian); in a browser enable WebGPU. Then run the command again.',
    );
  }
  const requiredFeatures = featuresOf(adapter, options.without ?? []);
  const { limits } = adapter;
  const device = await adapter.requestDevice({
    requiredFeatures,
    requiredLimits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
      maxComputeWorkgroupSizeY: limits.maxComputeWorkgroupSizeY,
    },
  });
  return { gpu: device, capabilities: capabilitiesOf(adapter, requiredFeatures, options.maxBindingBytes) };
}

/** Dawn says which there are where none has the name that was asked for. */
function noSuchAdapter(error: unknown): never {
  const [, list] = /Available adapters:([^]*)$/.exec(error instanceof Error ? error.message : '') ?? [];
  if (list === undefined) throw error as Error;
  const names = [...list.matchAll(/name: '([^']*)'/g)].map(([, name]) => `"${name}"`);
  throw new UserError(`No GPU has the name that --gpu_adapter (or VERNIER_DAWN_FLAGS) asks for. There is ${names.join(', ') || 'none'}.`);
}

/** @param bytes of the buffer that could not be made, where that is known */
export function outOfMemory(bytes: number | undefined, memory: { reservedBytes: number; inUseBytes: number }): UserError {
  const mib = (n: number): string => `${(n / 2 ** 20).toFixed(0)} MiB`;
  const what = bytes === undefined ? 'a buffer' : `a buffer of ${mib(bytes)}`;
  return new UserError(
    `The GPU has no memory left: ${what} could not be made beside the ${mib(memory.reservedBytes)} already held. Lower ` +
      '--per_device_train_batch_size (raise --gradient_accumulation_steps instead; in an evaluation --per_device_eval_batch_size), ' +
      '--max_pixels or --lora_r, ' +
      'keep --gradient_checkpointing true, or use a smaller model.',
  );
}

/** Submits that a system or a browser may end a device for. */
const TOO_LONG_MS = 1500;

/**
 * @param pace what the device's pacing knew when it heard of the loss
 */
export function deviceLost(
  { reason, message }: GPUDeviceLostInfo,
  { limitMs, underWayMs }: Pick<Pacing, 'limitMs' | 'underWayMs'>,
): UserError {
  const what = `The GPU device was lost (${reason}): ${message || 'no reason given'}.`;
  const now = limitMs === 0 ? 'there is no limit now' : `it is ${limitMs} now`;
  const shorter = `--submit_ms ${limitMs === 0 ? SUBMIT_MS : Math.max(1, Math.floor(limitMs / 4))} (${now})`;
  if (underWayMs >= TOO_LONG_MS || /hung|hang|time[d-]? ?out|tdr|watchdog/i.test(message)) {
    const sofar = underWayMs >= TOO_LONG_MS ? `, of which the last had been under way for ${(underWayMs / 1000).toFixed(1)} s` : '';
    return new UserError(
      `${what} The system takes a GPU away from work that does not let others have their turn${sofar}: give ${shorter}, ` +
        'and if that is not enough, --per_device_train_batch_size 1 and a smaller --max_pixels.',
    );
  }
  return new UserError(
    `${what} Usual causes: the driver was reset or updated, by this program's work or by another's, the computer slept, or memory ran ` +
      `out. ` +
      `If it comes again, try ${shorter}, --per_device_train_batch_size 1 and a smaller --max_pixels.`,
  );
}

export function describeGpuError(error: GPUError): Error {
  return new Error(`WebGPU reported an error: ${error.message}`);
}
