import fc from 'fast-check';
import { beforeAll, describe, it } from 'vitest';
import type { Device } from '../../src/gpu/device.ts';
import { add } from '../../src/ops/add.ts';
import { rmsNorm } from '../../src/ops/rmsNorm.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { checkOp, randomOperand } from './gradientCheck.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

function reference(x: Float64Array, w: Float64Array, eps: number, offset: number): Float64Array {
  const size = w.length;
  const y = new Float64Array(x.length);
  for (let base = 0; base < x.length; base += size) {
    let squares = 0;
    for (let i = 0; i < size; i++) squares += x[base + i]! ** 2;
    const r = 1 / Math.sqrt(squares / size + eps);
    for (let i = 0; i < size; i++) y[base + i] = x[base + i]! * r * (w[i]! + offset);
  }
  return y;
}

describe('rmsNorm', () => {
  it('equals float64 for any shape, forward and gradients', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 200 }), fc.constantFrom(0 as const, 1 as const), async (rows, size, offset) => {
        const x = randomOperand([rows, size], 1);
        // One column: terms of 1/|x| cancel to nothing; away from zero they stay of size 1.
        if (size === 1) x.data.forEach((v, i) => (x.data[i] = v + (v < 0 ? -1 : 1)));
        await checkOp(device, {
          inputs: { x },
          parameters: { w: randomOperand([size], 2) },
          run: (t, { x }, { w }) => rmsNorm(t, x!, w!, 1e-6, offset),
          reference: ({ x, w }) => reference(x!, w!, 1e-6, offset),
          // dx is a difference of terms of size 1: in a row of one column only what eps does is left of them, about eps / x².
          gradientFloor: 1,
        });
      }),
      { numRuns: 12 },
    );
  });

  it('adds its gradient to the one of a residual branch', async () => {
    await checkOp(device, {
      inputs: { x: randomOperand([7, 33], 1) },
      parameters: { w: randomOperand([33], 2) },
      run: (t, { x }, { w }) => add(t, x!, rmsNorm(t, add(t, x!, x!), w!, 1e-6)),
      reference: ({ x, w }) => reference(x!.map((v) => 2 * v), w!, 1e-6, 0).map((v, i) => v + x![i]!),
    });
  });
});
