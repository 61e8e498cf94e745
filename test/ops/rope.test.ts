import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/gpu/device.ts';
import { add } from '../../src/ops/add.ts';
import { rope } from '../../src/ops/rope.ts';
import { Tape } from '../../src/ops/tape.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { checkOp, randomOperand } from './gradientCheck.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

/** transformers' formula as it is written there: q·cos + rotate_half(q)·sin, with the angles of the first half repeated. */
function reference(x: Float64Array, cos: Float32Array, sin: Float32Array, heads: number, size: number): Float64Array {
  const half = size / 2;
  return x.map((value, at) => {
    const d = at % size;
    const angle = Math.floor(at / (heads * size)) * half + (d % half);
    const rotated = d < half ? -x[at + half]! : x[at - half]!;
    return value * cos[angle]! + rotated * sin[angle]!;
  });
}

describe('rope', () => {
  it('equals float64 for any shape, forward and gradients', async () => {
    const shape = fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 40 }));
    await fc.assert(
      fc.asyncProperty(shape, async ([tokens, heads, half]) => {
        const angles = randomOperand([tokens, half], 3, 100).data;
        const cosines = angles.map(Math.cos);
        const sines = angles.map(Math.sin);
        const cos = device.upload(cosines, [tokens, half], 'test');
        const sin = device.upload(sines, [tokens, half], 'test');
        await checkOp(device, {
          inputs: { x: randomOperand([tokens, heads, 2 * half], 1) },
          run: (t, { x }) => rope(t, x!, { cos, sin }),
          reference: ({ x }) => reference(x!, cosines, sines, heads, 2 * half),
        });
        device.pool.release(cos.view);
        device.pool.release(sin.view);
      }),
      { numRuns: 12 },
    );
  });

  it('adds its gradient to one that is already there', async () => {
    const angles = randomOperand([5, 3], 3, 4).data;
    const cosines = angles.map(Math.cos);
    const sines = angles.map(Math.sin);
    const cos = device.upload(cosines, [5, 3], 'test');
    const sin = device.upload(sines, [5, 3], 'test');
    await checkOp(device, {
      inputs: { x: randomOperand([5, 2, 6], 1) },
      run: (t, { x }) => add(t, x!, rope(t, add(t, x!, x!), { cos, sin })),
      reference: ({ x }) => reference(x!.map((v) => 2 * v), cosines, sines, 2, 6).map((v, i) => v + x![i]!),
    });
  });

  it('refuses shapes that do not fit', () => {
    const t = new Tape(device);
    expect(() => rope(t, t.alloc([3, 2, 5]), { cos: t.alloc([3, 2]), sin: t.alloc([3, 2]) })).toThrow(/D even.*\(3, 2, 5\)/);
    expect(() => rope(t, t.alloc([3, 2, 4]), { cos: t.alloc([3, 4]), sin: t.alloc([3, 2]) })).toThrow(/cos: expected shape \(3, 2\)/);
    t.release();
  });
});
