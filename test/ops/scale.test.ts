import fc from 'fast-check';
import { beforeAll, describe, it } from 'vitest';
import type { Device } from '../../src/gpu/device.ts';
import { add } from '../../src/ops/add.ts';
import { scale } from '../../src/ops/scale.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { checkOp, randomOperand } from './gradientCheck.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

describe('scale', () => {
  it('equals float64 for any shape and factor, and adds its gradient to one that is there', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 }), fc.constantFrom(0, -2.5, 0.1, 45.25), async (rows, size, factor) => {
        await checkOp(device, {
          inputs: { x: randomOperand([rows, size], 1) },
          run: (t, { x }) => scale(t, x!, factor),
          reference: ({ x }) => x!.map((v) => factor * v),
        });
        await checkOp(device, {
          inputs: { x: randomOperand([rows, size], 1) },
          run: (t, { x }) => add(t, x!, scale(t, x!, factor)),
          reference: ({ x }) => x!.map((v) => v + factor * v),
        });
      }),
      { numRuns: 8 },
    );
  });
});
