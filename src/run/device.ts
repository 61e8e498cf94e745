/** The device of a program. */
import { gpuName } from '../gpu/capabilities.ts';
import { Device } from '../gpu/device.ts';
import { SUBMIT_MS } from '../gpu/pacing.ts';
import { UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { chooseCompute } from '../tune/compute.ts';
import type { ComputeChoice, Computed, Computing } from '../tune/compute.ts';
import { plansOf } from '../tune/plans.ts';

/** Where `isGpuPatient` is told. */
const PATIENT_SUBMIT_MS = 500;

export interface DeviceChoice {
  /** Part of its name; null or absent: whichever the system offers. */
  gpu_adapter?: string | null;
  /** Null: what the system asks for. */
  submit_ms: number | null;
}

/** @throws UserError where there is no such GPU */
export async function openDevice(platform: Platform, { gpu_adapter: adapter = null, submit_ms: submitMs }: DeviceChoice): Promise<Device> {
  if (adapter !== null) {
    if (!platform.chooseAdapter) throw new UserError(`--gpu_adapter ${adapter}: here the ${platform.name} chooses the GPU; leave it away.`);
    platform.chooseAdapter(adapter);
  }
  return Device.create(await platform.gpu(), { submitMs: submitMs ?? (platform.isGpuPatient ? PATIENT_SUBMIT_MS : SUBMIT_MS) });
}

/** Settles what operands are rounded to on the device, and says it with the GPU's name. */
export function beginComputing(device: Device, asked: ComputeChoice, say: (text: string) => void, how: Computed = {}): Computing {
  const { capabilities } = device;
  const computing = chooseCompute(capabilities, asked, how);
  plansOf(device).compute = computing.dtype;
  say(`GPU: ${gpuName(capabilities)}; computes in ${computing.words}`);
  return computing;
}
