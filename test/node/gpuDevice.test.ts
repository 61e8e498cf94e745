import { afterAll, expect, it } from 'vitest';
import { openDevice } from '../../src/run/device.ts';
import { nodePlatform, releaseGpu } from '../../node/platform.ts';

afterAll(releaseGpu);

it.each([
  [null, ['win32', 'darwin'].includes(process.platform) ? 100 : 500],
  [30, 30],
  [0, 0],
])('--submit_ms %s is a limit of %i ms', async (given, limitMs) => {
  const device = await openDevice(nodePlatform, given);
  expect(device.pacing.limitMs).toBe(limitMs);
  device.destroy();
});
