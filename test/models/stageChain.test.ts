/**
 * Stages that give and take tensors by name: what one gives and several read, over any number of stages, gets the gradient of all of them; the
 * same bits however inputs are kept, and nothing is left in the pool.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/gpu/device.ts';
import type { Tensor } from '../../src/gpu/tensor.ts';
import { StageChain } from '../../src/models/stageChain.ts';
import type { ChainOptions } from '../../src/models/stageChain.ts';
import { HIDDEN, namedStage, stage } from '../../src/models/stages.ts';
import type { Stage } from '../../src/models/stages.ts';
import { add } from '../../src/ops/add.ts';
import { linear } from '../../src/ops/linear.ts';
import type { LinearLayer } from '../../src/ops/parameter.ts';
import { testDevice } from '../gpu/testDevice.ts';

const [N, C] = [3, 4];
const wave = (seed: number, size: number): Float32Array => Float32Array.from({ length: size }, (_, i) => Math.sin(1 + seed * 7 + i * 1.7) / 2);

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

interface Net {
  layers: LinearLayer[];
  stages: Stage[];
  release(): void;
}

/** x1 = W0 x; d = W1 x1 (deep); x2 = W2 x1; x3 = W3 x2 + d; x4 = W4 x3 + d. The input and W0 may be frozen. */
function net(trained: readonly boolean[]): Net {
  const layers = trained.map((trains, i): LinearLayer => {
    const tensor = device.upload(wave(i, C * C), [C, C], 'test');
    const grad = trains && { grad: device.upload(new Float32Array(C * C), [C, C], 'test') };
    return { name: `w${i}`, weight: { name: `w${i}.weight`, tensor, ...grad } };
  });
  const [w0, w1, w2, w3, w4] = layers as [LinearLayer, LinearLayer, LinearLayer, LinearLayer, LinearLayer];
  const at = (i: number): { name: string; trains: boolean } => ({ name: `s${i}`, trains: trained[i]! });
  const deepReader = (i: number, layer: LinearLayer): Stage =>
    namedStage(at(i), { reads: [HIDDEN, 'deep'], writes: [HIDDEN] }, (t, given) => ({
      [HIDDEN]: add(t, linear(t, given[HIDDEN], layer), given.deep),
    }));
  const stages = [
    stage(at(0), (t, x) => linear(t, x, w0)),
    namedStage(at(1), { reads: [HIDDEN], writes: ['deep'] }, (t, given) => ({ deep: linear(t, given[HIDDEN], w1) })),
    stage(at(2), (t, x) => linear(t, x, w2)),
    deepReader(3, w3),
    deepReader(4, w4),
  ];
  const release = (): void => {
    for (const { weight } of layers) for (const tensor of [weight.tensor, ...(weight.grad ? [weight.grad] : [])]) device.pool.release(tensor.view);
  };
  return { layers, stages, release };
}

interface Result {
  y: Float32Array;
  gradients: (Float32Array | undefined)[];
  taps: string[];
  passed: string[];
}

async function run(trained: readonly boolean[], options: Partial<ChainOptions> = {}): Promise<Result> {
  const before = device.pool.report().inUseBytes;
  const { layers, stages, release } = net(trained);
  const taps: string[] = [];
  const passed: string[] = [];
  const chain = new StageChain(device, {
    grad: true, training: true, checkpointing: true, random: { seed: 0, step: 0 },
    tap: (name) => void taps.push(name), onPassed: (name) => passed.push(name), ...options,
  });
  const y: Tensor = await chain.run(stages, { [HIDDEN]: device.upload(wave(9, N * C), [N, C], 'test') });
  const values = await device.readF32(y);
  device.pool.release(y.view);
  if (y.requiresGrad) await chain.backward({ [HIDDEN]: device.upload(wave(8, N * C), [N, C], 'test') });
  chain.release();
  const gradients: (Float32Array | undefined)[] = [];
  for (const { weight } of layers) gradients.push(weight.grad && (await device.readF32(weight.grad)));
  release();
  expect(device.pool.report().inUseBytes).toBe(before);
  return { y: values, gradients, taps, passed };
}

/** The same in float64. */
function reference(): { y: Float64Array; gradients: Float64Array[] } {
  const w = [0, 1, 2, 3, 4].map((i) => Float64Array.from(wave(i, C * C)));
  const times = (x: Float64Array, m: Float64Array): Float64Array =>
    Float64Array.from({ length: N * C }, (_, at) => m.slice((at % C) * C, (at % C) * C + C).reduce((sum, value, k) => sum + value * x[Math.floor(at / C) * C + k]!, 0));
  const back = (dy: Float64Array, m: Float64Array): Float64Array =>
    Float64Array.from({ length: N * C }, (_, at) => [0, 1, 2, 3].reduce((sum, j) => sum + dy[Math.floor(at / C) * C + j]! * m[j * C + (at % C)]!, 0));
  const outer = (dy: Float64Array, x: Float64Array): Float64Array =>
    Float64Array.from({ length: C * C }, (_, at) => [0, 1, 2].reduce((sum, n) => sum + dy[n * C + Math.floor(at / C)]! * x[n * C + (at % C)]!, 0));
  const plus = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, i) => value + b[i]!);
  const x0 = Float64Array.from(wave(9, N * C));
  const x1 = times(x0, w[0]!);
  const deep = times(x1, w[1]!);
  const x2 = times(x1, w[2]!);
  const x3 = plus(times(x2, w[3]!), deep);
  const y = plus(times(x3, w[4]!), deep);
  const dy = Float64Array.from(wave(8, N * C));
  const d3 = back(dy, w[4]!);
  const d2 = back(d3, w[3]!);
  const dDeep = plus(dy, d3);
  const d1 = plus(back(d2, w[2]!), back(dDeep, w[1]!));
  return { y, gradients: [outer(d1, x0), outer(dDeep, x1), outer(d2, x1), outer(d3, x2), outer(dy, x3)] };
}

const ALL = [true, true, true, true, true];

describe('a value that several stages read', () => {
  it('has the gradient of all of them', async () => {
    const found = await run(ALL);
    const wanted = reference();
    found.y.forEach((value, i) => expect(value).toBeCloseTo(wanted.y[i]!, 5));
    wanted.gradients.forEach((gradient, layer) => gradient.forEach((value, i) => expect(found.gradients[layer]![i], `w${layer}`).toBeCloseTo(value, 5)));
    expect(found.taps).toEqual(['s0', 's1/deep', 's2', 's3', 's4']);
    expect(found.passed).toEqual(['s4', 's3', 's2', 's1', 's0']);
  });

  it.each<[string, Partial<ChainOptions>]>([
    ['without checkpointing', { checkpointing: false }],
    ...[1, 2, 3, 4, 5].map((keptStages): [string, Partial<ChainOptions>] => [`with the last ${keptStages} kept`, { keptStages }]),
  ])('the same to the bit %s', async (_, options) => {
    const [first, other] = [await run(ALL), await run(ALL, options)];
    expect(other.y).toEqual(first.y);
    expect(other.gradients).toEqual(first.gradients);
  });

  it('with inputs in bf16 the gradients differ by their rounding', async () => {
    const [first, other] = [await run(ALL), await run(ALL, { savedInputs: 'bf16' })];
    expect(other.y).toEqual(first.y);
    other.gradients.forEach((gradient, layer) => gradient!.forEach((value, i) => expect(Math.abs(value - first.gradients[layer]![i]!)).toBeLessThan(0.02)));
    expect(other.gradients).not.toEqual(first.gradients);
  });
});

it.each([
  [[false, false, false, false, true]],
  [[false, true, false, false, false]],
  [[false, false, true, false, false]],
  [[false, true, false, true, false]],
  [[true, false, false, false, false]],
  [[false, false, false, false, false]],
])('where only some train (%j), those get the gradients that they get when all do', async (trained) => {
  const all = await run(ALL);
  for (const options of [{}, { checkpointing: false }, { keptStages: 2 }]) {
    const { gradients } = await run(trained, options);
    gradients.forEach((gradient, i) => {
      if (gradient) gradient.forEach((value, at) => expect(value).toBeCloseTo(all.gradients[i]![at]!, 6));
      expect(gradient !== undefined).toBe(trained[i]);
    });
  }
});

it('without a backward, and where it ends early, nothing is left', async () => {
  await run(ALL, { grad: false });
  const before = device.pool.report().inUseBytes;
  const { stages, release } = net(ALL);
  const chain = new StageChain(device, { grad: true, training: true, checkpointing: true, keptStages: 2, random: { seed: 0, step: 0 } });
  const failing = [...stages.slice(0, 4), { ...stages[4]!, forward: () => { throw new Error('lost'); } }];
  await expect(chain.run(failing, { [HIDDEN]: device.upload(wave(9, N * C), [N, C], 'test') })).rejects.toThrow('lost');
  chain.release();
  release();
  expect(device.pool.report().inUseBytes).toBe(before);
});

it('a name that nothing gives is told', async () => {
  const chain = new StageChain(device, { grad: false, training: false, checkpointing: true, random: { seed: 0, step: 0 } });
  const [first, , , reader] = net(ALL).stages;
  await expect(chain.run([first!, reader!], { [HIDDEN]: device.upload(wave(9, N * C), [N, C], 'test') })).rejects.toThrow(/s3 reads 'deep'/);
});
