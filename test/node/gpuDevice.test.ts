import { afterAll, expect, it } from 'vitest';
import { openDevice } from '../../src/run/device.ts';
import { nodePlatform, releaseGpu } from '../../node/platform.ts';

afterAll(releaseGpu);

it.each([
  [null, ['win32', 'darwin'].includes(process.platform) ? 100 : 500],
  [30, 30],
  [0, 0],
])('--submit_ms %s is a limit of %i ms', async (given, limitMs) => {
  const device = await openDevice(nodePlatform, { submit_ms: given });
  expect(device.pacing.limitMs).toBe(limitMs);
  device.destroy();
});

it('--gpu_adapter takes the GPU with that in its name, and says which there are where none has', async () => {
  const first = await openDevice(nodePlatform, { submit_ms: null });
  const name = first.capabilities.description;
  first.destroy();
  releaseGpu();
  await expect(openDevice(nodePlatform, { gpu_adapter: 'no such GPU', submit_ms: null })).rejects.toThrow(/No GPU has the name that --gpu_adapter .*There is ".*"\.$/);
  releaseGpu();
  const named = await openDevice(nodePlatform, { gpu_adapter: name.split(/[:( ]/)[0]!, submit_ms: null });
  expect(named.capabilities.description).toBe(name);
  named.destroy();
});

it('--gpu_adapter is refused where the runtime chooses', async () => {
  const { chooseAdapter: _, ...other } = nodePlatform;
  await expect(openDevice({ ...other, name: 'browser' }, { gpu_adapter: 'Radeon', submit_ms: null })).rejects.toThrow('--gpu_adapter Radeon: here the browser chooses the GPU');
});
