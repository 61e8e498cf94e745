import { beforeAll, describe, expect, it } from 'vitest';
import { counterHash } from '../../src/data/random.ts';
import type { Device } from '../../src/gpu/device.ts';
import { AdamW } from '../../src/train/optimizer.ts';
import type { AdamWOptions } from '../../src/train/optimizer.ts';
import { ParameterArena } from '../../src/train/parameterArena.ts';
import type { ParameterSpec } from '../../src/train/parameterArena.ts';
import { testDevice } from '../gpu/testDevice.ts';

let device: Device;
let small: Device;
beforeAll(async () => {
  device = await testDevice();
  small = await testDevice({ maxBindingBytes: 4096 });
});

const SPECS: ParameterSpec[] = [
  { name: 'a', shape: [3, 7], decay: true },
  { name: 'bias', shape: [5], decay: false },
  { name: 'large', shape: [130, 40], decay: true },
  { name: 'b', shape: [64, 2], decay: true },
  { name: 'norm', shape: [65], decay: false },
];

function numbers(size: number, seed: number, scale: number): Float32Array {
  return Float32Array.from({ length: size }, (_, i) => (counterHash(seed, 0, 0, i) / 2 ** 31 - 1) * scale);
}

const size = (spec: ParameterSpec): number => spec.shape.reduce((a, b) => a * b, 1);

function fill(arena: ParameterArena): void {
  SPECS.forEach((spec, at) => arena.writeValues(spec.name, numbers(size(spec), at, 0.5)));
}

function writeGradients(on: Device, arena: ParameterArena, gradients: readonly Float32Array[]): void {
  SPECS.forEach((spec, at) => {
    const { grad } = arena.parameters.get(spec.name)!;
    for (const part of grad.parts) {
      const from = part.rowStart * grad.rowSize;
      on.write(part.view, gradients[at]!.subarray(from, from + part.rows * grad.rowSize));
    }
  });
}

const gradientsOf = (step: number, scale = 1): Float32Array[] => SPECS.map((spec, at) => numbers(size(spec), 1000 * step + at, scale));

/** torch.optim.AdamW and clip_grad_norm_ in float64, bias corrections by their powers. */
class Reference {
  readonly values = SPECS.map((spec, at) => Float64Array.from(numbers(size(spec), at, 0.5)));
  readonly m = SPECS.map((spec) => new Float64Array(size(spec)));
  readonly v = SPECS.map((spec) => new Float64Array(size(spec)));
  private taken = 0;
  private readonly options: Required<Omit<AdamWOptions, 'logCapacity'>>;
  constructor(options: AdamWOptions) {
    this.options = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, maxGradNorm: 0, ...options };
  }

  /** Returns the norm before clipping. */
  step(gradients: readonly Float32Array[], lr: number): number {
    const { beta1, beta2, eps, weightDecay, maxGradNorm } = this.options;
    const norm = Math.sqrt(gradients.reduce((total, g) => total + g.reduce((sum, x) => sum + x * x, 0), 0));
    if (!Number.isFinite(norm)) return norm;
    const coefficient = maxGradNorm > 0 ? Math.min(1, maxGradNorm / (norm + 1e-6)) : 1;
    this.taken++;
    gradients.forEach((gradient, at) => {
      const decay = SPECS[at]!.decay ? weightDecay : 0;
      const [p, m, v] = [this.values[at]!, this.m[at]!, this.v[at]!];
      gradient.forEach((raw, i) => {
        const g = raw * coefficient;
        m[i] = beta1 * m[i]! + (1 - beta1) * g;
        v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
        const denominator = Math.sqrt(v[i]) / Math.sqrt(1 - beta2 ** this.taken) + eps;
        p[i] = p[i]! * (1 - lr * decay) - (lr / (1 - beta1 ** this.taken)) * (m[i] / denominator);
      });
    });
    return norm;
  }
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  expect(actual.length).toBe(expected.length);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    worst = Math.max(worst, Number.isNaN(error) ? Infinity : error);
  }
  expect(worst, what).toBeLessThanOrEqual(tolerance);
}

async function compareTrajectory(on: Device, options: AdamWOptions, gradientScale: (step: number) => number): Promise<void> {
  const arena = new ParameterArena(on, SPECS);
  fill(arena);
  const adamw = new AdamW(on, arena, { ...options, logCapacity: 32 });
  const reference = new Reference(options);
  const norms: number[] = [];
  const skipped: boolean[] = [];
  for (let step = 1; step <= 20; step++) {
    const gradients = gradientsOf(step, gradientScale(step));
    if (step === 7) gradients[2]![4321] = NaN;
    if (step === 11) gradients[1]![4] = -Infinity;
    writeGradients(on, arena, gradients);
    const lr = (step - 1) * 1e-3;
    adamw.step(lr);
    norms.push(reference.step(gradients, lr));
    skipped.push(step === 7 || step === 11);
  }
  for (const [at, spec] of SPECS.entries()) {
    // Weights under 1 moved 20 times: the rounding of 20 f32 additions near 1 (6e-8 each), and of updates of up to 0.02.
    expectClose(await arena.readValues(spec.name), reference.values[at]!, 1e-6, `values of ${spec.name}`);
    const { m, v } = await arena.readMoments(spec.name);
    expectClose(m, reference.m[at]!, 1e-6 * Math.max(...reference.m[at]!.map(Math.abs)), `m of ${spec.name}`);
    expectClose(v, reference.v[at]!, 1e-6 * Math.max(...reference.v[at]!), `v of ${spec.name}`);
  }
  const log = await adamw.readLog(1, 20);
  expect(log.map((row) => row.step)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  expect(log.map((row) => row.skipped)).toEqual(skipped);
  log.forEach((row, at) => {
    if (!skipped[at]) expect(Math.abs(row.gradNorm / norms[at]! - 1), `norm of step ${row.step}`).toBeLessThan(1e-6);
  });
  const state = await adamw.readState();
  expect(state).toMatchObject({ steps: 20, taken: 18, skipped: 2 });
  expect(Math.abs(state.biasCorrection2 / (1 - (options.beta2 ?? 0.999) ** 18) - 1)).toBeLessThan(1e-6);
  adamw.release();
  arena.release();
}

describe('AdamW', () => {
  it('follows torch over 20 steps with warm-up from 0, decay, clipping and two steps skipped', async () => {
    await compareTrajectory(device, { weightDecay: 0.1, maxGradNorm: 1 }, (step) => (step % 3 === 0 ? 1e-3 : 1));
  });

  it('follows torch without clipping and with other betas', async () => {
    await compareTrajectory(device, { beta1: 0.8, beta2: 0.95, eps: 1e-6, weightDecay: 0.01 }, () => 3);
  });

  it('does the same over many arenas, with a parameter split by rows', async () => {
    await compareTrajectory(small, { weightDecay: 0.1, maxGradNorm: 1 }, (step) => (step % 3 === 0 ? 1e-3 : 1));
  });

  it('leaves weights alone at a learning rate of 0, but not the moments', async () => {
    const arena = new ParameterArena(device, SPECS);
    fill(arena);
    const adamw = new AdamW(device, arena, { weightDecay: 0.1, maxGradNorm: 1 });
    writeGradients(device, arena, gradientsOf(1));
    adamw.step(0);
    expect(await arena.readValues('large')).toEqual(numbers(5200, 2, 0.5));
    expect((await arena.readMoments('large')).m.some((value) => value !== 0)).toBe(true);
    adamw.release();
    arena.release();
  });

  it('changes nothing in a skipped step, to the bit', async () => {
    const arena = new ParameterArena(device, SPECS);
    fill(arena);
    const adamw = new AdamW(device, arena, { weightDecay: 0.1 });
    writeGradients(device, arena, gradientsOf(1));
    adamw.step(1e-3);
    const before = { values: await arena.readValues('a'), ...(await arena.readMoments('a')), state: await adamw.readState() };
    const overflowing = gradientsOf(2);
    overflowing[0]![0] = 1e30;
    writeGradients(device, arena, overflowing);
    adamw.step(1e-3);
    const after = { values: await arena.readValues('a'), ...(await arena.readMoments('a')), state: await adamw.readState() };
    expect(after).toEqual({ ...before, state: { ...before.state, steps: 2, skipped: 1 } });
    adamw.release();
    arena.release();
  });

  it('continues from a saved state as if it had not stopped, to the bit', async () => {
    const options = { weightDecay: 0.1, maxGradNorm: 1 };
    const run = (arena: ParameterArena, adamw: AdamW, from: number, to: number): void => {
      for (let step = from; step <= to; step++) {
        writeGradients(device, arena, gradientsOf(step));
        adamw.step(step * 1e-3);
      }
    };
    const arena = new ParameterArena(device, SPECS);
    fill(arena);
    const adamw = new AdamW(device, arena, options);
    run(arena, adamw, 1, 3);
    const state: unknown = JSON.parse(JSON.stringify(await adamw.readState()));
    const second = new ParameterArena(device, SPECS);
    const resumed = new AdamW(device, second, options);
    resumed.writeState(state as Awaited<ReturnType<AdamW['readState']>>);
    for (const { name } of SPECS) {
      second.writeValues(name, await arena.readValues(name));
      second.writeMoments(name, await arena.readMoments(name));
    }
    run(arena, adamw, 4, 6);
    run(second, resumed, 4, 6);
    for (const { name } of SPECS) {
      expect(await second.readValues(name)).toEqual(await arena.readValues(name));
      expect(await second.readMoments(name)).toEqual(await arena.readMoments(name));
    }
    expect(await resumed.readState()).toEqual(await adamw.readState());
    expect(await resumed.readLog(4, 6)).toEqual(await adamw.readLog(4, 6));
    for (const used of [adamw, resumed, arena, second]) used.release();
  });

  it('logs and resets the loss sums of each step and refuses rows that are gone', async () => {
    const arena = new ParameterArena(device, SPECS);
    const adamw = new AdamW(device, arena, { logCapacity: 4 });
    for (let step = 1; step <= 6; step++) {
      device.write(adamw.lossSum.view, Float32Array.of(step * 1.5, step));
      adamw.step(1e-3);
    }
    expect(await device.readF32(adamw.lossSum)).toEqual(Float32Array.of(0, 0));
    const expected = [3, 4, 5, 6].map((step) => ({ step, lossSum: step * 1.5, correct: step, gradNorm: 0, skipped: false }));
    expect(await adamw.readLog(3, 6)).toEqual(expected);
    await expect(adamw.readLog(2, 3)).rejects.toThrow('after step 6 the last 4 are kept');
    await expect(adamw.readLog(5, 7)).rejects.toThrow('after step 6');
    adamw.release();
    arena.release();
  });

  it('creates no buffer and no bind group after the first step', async () => {
    const arena = new ParameterArena(device, SPECS);
    const adamw = new AdamW(device, arena, { maxGradNorm: 1 });
    const once = async (): Promise<void> => {
      arena.zeroGradients();
      adamw.step(1e-3);
      await adamw.readLog(adamw.steps, adamw.steps);
    };
    await once();
    const before = { ...device.counters };
    await once();
    expect(device.counters.buffersCreated).toBe(before.buffersCreated);
    expect(device.counters.bindGroupsCreated).toBe(before.bindGroupsCreated);
    adamw.release();
    arena.release();
  });
});

describe('ParameterArena', () => {
  it('aligns parameters, keeps decay groups apart and arenas within the binding limit', () => {
    const arena = new ParameterArena(small, SPECS);
    for (const { bytes } of arena.arenas) {
      expect(bytes).toBeLessThanOrEqual(4096);
      expect(bytes % 256).toBe(0);
    }
    for (const spec of SPECS) {
      const { tensor, grad } = arena.parameters.get(spec.name)!;
      expect(tensor.parts.reduce((rows, part) => rows + part.rows, 0)).toBe(spec.shape[0]);
      tensor.parts.forEach((part, at) => {
        expect(part.view.offset % 256).toBe(0);
        const home = arena.arenas.find(({ values }) => values.buffer === part.view.buffer)!;
        expect(home.decay).toBe(spec.decay);
        expect(grad.parts[at]).toMatchObject({ rowStart: part.rowStart, rows: part.rows });
        expect(grad.parts[at]!.view.buffer).toBe(home.gradients.buffer);
      });
    }
    expect(arena.parameters.get('large')!.tensor.parts.length).toBe(6);
    expect(arena.size).toBe(21 + 5 + 5200 + 128 + 65);
    arena.release();
  });

  it('gives back what was written, starts at zero and zeroes gradients', async () => {
    const arena = new ParameterArena(small, SPECS);
    expect((await arena.readValues('large')).every((value) => value === 0)).toBe(true);
    fill(arena);
    writeGradients(small, arena, gradientsOf(1));
    for (const [at, spec] of SPECS.entries()) {
      expect(await arena.readValues(spec.name)).toEqual(numbers(size(spec), at, 0.5));
      expect(await small.readF32(arena.parameters.get(spec.name)!.grad)).toEqual(gradientsOf(1)[at]);
    }
    arena.zeroGradients();
    for (const { grad } of arena.parameters.values()) expect((await small.readF32(grad)).every((value) => value === 0)).toBe(true);
    arena.release();
  });

  it('explains values of the wrong size and rows that are too long', () => {
    const arena = new ParameterArena(device, SPECS);
    expect(() => arena.writeValues('a', new Float32Array(20))).toThrow("'a': values of shape (3, 7) expected, that is 21 numbers, found 20");
    arena.release();
    expect(() => new ParameterArena(small, [{ name: 'w', shape: [2, 1025], decay: true }])).toThrow("One row of 'w' (2, 1025) takes 4100 bytes");
  });
});
