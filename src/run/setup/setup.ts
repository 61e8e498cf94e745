/**
 * Whether this machine and what is on it will do for a training run: everything that it needs is looked at (GPU, model, memory, disk, data,
 * hub, W&B), and what is missing is said in the order of its importance. Writes nothing but what a hub model's configuration takes in the
 * cache.
 */
import type { HubSettings } from '../../hub/settings.ts';
import type { SetupOptions } from '../../options/setup.ts';
import { UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import type { Terminal } from '../../track/console.ts';
import { hubOf } from '../inputs/hubInputs.ts';
import { checkAdapter, checkData, checkDisk, checkGpu, checkHub, checkMemory, checkModel, checkWandb } from './checks.ts';
import { report } from './finding.ts';
import type { Finding } from './finding.ts';

/** A server that is away is told of within so long. */
const STALL_MS = 15_000;
const ATTEMPTS = 3;

export interface SetupRequest {
  platform: Platform;
  options: SetupOptions;
  /** What the program knows of the runtime it is in. */
  runtime: Finding;
  stop: AbortSignal;
  terminal: Terminal;
}

/** @returns whether nothing is missing and nothing still to be named. @throws UserError for variables of the hub that cannot be used */
export async function runSetup({ platform, options, runtime, stop, terminal }: SetupRequest): Promise<boolean> {
  const hub = await impatientHub(platform, terminal);
  const gpu = await checkGpu(platform);
  platform.releaseGpu?.();
  const model = await checkModel(platform, hub, options, gpu.capabilities);
  const findings: Finding[] = [
    runtime,
    ...gpu.findings,
    ...model.findings,
    ...(await checkAdapter(platform, hub, options)),
    ...(await checkMemory(platform, model.plan, options, gpu.capabilities)),
    ...(await checkDisk(platform, hub, options, model)),
    ...(await checkData(platform, hub, options)),
    ...(await checkHub(platform, hub, options)),
    ...(await checkWandb(platform, options, terminal)),
  ];
  return stop.aborted || report(terminal, findings);
}

async function impatientHub(platform: Platform, terminal: Terminal): Promise<HubSettings> {
  try {
    const settings = await hubOf({ platform, terminal });
    return { ...settings, times: { ...settings.times, stallMs: Math.min(settings.times.stallMs, STALL_MS), attempts: ATTEMPTS } };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`The environment variables of the hub cannot be used. ${error.message}`, { cause: error });
  }
}
