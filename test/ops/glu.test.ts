import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/gpu/device.ts';
import { add } from '../../src/ops/add.ts';
import { glu } from '../../src/ops/glu.ts';
import { Tape } from '../../src/ops/tape.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { activations } from './activationReference.ts';
import { checkOp, randomOperand } from './gradientCheck.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

describe.each(['silu', 'gelu_tanh'] as const)('glu %s', (act) => {
  const reference = (gate: Float64Array, up: Float64Array): Float64Array => gate.map((v, i) => activations[act](v) * up[i]!);

  it('equals float64 for any shape, forward and gradients', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 90 }), async (rows, size) => {
        await checkOp(device, {
          inputs: { gate: randomOperand([rows, size], 1, 4), up: randomOperand([rows, size], 2) },
          run: (t, { gate, up }) => glu(t, gate!, up!, act),
          reference: ({ gate, up }) => reference(gate!, up!),
        });
      }),
      { numRuns: 8 },
    );
  });

  it('adds both gradients to ones that are there', async () => {
    await checkOp(device, {
      inputs: { gate: randomOperand([5, 9], 1, 4), up: randomOperand([5, 9], 2) },
      run: (t, { gate, up }) => add(t, add(t, gate!, up!), glu(t, gate!, up!, act)),
      reference: ({ gate, up }) => reference(gate!, up!).map((v, i) => v + gate![i]! + up![i]!),
    });
  });

  it.each(['gate', 'up'] as const)('gives %s its gradient when the other needs none', async (wanted) => {
    const fixed = randomOperand([4, 11], 2);
    const constant = device.upload(fixed.data, fixed.shape, 'test');
    const held = Float64Array.from(fixed.data);
    await checkOp(device, {
      inputs: { x: randomOperand([4, 11], 1, 4) },
      run: (t, { x }) => (wanted === 'gate' ? glu(t, x!, constant, act) : glu(t, constant, x!, act)),
      reference: ({ x }) => (wanted === 'gate' ? reference(x!, held) : reference(held, x!)),
    });
    device.pool.release(constant.view);
  });
});

it('glu refuses two shapes', () => {
  const t = new Tape(device);
  expect(() => glu(t, t.alloc([2, 3]), t.alloc([2, 4]), 'silu')).toThrow(/glu, up: expected shape \(2, 3\), found \(2, 4\)/);
  t.release();
});
