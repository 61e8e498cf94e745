import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { counterHash } from '../../src/data/random.ts';
import type { Device } from '../../src/gpu/device.ts';
import { Tensor } from '../../src/gpu/tensor.ts';
import { f32ToBf16 } from '../../src/io/halfFloat.ts';
import { add } from '../../src/ops/add.ts';
import { addRows, transposedRows } from '../../src/ops/addRows.ts';
import type { RowMixture, SparseRows, SparseTable } from '../../src/ops/addRows.ts';
import { Tape } from '../../src/ops/tape.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { checkOp, randomOperand } from './gradientCheck.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

/** Up to four entries a row, some rows without any; columns may repeat. */
function matrix(rows: number, columns: number, seed: number): SparseTable {
  const offsets = [0];
  const entries: [number, number][] = [];
  for (let row = 0; row < rows; row++) {
    const count = counterHash(seed, 0, 0, row) % 5;
    for (let e = 0; e < count; e++) {
      const bits = counterHash(seed, 1, row, e);
      entries.push([bits % columns, (bits % 1000) / 500 - 1]);
    }
    offsets.push(entries.length);
  }
  return {
    offsets: Uint32Array.from(offsets),
    columns: Uint32Array.from(entries, ([c]) => c),
    weights: Float32Array.from(entries, ([, w]) => w),
  };
}

/** A buffer has at least one element. */
function upload({ offsets, columns, weights }: SparseTable): SparseRows<Tensor, Tensor> {
  const some = <A extends Uint32Array | Float32Array>(data: A): A =>
    data.length > 0 ? data : new (data.constructor as new (n: number) => A)(1);
  const up = (data: Uint32Array | Float32Array): Tensor => device.upload(data, [data.length], 'test');
  return { offsets: up(offsets), columns: up(some(columns)), weights: up(some(weights)) };
}

function mixture(table: SparseTable, columns: number): RowMixture {
  return { forward: upload(table), backward: upload(transposedRows(table, columns)) };
}

function release({ forward, backward }: RowMixture): void {
  for (const table of [forward, backward]) for (const tensor of Object.values(table) as Tensor[]) device.pool.release(tensor.view);
}

function reference(x: Float64Array, source: Float64Array, { offsets, columns, weights }: SparseTable, size: number): Float64Array {
  const y = x.slice();
  for (let row = 0; row + 1 < offsets.length; row++) {
    for (let e = offsets[row]!; e < offsets[row + 1]!; e++) {
      for (let c = 0; c < size; c++) y[row * size + c]! += weights[e]! * source[columns[e]! * size + c]!;
    }
  }
  return y;
}

describe('addRows', () => {
  const shape = fc.record({
    rows: fc.integer({ min: 1, max: 40 }),
    columns: fc.integer({ min: 1, max: 30 }),
    size: fc.integer({ min: 1, max: 70 }),
    seed: fc.nat(1000),
  });

  it('equals float64 for any matrix; gradients of both sides', async () => {
    await fc.assert(
      fc.asyncProperty(shape, async ({ rows, columns, size, seed }) => {
        const table = matrix(rows, columns, seed);
        const mix = mixture(table, columns);
        await checkOp(device, {
          inputs: { x: randomOperand([rows, size], 1), source: randomOperand([columns, size], 2) },
          run: (t, { x, source }) => addRows(t, x!, source!, mix),
          reference: ({ x, source }) => reference(x!, source!, table, size),
          gradientFloor: 1,
        });
        release(mix);
      }),
      { numRuns: 15 },
    );
  });

  it('trains a table, and adds to gradients that are there', async () => {
    const table = matrix(13, 9, 4);
    const mix = mixture(table, 9);
    await checkOp(device, {
      inputs: { x: randomOperand([13, 6], 1) },
      parameters: { w: randomOperand([9, 6], 2) },
      run: (t, { x }, { w }) => add(t, x!, addRows(t, addRows(t, x!, w!, mix), w!, mix)),
      reference: ({ x, w }) => reference(reference(x!, w!, table, 6), w!, table, 6).map((value, i) => value + x![i]!),
    });
    release(mix);
  });

  it('reads a bf16 table, whole and in parts, to the bit, and adds its gradient part by part', async () => {
    const [rows, columns, size] = [11, 7, 5];
    const table = matrix(rows, columns, 8);
    const mix = mixture(table, columns);
    const source = randomOperand([columns, size], 3);
    const parts = (data: Float32Array | Uint16Array, height: number, dtype: 'f32' | 'bf16'): Tensor => {
      const list = [];
      for (let rowStart = 0; rowStart < columns; rowStart += height) {
        const part = data.slice(rowStart * size, (rowStart + height) * size);
        list.push({ view: device.upload(part, [part.length], 'test', dtype).view, rowStart, rows: part.length / size });
      }
      return new Tensor([columns, size], dtype, list);
    };
    const found: Float32Array[][] = [];
    for (const height of [columns, 2]) {
      const t = new Tape(device, { grad: true });
      const x = device.upload(randomOperand([rows, size], 1).data, [rows, size], 'test');
      const w = {
        name: 'w',
        tensor: parts(f32ToBf16(source.data), height, 'bf16'),
        grad: parts(new Float32Array(columns * size), height, 'f32'),
      };
      const y = addRows(t, x, w, mix);
      found.push([Float32Array.from(await device.readF32(y))]);
      t.backward(y, x);
      for (const { view, rows: count } of w.grad.parts)
        found.at(-1)!.push(Float32Array.from(await device.readF32(new Tensor([count, size], 'f32', view))));
      t.release();
      for (const { view } of [...w.tensor.parts, ...w.grad.parts, x]) device.pool.release(view);
    }
    const [whole, split] = found as [Float32Array[], Float32Array[]];
    // Entries of different parts are added in another order.
    whole[0]!.forEach((value, i) => expect(Math.abs(value - split[0]![i]!)).toBeLessThan(1e-6));
    expect(split.slice(1).flatMap((part) => [...part])).toEqual([...whole[1]!]);
    release(mix);
  });

  it('a transposed matrix transposed is the matrix, its rows in order', () => {
    fc.assert(
      fc.property(shape, ({ rows, columns, seed }) => {
        const table = matrix(rows, columns, seed);
        const back = transposedRows(transposedRows(table, columns), rows);
        const dense = ({ offsets, columns: at, weights }: SparseTable, width: number): number[] => {
          const out = new Array<number>((offsets.length - 1) * width).fill(0);
          for (let r = 0; r + 1 < offsets.length; r++)
            for (let e = offsets[r]!; e < offsets[r + 1]!; e++) out[r * width + at[e]!]! += weights[e]!;
          return out.map((value) => Number(value.toFixed(5)));
        };
        expect([...back.offsets]).toEqual([...table.offsets]);
        expect(dense(back, columns)).toEqual(dense(table, columns));
      }),
    );
  });

  it('refuses tables of another size', () => {
    const t = new Tape(device);
    const rowsOf = (count: number): SparseRows<Tensor, Tensor> => ({
      offsets: t.alloc([count + 1], 'u32'),
      columns: t.alloc([1], 'u32'),
      weights: t.alloc([1]),
    });
    const mix = { forward: rowsOf(4), backward: rowsOf(3) };
    expect(() => addRows(t, t.alloc([5, 2]), t.alloc([3, 2]), mix)).toThrow(/forward offsets: expected shape \(6\), found \(5\)/);
    expect(() => addRows(t, t.alloc([4, 2]), t.alloc([2, 2]), mix)).toThrow(/backward offsets: expected shape \(3\), found \(4\)/);
    expect(() => addRows(t, t.alloc([4, 2]), t.alloc([3, 3]), mix)).toThrow(/source: expected shape \(3, 2\), found \(3, 3\)/);
    t.release();
  });
});
