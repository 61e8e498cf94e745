import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, it, vi } from 'vitest';
import { patient } from '../../node/patientDawn.ts';
import { nodePlatform, releaseGpu } from '../../node/platform.ts';
import { Device } from '../../src/gpu/device.ts';

/** Asks for itself until `turns` are over, as Dawn does while it waits; bound functions have no JavaScript source, as C++ has none. */
function waiting(ask: (callback: () => void) => unknown, turns: number, seen: () => void): Promise<void> {
  return new Promise((resolve) => {
    let left = turns;
    const native = function (): void {
      seen();
      if (--left > 0) ask(native);
      else resolve();
    }.bind(undefined);
    ask(native);
  });
}

it('a wait is prompt at first and unhurried then, and the next one is prompt again', async () => {
  let now = 0;
  const immediate = vi.fn((callback: () => void) => void queueMicrotask(callback));
  const ask = patient(immediate as never, () => now);
  const timers = vi.spyOn(globalThis, 'setTimeout');
  await waiting(ask, 30, () => void (now += 1));
  expect(immediate).toHaveBeenCalledTimes(10);
  expect(timers).toHaveBeenCalledTimes(20);
  await waiting(ask, 5, () => void (now += 1));
  expect(immediate).toHaveBeenCalledTimes(15);
  expect(timers).toHaveBeenCalledTimes(20);
  timers.mockRestore();
});

it('leaves the calls of all others alone, arguments, times and errors', () => {
  const immediate = vi.fn(() => 'handle');
  const ask = patient(immediate as never, () => 1e6);
  const callback = (): void => undefined;
  for (let i = 0; i < 3; i++) expect(ask(callback, 1, 'two')).toBe('handle');
  expect(immediate.mock.calls).toEqual([[callback, 1, 'two'], [callback, 1, 'two'], [callback, 1, 'two']]);
});

it('frees the core while a GPU works: the event loop is idle most of the time, and promisify still knows setImmediate', async () => {
  const device = await Device.create(await nodePlatform.gpu());
  const [x, y] = [device.pool.acquire(4096, 'x'), device.pool.acquire(4096, 'y')];
  const kernel = device.kernel('scale');
  // Dispatches that write one buffer run one after the other.
  const busy = async (dispatches: number): Promise<number> => {
    const startedAt = performance.now();
    for (let i = 0; i < dispatches; i++) device.dispatch(kernel, { x, y }, { size: 0, factor: 1, accumulate: 0 }, 60_000);
    device.flush();
    const before = performance.eventLoopUtilization();
    await device.finish();
    const { utilization } = performance.eventLoopUtilization(before);
    return performance.now() - startedAt > 150 ? utilization : busy(dispatches * 2);
  };
  expect(await busy(1)).toBeLessThan(0.7);
  await promisify(setImmediate)();
  await sleep(0);
  device.destroy();
  releaseGpu();
});
