import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/gpu/device.ts';
import { add } from '../../src/ops/add.ts';
import { splitColumns } from '../../src/ops/splitColumns.ts';
import { Tape } from '../../src/ops/tape.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { checkOp, randomOperand } from './gradientCheck.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

function columns(x: Float64Array, rows: number, total: number, start: number, size: number): Float64Array {
  return Float64Array.from({ length: rows * size }, (_, i) => x[Math.floor(i / size) * total + start + (i % size)]!);
}

describe('splitColumns', () => {
  it('copies each part; columns of parts that nothing uses get gradient zero', async () => {
    const shape = fc.tuple(fc.integer({ min: 1, max: 30 }), fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 4 }), fc.nat(3));
    await fc.assert(
      fc.asyncProperty(shape, async ([rows, sizes, pick]) => {
        const chosen = pick % sizes.length;
        const total = sizes.reduce((a, b) => a + b, 0);
        const start = sizes.slice(0, chosen).reduce((a, b) => a + b, 0);
        await checkOp(device, {
          inputs: { x: randomOperand([rows, total], 1) },
          run: (t, { x }) => splitColumns(t, x!, sizes)[chosen]!,
          reference: ({ x }) => columns(x!, rows, total, start, sizes[chosen]!),
          forwardTolerance: 0,
        });
      }),
      { numRuns: 15 },
    );
  });

  it('gives every part its own gradient and adds to one that is there', async () => {
    await checkOp(device, {
      inputs: { x: randomOperand([6, 21], 1) },
      run: (t, { x }) => {
        const sum = add(t, x!, x!);
        const [a, b, c] = splitColumns(t, sum, [7, 7, 7]);
        const parts = add(t, add(t, a!, b!), add(t, b!, c!));
        return add(t, parts, splitColumns(t, sum, [7, 14])[0]!);
      },
      reference: ({ x }) => {
        const part = (at: number): Float64Array => columns(x!, 6, 21, at * 7, 7);
        const [a, b, c] = [part(0), part(1), part(2)];
        return a.map((value, i) => 2 * (2 * value + 2 * b[i]! + c[i]!));
      },
    });
  });

  it('refuses widths that do not add up', () => {
    const t = new Tape(device);
    expect(() => splitColumns(t, t.alloc([2, 9]), [4, 4])).toThrow(/4 \+ 4: expected x of shape \(T, 8\), found \(2, 9\)/);
    t.release();
  });
});
