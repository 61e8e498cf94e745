import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { counterHash } from '../../src/data/random.ts';
import type { Device } from '../../src/gpu/device.ts';
import { add } from '../../src/ops/add.ts';
import { dropout } from '../../src/ops/dropout.ts';
import { Tape } from '../../src/ops/tape.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { checkOp, randomOperand } from './gradientCheck.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

interface Draw {
  seed: number;
  step: number;
  stream: number;
}

function reference(x: Float64Array, rate: number, { seed, step, stream }: Draw): Float64Array {
  const rounded = Math.fround(rate);
  return x.map((v, i) => ((counterHash(seed, stream, step, i) >>> 8) / 2 ** 24 >= rounded ? v / (1 - rounded) : 0));
}

async function ones(count: number, rate: number, { seed, step, stream }: Draw): Promise<Float32Array> {
  const t = new Tape(device, { training: true, random: { seed, step } });
  const x = device.upload(new Float32Array(count).fill(1), [count], 'test');
  const y = await device.readF32(dropout(t, x, rate, stream));
  t.release();
  device.pool.release(x.view);
  return y;
}

describe('dropout', () => {
  const draws = fc.record({ seed: fc.integer(), step: fc.nat(), stream: fc.nat(0xffffffff) });

  it('equals float64 with the mask of its CPU twin, forward and gradient', async () => {
    const shape = fc.tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 }), fc.constantFrom(0.05, 0.1, 0.5, 0.9), draws);
    await fc.assert(
      fc.asyncProperty(shape, async ([rows, size, rate, draw]) => {
        await checkOp(device, {
          inputs: { x: randomOperand([rows, size], 1) },
          run: (t, { x }) => dropout(t, x!, rate, draw.stream),
          reference: ({ x }) => reference(x!, rate, draw),
          tape: { random: draw },
        });
        await checkOp(device, {
          inputs: { x: randomOperand([rows, size], 1) },
          run: (t, { x }) => add(t, x!, dropout(t, x!, rate, draw.stream)),
          reference: ({ x }) => reference(x!, rate, draw).map((v, i) => v + x![i]!),
          tape: { random: draw },
        });
      }),
      { numRuns: 8 },
    );
  });

  it('drops about its rate, whatever the seed, and each of seed, step and stream changes the mask', async () => {
    const count = 40000;
    const base = { seed: 42, step: 3, stream: 17 };
    const first = await ones(count, 0.1, base);
    for (const other of [{ ...base, seed: 43 }, { ...base, step: 4 }, { ...base, stream: 18 }]) {
      const second = await ones(count, 0.1, other);
      const zeros = second.filter((v) => v === 0).length;
      // Binomial: mean 4000, standard deviation 60; independent masks drop together 400 ± 20.
      expect(Math.abs(zeros - 4000)).toBeLessThan(5 * 60);
      expect(Math.abs(second.filter((v, i) => v === 0 && first[i] === 0).length - 400)).toBeLessThan(5 * 20);
    }
    expect(await ones(count, 0.1, base)).toEqual(first);
  });

  it('is the input itself at rate 0 and outside training, and refuses rates that are none', () => {
    const t = new Tape(device, { training: true });
    const x = t.alloc([4]);
    expect(dropout(t, x, 0, 1)).toBe(x);
    expect(dropout(new Tape(device), x, 0.5, 1)).toBe(x);
    for (const rate of [1, -0.1, NaN]) expect(() => dropout(t, x, rate, 1)).toThrow(/rate in \[0, 1\)/);
    t.release();
  });
});
