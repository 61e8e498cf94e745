/**
 * Checks an op against a float64 reference: its forward directly, its gradients against central differences of that reference
 * (step 1e-5 in float64: truncation and rounding stay under 1e-9). The op runs through a Tape as a model would call it, the gradients
 * of tensors and of parameters alike.
 */
import { expect } from 'vitest';
import type { Device } from '../../src/gpu/device.ts';
import type { Tensor } from '../../src/gpu/tensor.ts';
import type { Parameter } from '../../src/ops/parameter.ts';
import { Tape } from '../../src/ops/tape.ts';
import type { TapeOptions } from '../../src/ops/tape.ts';
import { counterHash } from '../../src/data/random.ts';

export interface Operand {
  shape: number[];
  data: Float32Array;
}

/** Reproducible values in (-scale, scale). */
export function randomOperand(shape: number[], seed: number, scale = 1): Operand {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  for (let i = 0; i < data.length; i++) data[i] = (counterHash(seed, 0, 0, i) / 2 ** 31 - 1) * scale;
  return { shape, data };
}

export interface OpCase {
  /** Differentiable activations. */
  inputs: Record<string, Operand>;
  /** Trainable parameters (f32). */
  parameters?: Record<string, Operand>;
  run: (t: Tape, inputs: Record<string, Tensor>, parameters: Record<string, Parameter>) => Tensor;
  /** The forward in float64 over the same names. */
  reference: (values: Record<string, Float64Array>) => Float64Array;
  /** Largest allowed error over the largest magnitude of the reference (default 2e-6 forward, 1e-5 gradients: float32 sums of tens of terms). */
  forwardTolerance?: number;
  gradientTolerance?: number;
  /** Magnitude of the terms that a gradient is the difference of, where they cancel; errors are taken relative to it when the gradient itself is smaller. */
  gradientFloor?: number;
  tape?: TapeOptions;
  /** At most this many elements a tensor are differenced (default 24, spread evenly); the reference runs twice for each. */
  probes?: number;
}

function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>, floor = 1e-30): number {
  let worst = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    if (!Number.isFinite(actual[i]!)) return Infinity;
    worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!));
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return worst / Math.max(largest, floor);
}

export async function checkOp(device: Device, op: OpCase): Promise<void> {
  const t = new Tape(device, { grad: true, training: true, ...op.tape });
  const held: Tensor[] = [];
  const upload = ({ shape, data }: Operand): Tensor => {
    const tensor = device.upload(data, shape, 'test');
    held.push(tensor);
    return tensor;
  };
  const inputs: Record<string, Tensor> = {};
  for (const [name, operand] of Object.entries(op.inputs)) {
    inputs[name] = upload(operand);
    inputs[name].requiresGrad = true;
  }
  const parameters: Record<string, Parameter> = {};
  for (const [name, operand] of Object.entries(op.parameters ?? {})) {
    const grad = upload({ shape: operand.shape, data: new Float32Array(operand.data.length) });
    parameters[name] = { name, tensor: upload(operand), grad };
  }
  const y = op.run(t, inputs, parameters);
  const actual = await device.readF32(y);

  const values: Record<string, Float64Array> = {};
  for (const [name, operand] of Object.entries({ ...op.inputs, ...op.parameters })) values[name] = Float64Array.from(operand.data);
  const expected = op.reference(values);
  expect(actual.length).toBe(expected.length);
  expect(relativeError(actual, expected), 'forward').toBeLessThanOrEqual(op.forwardTolerance ?? 2e-6);

  const seed = randomOperand([...y.shape], 99);
  const dy = upload({ shape: [...y.shape], data: seed.data });
  t.backward(y, dy);
  const objective = (): number => {
    const out = op.reference(values);
    let sum = 0;
    for (let i = 0; i < out.length; i++) sum += out[i]! * seed.data[i]!;
    return sum;
  };
  for (const name of Object.keys(values)) {
    const gradient = inputs[name] ? t.takeGradient(inputs[name]) : parameters[name]!.grad;
    expect(gradient, `a gradient for ${name}`).toBeDefined();
    const got = await device.readF32(gradient!);
    if (inputs[name]) held.push(gradient!);
    const array = values[name]!;
    const stride = Math.max(1, Math.floor(array.length / (op.probes ?? 24)));
    const probed: number[] = [];
    const wanted: number[] = [];
    for (let i = 0; i < array.length; i += stride) {
      const center = array[i]!;
      const h = 1e-5;
      array[i] = center + h;
      const above = objective();
      array[i] = center - h;
      const below = objective();
      array[i] = center;
      probed.push(got[i]!);
      wanted.push((above - below) / (2 * h));
    }
    expect(relativeError(probed, wanted, op.gradientFloor), `gradient of ${name}`).toBeLessThanOrEqual(op.gradientTolerance ?? 1e-5);
  }
  t.release();
  for (const tensor of held) device.pool.release(tensor.view);
}
