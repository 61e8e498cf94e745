/** The device of a program. */
import process from 'node:process';
import { Device } from '../src/gpu/device.ts';
import { SUBMIT_MS } from '../src/gpu/pacing.ts';
import type { Platform } from '../src/platform.ts';

/** Where nothing takes a device away within seconds, and a desktop can be asked for patience (or has a GPU of its own). */
const PATIENT_SUBMIT_MS = 500;

/** @param submitMs of --submit_ms; null: what the system asks for */
export async function openDevice(platform: Platform, submitMs: number | null): Promise<Device> {
  const isHasty = process.platform === 'win32' || process.platform === 'darwin';
  return Device.create(await platform.gpu(), { submitMs: submitMs ?? (isHasty ? SUBMIT_MS : PATIENT_SUBMIT_MS) });
}
