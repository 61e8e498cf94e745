import fc from 'fast-check';
import { beforeAll, describe, it } from 'vitest';
import type { Device } from '../../src/gpu/device.ts';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../src/io/halfFloat.ts';
import { add } from '../../src/ops/add.ts';
import { layerNorm } from '../../src/ops/layerNorm.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { checkOp, randomOperand } from './gradientCheck.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

function reference(x: Float64Array, w: Float64Array, b: Float64Array, eps: number): Float64Array {
  const size = w.length;
  const y = new Float64Array(x.length);
  for (let base = 0; base < x.length; base += size) {
    const row = x.subarray(base, base + size);
    const mean = row.reduce((sum, v) => sum + v, 0) / size;
    const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / size;
    for (let i = 0; i < size; i++) y[base + i] = ((row[i]! - mean) / Math.sqrt(variance + eps)) * w[i]! + b[i]!;
  }
  return y;
}

describe('layerNorm', () => {
  it('equals float64 for any shape, forward and gradients', async () => {
    // From 5 columns on: two of any size normalise to ±1, so that their gradient is nothing but rounding.
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 5, max: 200 }), fc.constantFrom(1e-6, 1e-2), async (rows, size, eps) => {
        await checkOp(device, {
          inputs: { x: randomOperand([rows, size], 1) },
          parameters: { w: randomOperand([size], 2), b: randomOperand([size], 3) },
          run: (t, { x }, { w, b }) => layerNorm(t, x!, w!, b!, eps),
          reference: ({ x, w, b }) => reference(x!, w!, b!, eps),
        });
      }),
      { numRuns: 12 },
    );
  });

  it('keeps its digits for rows far from zero', async () => {
    // Multiples of 1/1024 around 1000 are exact in float32, and so is the reference's input.
    const x = randomOperand([4, 96], 1);
    x.data.forEach((v, i) => (x.data[i] = 1000 + Math.round(v * 1024) / 1024));
    await checkOp(device, {
      inputs: { x },
      parameters: { w: randomOperand([96], 2), b: randomOperand([96], 3) },
      run: (t, inputs, { w, b }) => layerNorm(t, inputs.x!, w!, b!, 1e-6),
      reference: (values) => reference(values.x!, values.w!, values.b!, 1e-6),
      // The sum goes through 2 + 6 additions, each off by up to 3e-5 of 1000: the mean by up to 2.4e-4, over a standard deviation of 0.58.
      // mean(x²) - mean² would be off by 0.1 and more.
      forwardTolerance: 4e-4,
      gradientTolerance: 4e-4,
    });
  });

  it('adds its gradient to the one of a residual branch', async () => {
    await checkOp(device, {
      inputs: { x: randomOperand([7, 33], 1) },
      parameters: { w: randomOperand([33], 2), b: randomOperand([33], 3) },
      run: (t, { x }, { w, b }) => add(t, x!, layerNorm(t, add(t, x!, x!), w!, b!, 1e-6)),
      reference: ({ x, w, b }) => reference(x!.map((v) => 2 * v), w!, b!, 1e-6).map((v, i) => v + x![i]!),
    });
  });

  it.each(['f16', 'bf16'] as const)('reads %s weights, with a bias of any dtype', async (dtype) => {
    const codecs = { f16: [f32ToF16, f16ToF32], bf16: [f32ToBf16, bf16ToF32] } as const;
    const [encode, decode] = codecs[dtype];
    const w = encode(randomOperand([37], 2).data);
    const weight = { name: 'w', tensor: device.upload(w, [37], 'test', dtype) };
    // Values that all dtypes hold.
    const exact = randomOperand([37], 3).data.map((v) => Math.round(v * 16) / 16);
    const biases = [
      device.upload(f32ToF16(exact), [37], 'test', 'f16'),
      device.upload(f32ToBf16(exact), [37], 'test', 'bf16'),
      device.upload(exact, [37], 'test'),
    ];
    for (const bias of biases) {
      await checkOp(device, {
        inputs: { x: randomOperand([5, 37], 1) },
        run: (t, { x }) => layerNorm(t, x!, weight, { name: 'b', tensor: bias }, 1e-6),
        reference: ({ x }) => reference(x!, Float64Array.from(decode(w)), Float64Array.from(exact), 1e-6),
      });
    }
    for (const { view } of [weight.tensor, ...biases]) device.pool.release(view);
  });
});
