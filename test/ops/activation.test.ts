import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/gpu/device.ts';
import { activation } from '../../src/ops/activation.ts';
import type { Activation } from '../../src/ops/activation.ts';
import { add } from '../../src/ops/add.ts';
import { Tape } from '../../src/ops/tape.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { checkOp, randomOperand } from './gradientCheck.ts';
import { activations } from './activationReference.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

const names = Object.keys(activations) as Activation[];

async function run(name: Activation, x: Float32Array): Promise<{ y: Float32Array; dx: Float32Array }> {
  const t = new Tape(device, { grad: true });
  const input = device.upload(x, [x.length], 'test');
  const ones = device.upload(new Float32Array(x.length).fill(1), [x.length], 'test');
  input.requiresGrad = true;
  const output = activation(t, input, name);
  const y = await device.readF32(output);
  t.backward(output, ones);
  const gradient = t.takeGradient(input)!;
  const dx = await device.readF32(gradient);
  t.release();
  for (const tensor of [input, ones, gradient]) device.pool.release(tensor.view);
  return { y, dx };
}

describe.each(names)('activation %s', (name) => {
  it('equals float64 for any shape, forward and gradient', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 60 }), fc.constantFrom(0.1, 1, 8), async (rows, size, scale) => {
        await checkOp(device, {
          inputs: { x: randomOperand([rows, size], 1, scale) },
          run: (t, { x }) => activation(t, x!, name),
          reference: ({ x }) => x!.map(activations[name]),
        });
      }),
      { numRuns: 8 },
    );
  });

  it('adds its gradient to one that is there', async () => {
    await checkOp(device, {
      inputs: { x: randomOperand([3, 7], 1, 3) },
      run: (t, { x }) => add(t, x!, activation(t, x!, name)),
      reference: ({ x }) => x!.map((v) => v + activations[name](v)),
    });
  });

  it('is within 2e-7 of float64, or as near as a float32 of that size is, from -16 to 16', async () => {
    const x = Float32Array.from({ length: 64001 }, (_, i) => (i - 32000) / 2000);
    const { y } = await run(name, x);
    let worst = 0;
    x.forEach((v, i) => {
      const expected = activations[name](v);
      worst = Math.max(worst, Math.abs(y[i]! - expected) / Math.max(1, Math.abs(expected)));
    });
    expect(worst).toBeLessThan(2e-7);
  });

  it('has its limits where exp, tanh and squares would overflow', async () => {
    const x = Float32Array.of(0, 50, 100, 1000, 1e20, 3e38, -50, -100, -1000, -1e20);
    const { y, dx } = await run(name, x);
    x.forEach((v, i) => {
      // -1e20 times a gate of 1e-37 is as near to zero as a clamped exponent gets.
      expect(Math.abs(y[i]! - Math.max(0, v)), `${name}(${v})`).toBeLessThanOrEqual(1e-15);
      expect(Math.abs(dx[i]! - (v === 0 ? 0.5 : v > 0 ? 1 : 0)), `${name}'(${v})`).toBeLessThanOrEqual(1e-15);
    });
  });
});
