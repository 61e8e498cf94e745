import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { shuffled } from '../../src/data/random.ts';
import type { Device } from '../../src/gpu/device.ts';
import { add } from '../../src/ops/add.ts';
import { permuteRows } from '../../src/ops/permuteRows.ts';
import { Tape } from '../../src/ops/tape.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { checkOp, randomOperand } from './gradientCheck.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

function inverseOf(order: Uint32Array): Uint32Array {
  const inverse = new Uint32Array(order.length);
  order.forEach((row, at) => (inverse[row] = at));
  return inverse;
}

function reference(x: Float64Array, order: Uint32Array, size: number): Float64Array {
  return Float64Array.from({ length: order.length * size }, (_, i) => x[order[Math.floor(i / size)]! * size + (i % size)]!);
}

describe('permuteRows', () => {
  it('equals float64 for any shape and order', async () => {
    const shape = fc.tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 70 }), fc.integer());
    await fc.assert(
      fc.asyncProperty(shape, async ([rows, size, seed]) => {
        const order = shuffled(rows, seed, 0);
        const orderTensor = device.upload(order, [rows], 'test');
        const inverse = device.upload(inverseOf(order), [rows], 'test');
        await checkOp(device, {
          inputs: { x: randomOperand([rows, size], 1) },
          run: (t, { x }) => permuteRows(t, x!, orderTensor, inverse),
          reference: ({ x }) => reference(x!, order, size),
          forwardTolerance: 0,
        });
        device.pool.release(orderTensor.view);
        device.pool.release(inverse.view);
      }),
      { numRuns: 15 },
    );
  });

  it('adds its gradient to one that is there, and permutes groups of rows as longer rows', async () => {
    const order = Uint32Array.of(2, 0, 1);
    const orderTensor = device.upload(order, [3], 'test');
    const inverse = device.upload(inverseOf(order), [3], 'test');
    await checkOp(device, {
      inputs: { x: randomOperand([12, 5], 1) },
      run: (t, { x }) => add(t, x!, t.reshape(permuteRows(t, t.reshape(x!, [3, 20]), orderTensor, inverse), [12, 5])),
      reference: ({ x }) => reference(x!, order, 20).map((v, i) => v + x![i]!),
    });
    device.pool.release(orderTensor.view);
    device.pool.release(inverse.view);
  });

  it('refuses an order of another length', () => {
    const t = new Tape(device);
    expect(() => permuteRows(t, t.alloc([4, 2]), t.alloc([3], 'u32'), t.alloc([4], 'u32'))).toThrow(/order: expected shape \(4\), found \(3\)/);
    expect(() => permuteRows(t, t.alloc([4, 2]), t.alloc([4], 'u32'), t.alloc([3], 'u32'))).toThrow(/inverse: expected shape \(4\), found \(3\)/);
    t.release();
  });
});
