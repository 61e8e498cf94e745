/** The device of a program. */
import { Device } from '../gpu/device.ts';
import { SUBMIT_MS } from '../gpu/pacing.ts';
import type { Platform } from '../platform.ts';

/** Where `isGpuPatient` is told. */
const PATIENT_SUBMIT_MS = 500;

/** @param submitMs of --submit_ms; null: what the system asks for */
export async function openDevice(platform: Platform, submitMs: number | null): Promise<Device> {
  return Device.create(await platform.gpu(), { submitMs: submitMs ?? (platform.isGpuPatient ? PATIENT_SUBMIT_MS : SUBMIT_MS) });
}
