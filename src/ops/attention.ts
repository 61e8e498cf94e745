/**
 * Grouped-query attention over intervals of keys, forward and backward without a score matrix in memory: the backward recomputes the
 * probabilities from the saved softmax statistics. How it is computed is a plan of src/tune.
 */
import type { Device } from '../gpu/device.ts';
import { assertShape } from '../gpu/tensor.ts';
import type { Tensor } from '../gpu/tensor.ts';
import { countPairs, keyRangesOf } from './attentionRanges.ts';
import type { RangeTable } from './attentionRanges.ts';
import { plansOf } from '../tune/plans.ts';
import { storageOf } from './storage.ts';
import type { Tape } from './tape.ts';

/** For every query row the interval [start, end) of key rows it may see, and for every key row the interval of queries that see it. */
export interface AttentionRanges {
  /** (T, 2) u32, both columns non-decreasing */
  queryRanges: Tensor;
  /** (S, 2) u32, both columns non-decreasing */
  keyRanges: Tensor;
  /** Of a query and a key that it may see: what the work is measured by. */
  pairs: number;
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
    pairs: countPairs(queryRanges),
  };
}

/** Up to so many queries a workgroup's rows would stay empty. */
const DECODE_QUERIES = 4;

/**
 * q (T, H, D), k and v (S', KV, D), of which only a cache's may be f16, with S' ≥ S: rows past the S of `ranges` are unused capacity of a
 * cache. Query head h reads key head h / (H/KV). Returns (T, H, D); a query that sees no key gets zeros. D from 1 to 256.
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
  const needsGrad = t.grad && (q.requiresGrad || k.requiresGrad || v.requiresGrad);
  if (needsGrad && (k.dtype !== 'f32' || v.dtype !== 'f32'))
    throw new Error(`attention: gradients of k ${k.describe()} and v ${v.describe()}, expected f32`);
  if (headSize < 1 || headSize > 256) throw new Error(`attention: expected a head size from 1 to 256, found ${headSize}`);

  const { scale, softcap = 0 } = options;
  const { device } = t;
  const y = t.alloc([queries, heads, headSize]);
  const params = { queries, heads, kv_heads: kvHeads, scale };
  /** Of one product of all rows that see each other; forward there are two, backward three for the queries and four for the keys. */
  const operations = 2 * ranges.pairs * heads * headSize;
  const isDecoding = queries <= DECODE_QUERIES || ranges.isApart === true;
  const plans = plansOf(device);
  const extent = { queries, heads, kvHeads, span: Math.round(ranges.pairs / Math.max(1, queries)) };
  const isWide = headSize % 4 === 0;
  const spec = { D: headSize, SOFTCAP: softcap, Cell: isWide ? 'vec4<f32>' : 'f32' };
  const stored = { WIDE: isWide, k: storageOf(k), v: storageOf(v) };
  const forward = plans.attention({ pass: 'forward', headSize, isDecoding, extent });
  const keepsStats = needsGrad || forward.alwaysKeepsStats;
  // (T, H, 3): largest score, log of the denominator relative to it, delta
  const stats = t.alloc(keepsStats ? [queries, heads, 3] : [1]);
  t.dispatch(
    t.kernel(forward.kernel, { ...spec, ...forward.spec, ...stored, KEEP_STATS: keepsStats }),
    { q, k, v, ranges: ranges.queryRanges, y, stats },
    { ...params, ...forward.loops },
    Math.ceil(queries / forward.rows) * heads,
    2 * operations,
  );
  if (!needsGrad) {
    t.free(stats);
    return y;
  }

  t.record(
    y,
    true,
    (dy) => {
      const rows = queries * heads;
      t.dispatch(t.kernel('attention/delta'), { y, dy, stats }, { rows, size: headSize }, Math.ceil(rows / 64));
      const dq = t.gradient(q);
      if (dq) {
        const plan = plans.attention({ pass: 'query_backward', headSize, isDecoding: false, extent });
        t.dispatch(
          t.kernel(plan.kernel, { ...spec, ...plan.spec }),
          { q, k, v, dy, stats, ranges: ranges.queryRanges, dq: dq.tensor },
          { ...params, ...plan.loops, accumulate: dq.accumulate },
          Math.ceil(queries / plan.rows) * heads,
          3 * operations,
        );
      }
      const dk = t.gradient(k);
      const dv = t.gradient(v);
      if (dk || dv) {
        const unwanted = dk && dv ? undefined : t.alloc(k.shape);
        const plan = plans.attention({ pass: 'key_backward', headSize, isDecoding: false, extent });
        t.dispatch(
          t.kernel(plan.kernel, { ...spec, ...plan.spec }),
          { q, k, v, dy, stats, ranges: ranges.keyRanges, dk: (dk?.tensor ?? unwanted)!, dv: (dv?.tensor ?? unwanted)! },
          { ...params, ...plan.loops, keys, key_rows: keyRows, accumulate_k: dk?.accumulate ?? 0, accumulate_v: dv?.accumulate ?? 0 },
          Math.ceil(keys / plan.rows) * kvHeads,
          4 * operations,
        );
        if (unwanted) t.free(unwanted);
      }
      t.free(stats);
    },
    { readsOutputs: true },
  );
  return y;
}
