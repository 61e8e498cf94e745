import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/gpu/device.ts';
import { add } from '../../src/ops/add.ts';
import { attention, uploadRanges } from '../../src/ops/attention.ts';
import { blockCausalRanges, causalRanges, decodeRanges, keyRangesOf, segmentRanges } from '../../src/ops/attentionRanges.ts';
import type { RangeTable } from '../../src/ops/attentionRanges.ts';
import { Tape } from '../../src/ops/tape.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { chooseAttention } from '../../src/tune/attention.ts';
import { plansOf } from '../../src/tune/plans.ts';
import { anyRanges, attentionOperands, attentionReference } from './attentionReference.ts';
import type { AttentionShape } from './attentionReference.ts';
import { checkOp, randomOperand } from './gradientCheck.ts';
import type { OpCase, Operand } from './gradientCheck.ts';

let device: Device;
/** The same adapter with the tilings meant for graphics cards: heads cut into parts. */
let cut: Device;
/** Without subgroups, as software GPUs of browsers are. */
let plain: Device;
beforeAll(async () => {
  plain = await testDevice({ without: ['subgroups'] });
  device = await testDevice();
  cut = await testDevice();
  // Unrolled, these kernels take the software GPU's compiler minutes; the arithmetic is the same.
  plansOf(cut).force({ attention: (problem) => ({ ...chooseAttention({ ...cut.capabilities, kind: 'hardware' }, problem), unroll: false }) });
});

async function check(on: Device, shape: AttentionShape, table: RangeTable, softcap = 0, rest: Partial<OpCase> = {}): Promise<void> {
  const scale = shape.D ** -0.5;
  const ranges = uploadRanges(on, table, shape.S, 'test');
  await checkOp(on, {
    inputs: attentionOperands(shape),
    run: (t, { q, k, v }) => attention(t, q!, k!, v!, ranges, { scale, softcap }),
    reference: ({ q, k, v }) => attentionReference(q!, k!, v!, shape, table, scale, softcap),
    probes: 12,
    ...rest,
  });
  on.pool.release(ranges.queryRanges.view);
  on.pool.release(ranges.keyRanges.view);
}

describe('attention', () => {
  it('equals float64 for any shape and intervals, forward and gradients', async () => {
    const heads = fc.constantFrom([1, 1], [2, 2], [4, 2], [6, 1]);
    // Head size, softcap, device: few combinations, because each compiles three kernels.
    const kernels = fc.constantFrom(
      { D: 5, softcap: 3, on: device },
      { D: 36, softcap: 0, on: device },
      { D: 16, softcap: 0, on: plain },
      { D: 5, softcap: 3, on: plain },
      { D: 36, softcap: 0, on: cut },
      { D: 72, softcap: 3, on: cut },
    );
    await fc.assert(
      fc.asyncProperty(anyRanges, heads, kernels, async (r, [H, KV], { D, softcap, on }) => {
        await check(on, { T: r.T, S: r.S, H: H!, KV: KV!, D }, r.table, softcap);
      }),
      { numRuns: 20, endOnFailure: true },
    );
  });

  it.each([
    [128, 'one'],
    [256, 'several'],
  ])('takes heads of %i in %s', async (D, parts) => {
    await check(parts === 'one' ? device : cut, { T: 37, S: 37, H: 2, KV: 1, D }, causalRanges([30, 7]));
  });

  it('passes a single token through', async () => {
    const t = new Tape(device);
    const { q, k, v } = attentionOperands({ T: 1, S: 1, H: 4, KV: 2, D: 16 });
    const [qt, kt, vt] = [q!, k!, v!].map((x) => device.upload(x.data, x.shape, 'test'));
    const y = await device.readF32(attention(t, qt!, kt!, vt!, uploadRanges(device, causalRanges([1]), 1, 'test'), { scale: 0.25 }));
    for (let h = 0; h < 4; h++) expect([...y.subarray(16 * h, 16 * h + 16)]).toEqual([...v!.data.subarray(16 * (h >> 1), 16 * (h >> 1) + 16)]);
    t.release();
  });

  it('spans several tiles of queries and keys with a window', async () => {
    const shape = { T: 150, S: 150, H: 2, KV: 1, D: 16 };
    for (const window of [3, 40]) await check(device, shape, blockCausalRanges([150], new Int32Array(150).fill(-1), window));
  });

  it('adds its gradients to others and takes one tensor as query and key', async () => {
    const shape = { T: 9, S: 9, H: 2, KV: 2, D: 16 };
    const table = causalRanges([9]);
    const ranges = uploadRanges(device, table, 9, 'test');
    await checkOp(device, {
      inputs: { x: randomOperand([9, 2, 16], 5) },
      run: (t, { x }) => {
        const twice = add(t, x!, x!);
        return add(t, twice, attention(t, twice, twice, x!, ranges, { scale: 0.3 }));
      },
      reference: ({ x }) => {
        const twice = x!.map((value) => 2 * value);
        return attentionReference(twice, twice, x!, shape, table, 0.3).map((value, i) => value + twice[i]!);
      },
    });
  });

  it('gives zeros for a query that sees nothing', async () => {
    const t = new Tape(device);
    const x = device.upload(new Float32Array(3 * 4).fill(1), [3, 1, 4], 'test');
    const v = device.upload(new Float32Array(3 * 4).fill(1), [3, 1, 4], 'test');
    const ranges = uploadRanges(device, Uint32Array.from([0, 0, 0, 1, 1, 1]), 3, 'test');
    expect([...(await device.readF32(attention(t, x, x, v, ranges, { scale: 1 })))]).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0]);
    t.release();
  });

  it('reads only the used rows of a longer cache: what lies behind them may be NaN', async () => {
    const shape = { T: 2, S: 70, H: 4, KV: 2, D: 16 };
    const table = decodeRanges([{ start: 0, past: 68, fresh: 2 }]);
    const { q, k, v } = attentionOperands(shape);
    const padded = (x: Operand): Float32Array => {
      const data = new Float32Array(100 * 2 * 16).fill(NaN);
      data.set(x.data);
      return data;
    };
    const t = new Tape(device);
    const ranges = uploadRanges(device, table, 70, 'test');
    const cache = [k!, v!].map((x) => device.upload(padded(x), [100, 2, 16], 'test'));
    const y = attention(t, device.upload(q!.data, q!.shape, 'test'), cache[0]!, cache[1]!, ranges, { scale: 0.25 });
    const [q64, k64, v64] = [q!, k!, v!].map((x) => Float64Array.from(x.data));
    const expected = attentionReference(q64!, k64!, v64!, shape, table, 0.25);
    const actual = await device.readF32(y);
    expect(Math.max(...actual.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(2e-6);
    t.release();
  });

  it('stays exact for scores of ±10000', async () => {
    // Components of ±100 and of eighths: float32 holds every score exactly, and keys of one sign compete within a few units.
    const shape = { T: 40, S: 40, H: 1, KV: 1, D: 16 };
    const table = causalRanges([40]);
    const large = (seed: number, signed: boolean): Operand => {
      const x = randomOperand([40, 1, 16], seed);
      return { ...x, data: x.data.map((value, i) => (i % 16 === 0 ? (signed && (i / 16) % 2 === 1 ? -100 : 100) : Math.round(value * 8) / 8)) };
    };
    const ranges = uploadRanges(device, table, 40, 'test');
    await checkOp(device, {
      inputs: { q: large(1, false), k: large(2, true), v: randomOperand([40, 1, 16], 3) },
      run: (t, { q, k, v }) => attention(t, q!, k!, v!, ranges, { scale: 1 }),
      reference: ({ q, k, v }) => attentionReference(q!, k!, v!, shape, table, 1),
      // Gradients of scores are sums that cancel to 1e-7; the components of 100 multiply what remains.
      gradientTolerance: 1e-4,
    });
  });

  it('keeps nothing but its output when no gradient is wanted, and no memory after the tape', async () => {
    const before = device.pool.report().inUseBytes;
    const x = device.upload(new Float32Array(64), [4, 1, 16], 'test');
    const v = device.upload(new Float32Array(64), [4, 1, 16], 'test');
    const ranges = uploadRanges(device, causalRanges([4]), 4, 'test');
    const held = device.pool.report().inUseBytes;
    const t = new Tape(device, { grad: true });
    attention(t, x, x, v, ranges, { scale: 1 });
    expect(device.pool.report().inUseBytes - held).toBe(256);
    t.release();
    for (const tensor of [x, v, ranges.queryRanges, ranges.keyRanges]) device.pool.release(tensor.view);
    expect(device.pool.report().inUseBytes).toBe(before);
    await device.finish();
  });

  it('says which operand does not fit', () => {
    const t = new Tape(device);
    const x = device.upload(new Float32Array(3 * 4), [3, 1, 4], 'test');
    const v = device.upload(new Float32Array(3 * 4), [3, 1, 4], 'test');
    const ranges = uploadRanges(device, causalRanges([2]), 2, 'test');
    expect(() => attention(t, x, x, v, ranges, { scale: 1 })).toThrow('attention queryRanges: expected shape (3, 2), found (2, 2) u32');
  });
});

/** The mask of a table, as rows of 0 and 1. */
function mask(table: RangeTable, keys: number): string[] {
  return Array.from({ length: table.length / 2 }, (_, i) =>
    Array.from({ length: keys }, (_, j) => (j >= table[2 * i]! && j < table[2 * i + 1]! ? '1' : '0')).join(''),
  );
}

describe('ranges', () => {
  it('are causal within each row', () => {
    expect(mask(causalRanges([2, 3]), 5)).toEqual(['10000', '11000', '00100', '00110', '00111']);
  });

  it('are bidirectional within segments, empty ones included', () => {
    expect(mask(segmentRanges([0, 2, 2, 3]), 3)).toEqual(['110', '110', '001']);
  });

  it('follow the cache when decoding', () => {
    expect(mask(decodeRanges([{ start: 0, past: 2, fresh: 2 }]), 4)).toEqual(['1110', '1111']);
    expect(mask(decodeRanges([{ start: 0, past: 3, fresh: 1 }], undefined, 2), 4)).toEqual(['0011']);
    const batch = [
      { start: 0, past: 1, fresh: 1 },
      { start: 3, past: 0, fresh: 3 },
    ];
    expect(mask(decodeRanges(batch), 7)).toEqual(['1100000', '0001000', '0001100', '0001110']);
    expect(mask(decodeRanges(batch, Int32Array.of(-1, -1, 4, 4), 2), 7)).toEqual(['1100000', '0001000', '0001110', '0000110']);
  });

  it("equal transformers' masks of causal text with images, full and sliding, element by element", () => {
    const spec = fc.array(fc.array(fc.constantFrom(-1, -1, 0, 1, 2), { minLength: 1, maxLength: 14 }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(spec, fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }), (rows, window) => {
        const ids = rows.flat();
        const rowOf = rows.flatMap((row, at) => row.map(() => at));
        const blocks: number[] = [];
        ids.forEach((id, i) => blocks.push(i > 0 && ids[i - 1] === id && rowOf[i - 1] === rowOf[i] ? blocks[i - 1]! : i));
        const table = blockCausalRanges(rows.map((row) => row.length), Int32Array.from(ids), window);
        const expected = ids.map((id, q) =>
          ids
            .map((_, k) => {
              const sameBlock = id >= 0 && blocks[q] === blocks[k];
              return rowOf[q] === rowOf[k] && (k <= q || sameBlock) && (window === undefined || k > q - window) ? '1' : '0';
            })
            .join(''),
        );
        expect(mask(table, ids.length)).toEqual(expected);
      }),
    );
  });

  it('are inverted exactly, both columns ascending', () => {
    fc.assert(
      fc.property(anyRanges, ({ T, S, table }) => {
        const inverse = keyRangesOf(table, S);
        const forward = mask(table, S);
        const backward = mask(inverse, T);
        for (let i = 0; i < T; i++) for (let j = 0; j < S; j++) if (forward[i]![j] !== backward[j]![i]) throw new Error(`query ${i}, key ${j}`);
        for (let j = 1; j < S; j++) {
          expect(inverse[2 * j]).toBeGreaterThanOrEqual(inverse[2 * j - 2]!);
          expect(inverse[2 * j + 1]).toBeGreaterThanOrEqual(inverse[2 * j - 1]!);
        }
      }),
    );
  });

  it('must be monotone and inside the keys', () => {
    expect(() => keyRangesOf(Uint32Array.from([0, 3, 0, 2]), 3)).toThrow('intervals must not move backwards');
    expect(() => keyRangesOf(Uint32Array.from([0, 4]), 3)).toThrow('query 0 sees keys [0, 4) of 3');
  });
});
