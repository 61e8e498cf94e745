/** Devices for the tests of a file, on the adapter that is there, destroyed after them. */
import { afterAll } from 'vitest';
import { nodePlatform, releaseGpu } from '../../node/platform.ts';
import { Device } from '../../src/gpu/device.ts';
import type { DeviceOptions } from '../../src/gpu/device.ts';

const open: Device[] = [];

export async function testDevice(options: DeviceOptions = {}): Promise<Device> {
  const device = await Device.create(await nodePlatform.gpu(), options);
  open.push(device);
  return device;
}

/** For a file that opens many: a process has only so many ranges of memory for the software GPU to map. */
export function closeDevices(): void {
  for (const device of open.splice(0)) device.destroy();
}

afterAll(() => {
  closeDevices();
  releaseGpu();
});
