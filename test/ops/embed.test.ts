import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/gpu/device.ts';
import { Tensor } from '../../src/gpu/tensor.ts';
import { f32ToBf16, f32ToF16 } from '../../src/io/halfFloat.ts';
import { add } from '../../src/ops/add.ts';
import { embed, groupByToken } from '../../src/ops/embed.ts';
import type { TokenGroups } from '../../src/ops/embed.ts';
import { Tape } from '../../src/ops/tape.ts';
import { counterHash } from '../../src/data/random.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { checkOp, randomOperand } from './gradientCheck.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

/** Ids drawn from few, so that they repeat, and `features` image rows at scattered tokens in no particular order. */
function layout(tokens: number, vocabulary: number, features: number): { ids: Uint32Array; slots: Int32Array } {
  const ids = Uint32Array.from({ length: tokens }, (_, at) => counterHash(7, 0, 0, at) % vocabulary);
  const slots = new Int32Array(tokens).fill(-1);
  for (let row = 0; row < Math.min(features, tokens); row++) slots[(row * 7 + 3) % tokens] = row;
  // A row overwritten above by a later one (7 may divide T) stands nowhere, and so do rows past T: their gradient is zero.
  return { ids, slots };
}

function upload({ uniqueIds, offsets, positions }: TokenGroups<Uint32Array>): TokenGroups<Tensor> {
  const one = (data: Uint32Array): Tensor => device.upload(data, [data.length], 'test');
  return { uniqueIds: one(uniqueIds), offsets: one(offsets), positions: one(positions) };
}

function release(...tensors: Tensor[]): void {
  for (const { parts } of tensors) for (const { view } of parts) device.pool.release(view);
}

/** The tensor cut into parts of `rows` rows, as a loader does for tables that no adapter binds whole. Bits are kept, whatever the dtype. */
function split(data: Float32Array | Uint16Array, [count, size]: [number, number], rows: number, dtype: 'f32' | 'f16' | 'bf16'): Tensor {
  const parts = [];
  for (let rowStart = 0; rowStart < count; rowStart += rows) {
    const part = data.slice(rowStart * size, (rowStart + rows) * size);
    parts.push({ view: device.upload(part, [part.length], 'test', dtype).view, rowStart, rows: part.length / size });
  }
  return new Tensor([count, size], dtype, parts);
}

function reference(table: Float64Array, features: Float64Array | undefined, ids: Uint32Array, slots: Int32Array, size: number, scale: number): Float64Array {
  return Float64Array.from({ length: ids.length * size }, (_, at) => {
    const token = Math.floor(at / size);
    const slot = features ? slots[token]! : -1;
    return slot >= 0 ? features![slot * size + (at % size)]! : scale * table[ids[token]! * size + (at % size)]!;
  });
}

describe('embed', () => {
  it('equals float64 for any shape; gradients of table and image features', async () => {
    const shape = fc.record({
      tokens: fc.integer({ min: 1, max: 60 }),
      vocabulary: fc.integer({ min: 1, max: 40 }),
      features: fc.integer({ min: 1, max: 20 }),
      size: fc.integer({ min: 1, max: 150 }),
      scale: fc.constantFrom(1, 11.3125),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ tokens, vocabulary, features, size, scale }) => {
        const { ids, slots } = layout(tokens, vocabulary, features);
        const idTensor = device.upload(ids, [tokens], 'test');
        const slotTensor = device.upload(slots, [tokens], 'test');
        const groups = upload(groupByToken(ids, slots));
        await checkOp(device, {
          inputs: { features: randomOperand([features, size], 1) },
          parameters: { table: randomOperand([vocabulary, size], 2) },
          run: (t, inputs, { table }) => embed(t, idTensor, table!, { image: { features: inputs.features!, slots: slotTensor }, groups, scale }),
          reference: (values) => reference(values.table!, values.features!, ids, slots, size, scale),
        });
        release(idTensor, slotTensor, groups.uniqueIds, groups.offsets, groups.positions);
      }),
      { numRuns: 12 },
    );
  });

  it('embeds text alone, and adds both gradients to ones that are there', async () => {
    const { ids, slots } = layout(21, 5, 4);
    const idTensor = device.upload(ids, [21], 'test');
    const slotTensor = device.upload(slots, [21], 'test');
    const text = upload(groupByToken(ids));
    const mixed = upload(groupByToken(ids, slots));
    await checkOp(device, {
      inputs: { features: randomOperand([4, 9], 1) },
      parameters: { table: randomOperand([5, 9], 2) },
      run: (t, { features }, { table }) => {
        const image = { features: features!, slots: slotTensor };
        const twice = add(t, embed(t, idTensor, table!, { image, groups: mixed }), embed(t, idTensor, table!, { image, groups: mixed }));
        return add(t, twice, embed(t, idTensor, table!, { groups: text }));
      },
      reference: ({ table, features }) => {
        const alone = reference(table!, undefined, ids, slots, 9, 1);
        return reference(table!, features, ids, slots, 9, 1).map((v, i) => 2 * v + alone[i]!);
      },
    });
    release(idTensor, slotTensor, ...[text, mixed].flatMap((groups) => [groups.uniqueIds, groups.offsets, groups.positions]));
  });

  it.each([1, 4, 100])('reads tables of every dtype split into parts of %i rows', async (rows) => {
    const [vocabulary, size] = [11, 7];
    const { ids, slots } = layout(30, vocabulary, 0);
    const idTensor = device.upload(ids, [30], 'test');
    // Eighths up to ±16 are exact in all three dtypes.
    const values = Float32Array.from({ length: vocabulary * size }, (_, i) => ((i * 37) % 257) / 8 - 16);
    const tables = { f32: values, f16: f32ToF16(values), bf16: f32ToBf16(values) };
    const expected = Array.from(reference(Float64Array.from(values), undefined, ids, slots, size, 1));
    for (const dtype of ['f32', 'f16', 'bf16'] as const) {
      const t = new Tape(device);
      const tensor = split(tables[dtype], [vocabulary, size], rows, dtype);
      expect(Array.from(await device.readF32(embed(t, idTensor, { name: 'table', tensor }))), dtype).toEqual(expected);
      t.release();
      release(tensor);
    }
    release(idTensor);
  });

  it('writes the gradient of a split table part by part', async () => {
    const [vocabulary, size] = [11, 7];
    const { ids } = layout(30, vocabulary, 0);
    const idTensor = device.upload(ids, [30], 'test');
    const groups = upload(groupByToken(ids));
    const tensor = split(randomOperand([vocabulary, size], 1).data, [vocabulary, size], 5, 'f32');
    const before = randomOperand([vocabulary, size], 2, 4).data.map(Math.round);
    const grad = split(before, [vocabulary, size], 3, 'f32');
    const dy = Float32Array.from({ length: 30 * size }, (_, i) => (i % 13) - 6);
    const dyTensor = device.upload(dy, [30, size], 'test');
    const t = new Tape(device, { grad: true });
    const y = embed(t, idTensor, { name: 'table', tensor, grad }, { groups, scale: 2 });
    t.backward(y, dyTensor);
    const expected = Array.from(before);
    dy.forEach((value, i) => (expected[ids[Math.floor(i / size)]! * size + (i % size)]! += 2 * value));
    expect(Array.from(await device.readF32(grad))).toEqual(expected);
    t.release();
    release(idTensor, tensor, grad, dyTensor, groups.uniqueIds, groups.offsets, groups.positions);
  });

  it('gives zeros for an id the table lacks, and asks for groups when the table is trained', async () => {
    const idTensor = device.upload(Uint32Array.of(1, 9, 0xffffffff, 0), [4], 'test');
    const tensor = split(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2], 2, 'f32');
    const t = new Tape(device, { grad: true });
    expect(Array.from(await device.readF32(embed(t, idTensor, { name: 'table', tensor })))).toEqual([3, 4, 0, 0, 0, 0, 1, 2]);
    expect(() => embed(t, idTensor, { name: 'embed_tokens', tensor, grad: tensor })).toThrow(/embed_tokens is trained.*groupByToken/);
    t.release();
    release(idTensor, tensor);
  });
});

describe('groupByToken', () => {
  it('lists every text token once, under its id, in order', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(12), fc.boolean()), { maxLength: 80 }), (tokens) => {
        const ids = tokens.map(([id]) => id);
        const slots = tokens.map(([, isText], at) => (isText ? -1 : at));
        const { uniqueIds, offsets, positions } = groupByToken(ids, slots);
        expect(Array.from(uniqueIds)).toEqual([...new Set(ids.filter((_, at) => slots[at] === -1))].sort((a, b) => a - b));
        expect(offsets.length).toBe(uniqueIds.length + 1);
        uniqueIds.forEach((id, u) => {
          const expected = ids.flatMap((other, at) => (other === id && slots[at] === -1 ? [at] : []));
          expect(Array.from(positions.subarray(offsets[u], offsets[u + 1]))).toEqual(expected);
        });
        expect(offsets.at(-1)).toBe(positions.length);
      }),
    );
  });
});
