import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/gpu/device.ts';
import { add } from '../../src/ops/add.ts';
import { averagePool } from '../../src/ops/averagePool.ts';
import { Tape } from '../../src/ops/tape.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { checkOp, randomOperand } from './gradientCheck.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

interface Shape {
  images: number;
  side: number;
  kernel: number;
}

/** nn.AvgPool2d(kernel, kernel) on (images, side, side, size). */
function reference(x: Float64Array, { images, side, kernel }: Shape, size: number): Float64Array {
  const pooled = Math.floor(side / kernel);
  const y = new Float64Array(images * pooled * pooled * size);
  for (let image = 0; image < images; image++) {
    for (let row = 0; row < pooled * kernel; row++) {
      for (let column = 0; column < pooled * kernel; column++) {
        const to = (image * pooled + Math.floor(row / kernel)) * pooled + Math.floor(column / kernel);
        const from = (image * side + row) * side + column;
        for (let c = 0; c < size; c++) y[to * size + c]! += x[from * size + c]! / kernel ** 2;
      }
    }
  }
  return y;
}

describe('averagePool', () => {
  it('equals float64 for any shape, with a rest at the edges or none', async () => {
    const shape = fc.record({ images: fc.integer({ min: 1, max: 3 }), side: fc.integer({ min: 1, max: 9 }), kernel: fc.integer({ min: 1, max: 4 }) });
    await fc.assert(
      fc.asyncProperty(shape, fc.integer({ min: 1, max: 40 }), async ({ images, side, kernel: most }, size) => {
        const options = { images, side, kernel: Math.min(side, most) };
        await checkOp(device, {
          inputs: { x: randomOperand([images * side * side, size], 1) },
          run: (t, { x }) => averagePool(t, x!, options),
          reference: ({ x }) => reference(x!, options, size),
        });
      }),
      { numRuns: 15 },
    );
  });

  it('adds its gradient to one that is there', async () => {
    const options = { images: 2, side: 4, kernel: 1 };
    await checkOp(device, {
      inputs: { x: randomOperand([32, 6], 1) },
      run: (t, { x }) => add(t, x!, averagePool(t, x!, options)),
      reference: ({ x }) => x!.map((v) => 2 * v),
    });
  });

  it('refuses images of another size', () => {
    const t = new Tape(device);
    expect(() => averagePool(t, t.alloc([31, 6]), { images: 2, side: 4, kernel: 2 })).toThrow(/expected shape \(32, 6\)/);
    t.release();
  });
});
