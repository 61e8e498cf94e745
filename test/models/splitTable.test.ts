/** A table larger than an adapter binds, as embedding and as head: the figures of one in a single piece. */
import { beforeAll, expect, it } from 'vitest';
import { counterHash } from '../../src/data/random.ts';
import type { Device } from '../../src/gpu/device.ts';
import { Tensor } from '../../src/gpu/tensor.ts';
import { allocateRows } from '../../src/models/loadWeights.ts';
import { embed } from '../../src/ops/embed.ts';
import { headLoss } from '../../src/ops/headLoss.ts';
import { Tape } from '../../src/ops/tape.ts';
import { testDevice } from '../gpu/testDevice.ts';

let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

it('an embedding of 36 MB, the head too, on an adapter that binds 32 MiB', async () => {
  const V = 140_000;
  const C = 64;
  const table = Float32Array.from({ length: V * C }, (_, i) => (counterHash(3, 0, 0, i) / 2 ** 31 - 1) / 4);
  const narrow = await testDevice({ maxBindingBytes: 32 * 2 ** 20 });
  const results = [];
  for (const on of [device, narrow]) {
    const parts = allocateRows(on, V, C * 4, 'weights');
    for (const { view, rowStart, rows } of parts) on.write(view, table.subarray(rowStart * C, (rowStart + rows) * C));
    const weight = { name: 'table', tensor: new Tensor([V, C], 'f32', parts) };
    // The first and last rows of either part, and a word of each part to predict.
    const ids = Uint32Array.of(0, V / 2 - 1, V / 2, V - 1);
    const upload = (data: Float32Array | Uint32Array): Tensor => on.upload(data, [data.length], 'test');
    const [words, rows, labels] = [upload(ids), upload(Uint32Array.of(1, 3)), upload(Uint32Array.of(5, V - 7))];
    const lossSum = upload(new Float32Array(2));
    const t = new Tape(on, { grad: true });
    const hidden = embed(t, words, weight);
    expect(await on.readF32(hidden)).toEqual(Float32Array.from([...ids].flatMap((id) => [...table.subarray(id * C, (id + 1) * C)])));
    hidden.requiresGrad = true;
    t.backward(await headLoss(t, hidden, weight, { count: 2, rows, labels }, { lossScale: 0.5, lossSum }));
    const [loss] = await on.readF32(lossSum);
    const gradient = t.takeGradient(hidden)!;
    results.push({ parts: parts.length, loss: loss!, gradient: await on.readF32(gradient) });
    t.release();
    for (const { view } of [...parts, words, rows, labels, lossSum, gradient]) on.pool.release(view);
  }
  const [whole, pieces] = results;
  expect([whole!.parts, pieces!.parts]).toEqual([1, 2]);
  expect(pieces!.loss).toBe(whole!.loss);
  // Sums over the two parts are added in another order.
  const largest = Math.max(...whole!.gradient.map(Math.abs));
  expect(largest).toBeGreaterThan(0);
  pieces!.gradient.forEach((value, i) => {
    expect(Math.abs(value - whole!.gradient[i]!)).toBeLessThanOrEqual(1e-5 * largest);
  });
});
