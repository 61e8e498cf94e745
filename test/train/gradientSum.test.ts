/** In which order slices of gradients leave the GPU, are summed and come back. What N ranks then make of a step: test/world/ranks.test.ts. */
import { beforeAll, expect, it, vi } from 'vitest';
import type { Device } from '../../src/gpu/device.ts';
import { GradientSum } from '../../src/train/gradientSum.ts';
import { ParameterArena } from '../../src/train/parameterArena.ts';
import { ALONE } from '../../src/world/world.ts';
import type { World } from '../../src/world/world.ts';
import { testDevice } from '../gpu/testDevice.ts';

let shared: Device;
beforeAll(async () => void (shared = await testDevice()));
/** What `World.sum` was given, the memory itself. */
let given: Float32Array[] = [];

const SLICE = 4096;
/** Two slices in each of four blocks. */
const BLOCKS = ['block.0', 'block.1', 'block.2', 'block.3'];
const SIZE = (2 * SLICE) / 4;

/** Ranks whose sums are as slow as the test wants: each is done when it is let go, and doubles what it was given. */
function slowWorld(): { world: World; begun: Float32Array[]; letGo: () => void } {
  const begun: Float32Array[] = [];
  const waiting: (() => void)[] = [];
  given = [];
  const world: World = {
    ...ALONE,
    async sum(values) {
      begun.push(values.slice());
      given.push(values);
      await new Promise<void>((resolve) => waiting.push(resolve));
      values.forEach((value, at) => (values[at] = 2 * value));
    },
  };
  return { world, begun, letGo: () => waiting.shift()?.() };
}

function made(heldBytes?: number, device: Device = shared) {
  const arena = new ParameterArena(device, BLOCKS.map((name) => ({ name: `${name}.weight`, shape: [SIZE / 8, 8], decay: true })));
  const lossSum = device.upload(Float32Array.of(3, 1), [2], 'batch');
  BLOCKS.forEach((name, at) => device.write(arena.parameters.get(`${name}.weight`)!.grad.parts[0]!.view, new Float32Array(SIZE).fill(at + 1)));
  const { world, begun, letGo } = slowWorld();
  const sum = new GradientSum(device, world, arena, lossSum, { sliceBytes: SLICE, ...(heldBytes !== undefined && { heldBytes }) });
  const read = vi.spyOn(device, 'open');
  read.mockClear();
  const gradients = (): Promise<Float32Array[]> => Promise.all([...arena.parameters.values()].map(({ grad }) => device.readF32(grad)));
  return { sum, begun, letGo, read, lossSum, gradients };
}

async function letGoUntilEnd(ended: Promise<unknown>, letGo: () => void): Promise<void> {
  let isOver = false;
  void ended.then(() => (isOver = true));
  while (!isOver) {
    letGo();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

it('sends for each slice when its blocks are passed, though the first is still summed; the last block first', async () => {
  const { sum, begun, letGo, read, lossSum, gradients } = made();
  sum.begin(true);
  expect(read).toHaveBeenCalledTimes(0);
  sum.passed('block.3');
  expect(read).toHaveBeenCalledTimes(2);
  await vi.waitFor(() => expect(begun).toHaveLength(1));
  sum.passed('block.2');
  sum.passed('block.0'); // not before block.1
  expect(read).toHaveBeenCalledTimes(4);
  sum.passed('block.1');
  expect(read).toHaveBeenCalledTimes(9); // and the loss, which was there before any gradient
  expect(begun).toHaveLength(1);
  const ended = sum.finish();
  await letGoUntilEnd(ended, letGo);
  expect(await ended).toBe('summed');
  expect(begun.map(([first]) => first)).toEqual([4, 4, 3, 3, 2, 2, 1, 1, 3]);
  expect((await gradients()).map((values) => [Math.min(...values), Math.max(...values)])).toEqual([[2, 2], [4, 4], [6, 6], [8, 8]]);
  expect(await shared.readF32(lossSum)).toEqual(Float32Array.of(6, 2));
});

it('holds no more than it may beside the GPU', async () => {
  const { sum, begun, letGo, read, gradients } = made(3 * SLICE);
  sum.begin(true);
  for (const name of BLOCKS.toReversed()) sum.passed(name);
  const ended = sum.finish();
  expect(read).toHaveBeenCalledTimes(3);
  await vi.waitFor(() => expect(begun).toHaveLength(1));
  letGo();
  await vi.waitFor(() => expect(begun).toHaveLength(2));
  expect(read).toHaveBeenCalledTimes(4);
  await letGoUntilEnd(ended, letGo);
  expect((await gradients()).map(([first]) => first)).toEqual([2, 4, 6, 8]);
});

it('a device that is destroyed while a slice is summed goes after that: another thread writes to its memory', async () => {
  const own = await testDevice();
  const destroyed = vi.spyOn(own.gpu, 'destroy');
  const { sum, begun, letGo, gradients } = made(undefined, own);
  await gradients();
  sum.begin(true);
  for (const name of BLOCKS.toReversed()) sum.passed(name);
  const ended = expect(sum.finish()).rejects.toThrow('the GPU is gone');
  await vi.waitFor(() => expect(begun).toHaveLength(1));
  sum.drop(new Error('the GPU is gone'));
  own.destroy();
  expect(destroyed).not.toHaveBeenCalled();
  expect(given[0]!.byteLength).toBe(SLICE); // of memory that was unmapped: 0
  letGo();
  await ended;
  await vi.waitFor(() => expect(destroyed).toHaveBeenCalledTimes(1));
  expect(begun).toHaveLength(1);
  expect(given[0]!.byteLength).toBe(0);
});
