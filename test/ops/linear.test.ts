/** linear against float64: LoRA, dropout, bias, DoRA by PEFT's formula, trained weights, 16-bit weights, split weights. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { counterHash } from '../../src/data/random.ts';
import type { Device } from '../../src/gpu/device.ts';
import { Tensor } from '../../src/gpu/tensor.ts';
import type { TensorPart } from '../../src/gpu/tensor.ts';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../src/io/halfFloat.ts';
import { doraNorm } from '../../src/ops/dora.ts';
import { linear } from '../../src/ops/linear.ts';
import type { LinearLayer, Parameter } from '../../src/ops/parameter.ts';
import { Tape } from '../../src/ops/tape.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { checkOp, randomOperand } from './gradientCheck.ts';
import type { OpCase, Operand } from './gradientCheck.ts';
import { nf4Values, uploadedNf4 } from './quantized.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

const SCALING = 1.75;
const STREAM = 0x9e3779b9;
const RANDOM = { seed: 42, step: 5 };

type Storage = 'f16' | 'bf16' | 'nf4';

interface Shape {
  T: number;
  into: number;
  out: number;
  R: number;
  dropout: number;
  /** Weight dtype; the reference multiplies by the rounded values. */
  half?: Storage | undefined;
}

/** y by PEFT's LoraLayer and DoraLinearVariant. `norms` freezes DoRA's row norms, which get no gradient. */
function reference(v: Record<string, Float64Array>, { T, into, out, R, dropout }: Shape, norms?: Float64Array): Float64Array {
  const { x, w, b, A, B, m } = v as Record<'x' | 'w', Float64Array> & Partial<Record<'b' | 'A' | 'B' | 'm', Float64Array>>;
  const isKept = (i: number): boolean => Math.floor(counterHash(RANDOM.seed, STREAM, RANDOM.step, i) / 256) / 2 ** 24 >= dropout;
  const dropped = x!.map((value, i) => (dropout === 0 ? value : isKept(i) ? value / (1 - dropout) : 0));
  const times = (left: Float64Array, right: Float64Array, inner: number, columns: number): Float64Array => {
    const y = new Float64Array(T * columns);
    for (let t = 0; t < T; t++) {
      for (let o = 0; o < columns; o++) {
        for (let i = 0; i < inner; i++) y[t * columns + o]! += left[t * inner + i]! * right[o * inner + i]!;
      }
    }
    return y;
  };
  const base = times(x!, w!, into, out);
  const biased = base.map((value, at) => value + (b?.[at % out] ?? 0));
  if (!A || !B) return biased;
  const lora = times(times(dropped, A, into, R), B, R, out);
  if (!m) return biased.map((value, at) => value + SCALING * lora[at]!);
  const doraBase = times(dropped, w!, into, out);
  return biased.map((value, at) => {
    const gain = m[at % out]! / norms![at % out]!;
    return value + (gain - 1) * doraBase[at]! + gain * SCALING * lora[at]!;
  });
}

/** ‖W + s·BA‖ by row. */
function rowNorms(v: Record<string, ArrayLike<number>>, { into, out, R }: Shape): Float64Array {
  return Float64Array.from({ length: out }, (_, o) => {
    let squares = 0;
    for (let i = 0; i < into; i++) {
      let value = v['w']![o * into + i]!;
      for (let r = 0; r < R; r++) value += SCALING * v['B']![o * R + r]! * v['A']![r * into + i]!;
      squares += value * value;
    }
    return Math.sqrt(squares);
  });
}

type Part = 'w' | 'b' | 'A' | 'B' | 'm';

/** A case with these parameters, all trained but `w`, which is trained only when asked. */
function linearCase(shape: Shape, parts: readonly Part[], options: { trainWeight?: boolean; frozen?: Tensor; on?: Device } = {}): OpCase {
  const { T, into, out, R, dropout } = shape;
  const shapes: Record<Part, number[]> = { w: [out, into], b: [out], A: [R, into], B: [out, R], m: [out] };
  const seeds: Record<Part, number> = { w: 2, b: 3, A: 4, B: 5, m: 6 };
  const operands = Object.fromEntries(parts.map((part) => [part, randomOperand(shapes[part], seeds[part])])) as Record<Part, Operand>;
  if (operands.m) operands.m.data.forEach((value, i, all) => (all[i] = value + 2));
  const weight = randomOperand(shapes.w, seeds.w);
  if (shape.half === 'f16') weight.data = f16ToF32(f32ToF16(weight.data));
  if (shape.half === 'bf16') weight.data = bf16ToF32(f32ToBf16(weight.data));
  if (shape.half === 'nf4') weight.data = nf4Values(weight.data, { precision: 'BF16' });
  const w64 = Float64Array.from(weight.data);
  const norms = parts.includes('m') ? rowNorms({ w: weight.data, A: operands.A.data, B: operands.B.data }, shape) : undefined;
  return {
    inputs: { x: randomOperand([T, into], 1) },
    parameters: options.trainWeight ? { ...operands, w: weight } : operands,
    run: (t, { x }, p) => linear(t, x!, layerOf(shape, p, options.trainWeight ? p['w']! : { name: 'w', tensor: options.frozen! })),
    reference: (v) => reference({ w: w64, ...v }, { T, into, out, R, dropout }, norms),
    forwardTolerance: 4e-6, // sums of up to 300 products, with up to three such sums in one result
    tape: { random: RANDOM },
    probes: 10,
  };
}

function layerOf(shape: Shape, p: Record<string, Parameter>, weight: Parameter): LinearLayer {
  const layer: LinearLayer = { name: 'test', weight, ...(p['b'] ? { bias: p['b'] } : {}) };
  if (p['A'] && p['B']) {
    const adapter = { a: p['A'], b: p['B'], scaling: SCALING, dropout: shape.dropout, stream: STREAM };
    layer.lora = p['m'] ? { ...adapter, magnitude: p['m'] } : adapter;
  }
  return layer;
}

/** The frozen weight of `linearCase`, in runs of `rowsEach` rows. */
function frozenWeight(on: Device, { into, out, half }: Shape, rowsEach = out): Tensor {
  if (half === 'nf4') throw new Error('uploadedNf4 makes these');
  const { data } = randomOperand([out, into], 2);
  const bits = half === 'f16' ? f32ToF16(data) : half === 'bf16' ? f32ToBf16(data) : data;
  const parts: TensorPart[] = [];
  for (let rowStart = 0; rowStart < out; rowStart += rowsEach) {
    const rows = Math.min(rowsEach, out - rowStart);
    const view = on.pool.acquire(rows * into * bits.BYTES_PER_ELEMENT, 'test');
    on.write(view, bits.subarray(rowStart * into, (rowStart + rows) * into));
    parts.push({ view, rowStart, rows });
  }
  return new Tensor([out, into], half ?? 'f32', parts);
}

async function checkFrozen(on: Device, shape: Shape, parts: readonly Part[], rowsEach?: number): Promise<void> {
  const frozen =
    shape.half === 'nf4'
      ? await uploadedNf4(on, randomOperand([shape.out, shape.into], 2).data, [shape.out, shape.into], { precision: 'BF16' })
      : frozenWeight(on, shape, rowsEach);
  await checkOp(on, linearCase(shape, parts, { frozen }));
  for (const part of frozen.parts) on.pool.release(part.view);
}

const shapes = fc.record({
  T: fc.oneof(fc.constant(1), fc.integer({ min: 2, max: 40 })),
  into: fc.oneof(fc.integer({ min: 1, max: 12 }).map((quarter) => 4 * quarter), fc.integer({ min: 1, max: 70 })),
  out: fc.oneof(fc.integer({ min: 1, max: 12 }).map((quarter) => 4 * quarter), fc.integer({ min: 1, max: 70 })),
  R: fc.constantFrom(1, 3, 4, 8, 18),
  dropout: fc.constantFrom(0, 0.3),
  half: fc.constantFrom<Storage | undefined>(undefined, 'f16', 'bf16', 'nf4', 'nf4'),
});

describe('linear', () => {
  it('with LoRA, dropout and bias over a frozen weight of any dtype', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.boolean(), (shape, hasBias) => checkFrozen(device, shape, hasBias ? ['b', 'A', 'B'] : ['A', 'B'])),
      { numRuns: 16 },
    );
  });

  it('with DoRA, whose dropout also reaches the base product', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.boolean(), (shape, hasBias) => checkFrozen(device, shape, hasBias ? ['b', 'A', 'B', 'm'] : ['A', 'B', 'm'])),
      { numRuns: 14 },
    );
  });

  it('with a weight and a bias that train themselves, beside an adapter or alone', async () => {
    const shape: Shape = { T: 21, into: 30, out: 17, R: 4, dropout: 0.25 };
    await checkOp(device, linearCase(shape, ['b'], { trainWeight: true }));
    await checkOp(device, linearCase({ ...shape, T: 150, into: 32, out: 20 }, ['b', 'A', 'B'], { trainWeight: true }));
  });

  it('with a weight split over several buffers', async () => {
    const splitting = await testDevice({ maxBindingBytes: 4096 });
    for (const half of [undefined, 'bf16', 'nf4'] as const) {
      const shape: Shape = { T: 9, into: 40, out: 48, R: 4, dropout: 0.5, ...(half ? { half } : {}) };
      await checkFrozen(splitting, shape, ['b', 'A', 'B'], 20);
      await checkFrozen(splitting, shape, ['b', 'A', 'B', 'm'], 22);
    }
  });

  it('drops nothing outside training', async () => {
    const shape: Shape = { T: 5, into: 16, out: 12, R: 4, dropout: 0.5 };
    for (const parts of [['A', 'B'], ['A', 'B', 'm']] as const) {
      const frozen = frozenWeight(device, shape);
      const undropped = linearCase({ ...shape, dropout: 0 }, parts, { frozen });
      const op = linearCase(shape, parts, { frozen });
      await checkOp(device, { ...op, reference: undropped.reference, tape: { training: false } });
      device.pool.release(frozen.view);
    }
  });

  it('leaves nothing allocated and asks for no gradient nobody wants', async () => {
    const shape: Shape = { T: 6, into: 16, out: 12, R: 4, dropout: 0.5 };
    const weight: Parameter = { name: 'w', tensor: frozenWeight(device, shape) };
    const adapter = Object.fromEntries(
      (['A', 'B', 'm'] as const).map((name) => {
        const operand = randomOperand({ A: [4, 16], B: [12, 4], m: [12] }[name], 7);
        const [tensor, grad] = [operand.data, operand.data.map(() => 0)].map((data) => device.upload(data, operand.shape, 'test'));
        return [name, { name, tensor: tensor!, grad: grad! }];
      }),
    );
    const x = device.upload(randomOperand([6, 16], 1).data, [6, 16], 'test');
    const dy = device.upload(randomOperand([6, 12], 9).data, [6, 12], 'test');
    const { m: _magnitude, ...lora } = adapter;
    for (const parameters of [lora, adapter]) {
      const before = device.pool.report().inUseBytes;
      for (const grad of [true, false]) {
        const t = new Tape(device, { grad, training: true, random: RANDOM });
        const y = linear(t, x, layerOf(shape, parameters, weight));
        expect(device.pool.report().inUseBytes - before).toBe(y.bytes + (grad && parameters === adapter ? 2 * 12 * 4 : 0));
        if (grad) {
          t.backward(y, dy);
          expect(t.takeGradient(x)).toBeUndefined();
        }
        if (!grad) t.free(y);
        expect(device.pool.report().inUseBytes).toBe(before);
        t.release();
      }
    }
    expect((await device.readF32(adapter['B']!.grad)).some((value) => value !== 0)).toBe(true);
  });

  it("starts DoRA's magnitudes at the norms of the rows of W", async () => {
    const shape: Shape = { T: 1, into: 77, out: 30, R: 0, dropout: 0, half: 'bf16' };
    const weight = frozenWeight(device, shape, 16);
    const norms = doraNorm(device, weight);
    const expected = rowNorms({ w: bf16ToF32(f32ToBf16(randomOperand([30, 77], 2).data)) }, shape);
    (await device.readF32(norms)).forEach((norm, o) => expect(Math.abs(norm / expected[o]! - 1)).toBeLessThan(1e-6));
    device.pool.release(norms.view);
    for (const part of weight.parts) device.pool.release(part.view);
  });

  it('names the layer, the operand and both shapes when they do not fit', () => {
    const shape: Shape = { T: 2, into: 8, out: 4, R: 2, dropout: 0 };
    const t = new Tape(device);
    const x = t.alloc([2, 9]);
    const layer: LinearLayer = { name: 'model.q_proj', weight: { name: 'w', tensor: frozenWeight(device, shape) } };
    expect(() => linear(t, x, layer)).toThrow('linear model.q_proj, x: expected shape (2, 8), found (2, 9) f32');
    t.release();
  });
});
