import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/gpu/device.ts';
import { Tensor } from '../../src/gpu/tensor.ts';
import { f32ToBf16 } from '../../src/io/halfFloat.ts';
import { add } from '../../src/ops/add.ts';
import { project } from '../../src/ops/project.ts';
import { Tape } from '../../src/ops/tape.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { checkOp, randomOperand } from './gradientCheck.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

function reference(x: Float64Array, w: Float64Array, into: number, out: number): Float64Array {
  const y = new Float64Array((x.length / into) * out);
  for (let i = 0; i < y.length; i++) {
    const row = Math.floor(i / out);
    for (let k = 0; k < into; k++) y[i]! += x[row * into + k]! * w[k * out + (i % out)]!;
  }
  return y;
}

describe('project', () => {
  it('equals float64 for any shape, forward and gradients', async () => {
    const extent = fc.integer({ min: 1, max: 40 });
    await fc.assert(
      fc.asyncProperty(extent, extent, extent, async (rows, into, out) => {
        await checkOp(device, {
          inputs: { x: randomOperand([rows, into], 1) },
          parameters: { w: randomOperand([into, out], 2) },
          run: (t, { x }, { w }) => project(t, x!, w!),
          reference: ({ x, w }) => reference(x!, w!, into, out),
          gradientFloor: 1,
        });
      }),
      { numRuns: 10 },
    );
  });

  it('adds its gradient to one that is there', async () => {
    await checkOp(device, {
      inputs: { x: randomOperand([5, 8], 1) },
      parameters: { w: randomOperand([8, 8], 2) },
      run: (t, { x }, { w }) => add(t, x!, project(t, x!, w!)),
      reference: ({ x, w }) => reference(x!, w!, 8, 8).map((v, i) => v + x![i]!),
    });
  });

  it('reads a frozen bf16 matrix', async () => {
    const x = randomOperand([3, 6], 1);
    const values = randomOperand([6, 4], 2).data.map((v) => Math.round(v * 64) / 64);
    const bits = f32ToBf16(values);
    const view = device.pool.acquire(bits.byteLength, 'test');
    device.write(view, new Uint8Array(bits.buffer));
    const input = device.upload(x.data, x.shape, 'test');
    const t = new Tape(device);
    const y = await device.readF32(project(t, input, { name: 'w', tensor: new Tensor([6, 4], 'bf16', view) }));
    const wanted = reference(Float64Array.from(x.data), Float64Array.from(values), 6, 4);
    wanted.forEach((value, i) => {
      expect(y[i]).toBeCloseTo(value, 5);
    });
    t.release();
    for (const held of [view, input.view]) device.pool.release(held);
  });
});
