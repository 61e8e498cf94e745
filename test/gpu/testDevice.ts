/** Devices for the tests of a file, on the adapter that is there, destroyed after them. */
import { afterAll } from 'vitest';
import { nodePlatform, releaseGpu } from '../../node/platform.ts';
import { Device } from '../../src/gpu/device.ts';
import type { DeviceOptions } from '../../src/gpu/device.ts';
import { sharedGpu } from './sharedGpu.ts';
import type { SharedGpu } from './sharedGpu.ts';

const open: Device[] = [];
let shared: SharedGpu | undefined;

/** For a file that opens many devices, all alike: each kernel is compiled once for all of them. */
export async function compileOnce(): Promise<void> {
  shared = sharedGpu(await nodePlatform.gpu());
}

export async function testDevice(options: DeviceOptions = {}): Promise<Device> {
  const device = await Device.create(shared?.gpu ?? (await nodePlatform.gpu()), options);
  open.push(device);
  return device;
}

/** For a file that opens many: a process has only so many ranges of memory for the software GPU to map. */
export function closeDevices(): void {
  for (const device of open.splice(0)) device.destroy();
}

afterAll(async () => {
  closeDevices();
  await shared?.release();
  releaseGpu();
});
