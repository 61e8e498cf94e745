/**
 * Grouped-query attention over intervals of keys, forward and backward without a score matrix in memory: the backward recomputes the
 * probabilities from the saved softmax statistics. The kernels walk over tiles; how large a tile is and over how many invocations a head is cut
 * depends on the head size alone, so that everything fits the 16 KiB of workgroup memory that every adapter has.
 */
import type { Device } from '../gpu/device.ts';
import { assertShape } from '../gpu/tensor.ts';
import type { Tensor } from '../gpu/tensor.ts';
import type { SpecialisationValue } from '../gpu/kernelSource.ts';
import { keyRangesOf } from './attentionRanges.ts';
import type { RangeTable } from './attentionRanges.ts';
import type { Tape } from './tape.ts';

/** For every query row the interval [start, end) of key rows it may see, and for every key row the interval of queries that see it. */
export interface AttentionRanges {
  /** (T, 2) u32, both columns non-decreasing */
  queryRanges: Tensor;
  /** (S, 2) u32, both columns non-decreasing */
  keyRanges: Tensor;
  /** Every query is of another row, as when a batch generates: what one sees is of no use to its neighbour. */
  isApart?: boolean;
}

export interface AttentionOptions {
  /** Factor of q·k. */
  scale: number;
  /** Scores become softcap · tanh(score / softcap); 0 or absent: they stay. */
  softcap?: number;
}

/** The tables on the GPU, counted under `label`; the caller gives their views back to the pool. `keyCount` is S. */
export function uploadRanges(device: Device, queryRanges: RangeTable, keyCount: number, label: string): AttentionRanges {
  const keyRanges = keyRangesOf(queryRanges, keyCount);
  return {
    queryRanges: device.upload(queryRanges, [queryRanges.length / 2, 2], label),
    keyRanges: device.upload(keyRanges, [keyCount, 2], label),
  };
}

const WORKGROUP_MEMORY = 16384;
const DECODE_QUERIES = 4;

interface Tiling {
  /** Slices a head is cut into, one an invocation. */
  parts: number;
  /** Rows a workgroup owns. */
  rows: number;
  /** How many of them are one invocation's. */
  own: number;
  /** Rows staged in workgroup memory at a time, a multiple of 4. */
  staged: number;
}

/**
 * A GPU keeps at most `sliceElements` of a head in an invocation's registers. The software GPU has none to run out of: one
 * part, and four rows an invocation, which measured 2.4 times one row. `tiles` tensors are staged, and as many partial products exchanged.
 */
function tilingOf(device: Device, headSize: number, sliceElements: number, tiles: number): Tiling {
  const parts = device.report.isSoftware ? 1 : Math.ceil(headSize / sliceElements);
  const own = device.report.isSoftware ? 4 : 1;
  return stagedTiling(headSize, parts, parts * 64 <= 128 || tiles === 1 ? 64 : 32, own, tiles);
}

/** Generation asks for a query or two: a whole workgroup (on the software GPU a SIMD register) shares one, slice by slice. */
function decodeTiling(device: Device, headSize: number): Tiling {
  return stagedTiling(headSize, Math.min(device.report.isSoftware ? 8 : 32, Math.ceil(headSize / 4)), 1, 1, 1);
}

function stagedTiling(headSize: number, parts: number, rows: number, own: number, tiles: number): Tiling {
  const rowBytes = 16 * parts * Math.ceil(headSize / (4 * parts));
  const fits = (staged: number): boolean => tiles * (staged * rowBytes + (parts > 1 ? parts * rows * staged * 4 : 16)) <= WORKGROUP_MEMORY;
  let staged = 32;
  while (staged > 4 && !fits(staged)) staged -= 4;
  return { parts, rows, own, staged };
}

/** SUBGROUP of kernels/lib/subgroup_product.wgsl. */
const SUBGROUP = 8;

/** One kernel of attention with the specialisation, the loop bounds and the rows of a workgroup that suit the adapter. */
interface Plan {
  kernel: string;
  spec: Record<string, SpecialisationValue>;
  loops: { blocks: number; slices: number };
  rows: number;
}

/** A software GPU with subgroups does without workgroup memory, whose barriers cost it more than they save (test/bench/RESULTS.md). */
function planOf(device: Device, kernel: string, headSize: number, softcap: number, tiles: { tiling: Tiling; ownRows: 'QUERIES' | 'KEYS' }, isDecoding = false): Plan {
  const spec = { D: headSize, SOFTCAP: softcap, Cell: headSize % 4 === 0 ? 'vec4<f32>' : 'f32' };
  const { isSoftware, subgroupSize } = device.report;
  if (isSoftware && subgroupSize === SUBGROUP && !isDecoding) {
    return { kernel: `${kernel}_subgroup`, spec, loops: { blocks: SUBGROUP, slices: Math.ceil(headSize / 4) }, rows: SUBGROUP };
  }
  const { tiling, ownRows } = tiles;
  const staged = ownRows === 'QUERIES' ? 'KEYS' : 'QUERIES';
  return {
    kernel,
    spec: { ...spec, UNROLL: !isSoftware, PARTS: tiling.parts, OWN: tiling.own, [ownRows]: tiling.rows, [staged]: tiling.staged },
    loops: loopsOf(tiling, headSize),
    rows: tiling.rows,
  };
}

/** Trip counts of the loops that the software GPU's compiler must not unroll (it takes minutes over the result). */
function loopsOf({ parts, staged }: Tiling, headSize: number): { blocks: number; slices: number } {
  return { blocks: staged / 4, slices: Math.ceil(headSize / (4 * parts)) };
}

/**
 * q (T, H, D), k and v (S', KV, D) with S' ≥ S: rows past the S of `ranges` are unused capacity of a cache. Query head h reads key head
 * h / (H/KV). Returns (T, H, D); a query that sees no key gets zeros. D from 1 to 256.
 */
export function attention(t: Tape, q: Tensor, k: Tensor, v: Tensor, ranges: AttentionRanges, options: AttentionOptions): Tensor {
  const [queries = 0, heads = 0, headSize = 0] = q.shape;
  const [keys = 0, kvHeads = 0] = k.shape;
  const keyRows = ranges.keyRanges.shape[0] ?? 0;
  assertShape(q, [queries, heads, headSize], 'attention q');
  assertShape(k, [keys, kvHeads, headSize], 'attention k');
  assertShape(v, [keys, kvHeads, headSize], 'attention v');
  assertShape(ranges.queryRanges, [queries, 2], 'attention queryRanges');
  assertShape(ranges.keyRanges, [keyRows, 2], 'attention keyRanges');
  if (k === v) throw new Error('attention: k and v must be two tensors, their gradients are written together');
  if (keyRows > keys) throw new Error(`attention: ranges over ${keyRows} keys, found k ${k.describe()}`);
  if (heads % kvHeads !== 0) throw new Error(`attention: ${heads} query heads do not divide into ${kvHeads} key heads`);
  if (headSize < 1 || headSize > 256) throw new Error(`attention: expected a head size from 1 to 256, found ${headSize}`);

  const { scale, softcap = 0 } = options;
  const { device } = t;
  const needsGrad = t.grad && (q.requiresGrad || k.requiresGrad || v.requiresGrad);
  const y = t.alloc([queries, heads, headSize]);
  // (T, H, 3): largest score, log of the denominator relative to it, delta
  const stats = t.alloc(needsGrad ? [queries, heads, 3] : [1]);
  const params = { queries, heads, kv_heads: kvHeads, scale };
  const isDecoding = queries <= DECODE_QUERIES || ranges.isApart === true;
  const tiling = isDecoding ? decodeTiling(device, headSize) : tilingOf(device, headSize, 64, 1);
  const forward = planOf(device, 'attention', headSize, softcap, { tiling, ownRows: 'QUERIES' }, isDecoding);
  t.dispatch(
    t.kernel(forward.kernel, { ...forward.spec, KEEP_STATS: needsGrad }),
    { q, k, v, ranges: ranges.queryRanges, y, stats },
    { ...params, ...forward.loops },
    Math.ceil(queries / forward.rows) * heads,
  );
  if (!needsGrad) {
    t.free(stats);
    return y;
  }

  t.record(y, true, (dy) => {
    const rows = queries * heads;
    t.dispatch(t.kernel('attention_delta'), { y, dy, stats }, { rows, size: headSize }, Math.ceil(rows / 64));
    const tiling = tilingOf(device, headSize, 32, 2);
    const dq = t.gradient(q);
    if (dq) {
      const plan = planOf(device, 'attention_query_backward', headSize, softcap, { tiling, ownRows: 'QUERIES' });
      t.dispatch(
        t.kernel(plan.kernel, plan.spec),
        { q, k, v, dy, stats, ranges: ranges.queryRanges, dq: dq.tensor },
        { ...params, ...plan.loops, accumulate: dq.accumulate },
        Math.ceil(queries / plan.rows) * heads,
      );
    }
    const dk = t.gradient(k);
    const dv = t.gradient(v);
    if (dk || dv) {
      const unwanted = dk && dv ? undefined : t.alloc(k.shape);
      const plan = planOf(device, 'attention_key_backward', headSize, softcap, { tiling, ownRows: 'KEYS' });
      t.dispatch(
        t.kernel(plan.kernel, plan.spec),
        { q, k, v, dy, stats, ranges: ranges.keyRanges, dk: (dk?.tensor ?? unwanted)!, dv: (dv?.tensor ?? unwanted)! },
        { ...params, ...plan.loops, keys, key_rows: keyRows, accumulate_k: dk?.accumulate ?? 0, accumulate_v: dv?.accumulate ?? 0 },
        Math.ceil(keys / plan.rows) * kvHeads,
      );
      if (unwanted) t.free(unwanted);
    }
    t.free(stats);
  });
  return y;
}
