/**
 * The three matrix products of training, as dispatches without a tape: y = a·wᵀ, y = a·w and c += aᵀ·b. `w` may be f32, f16, bf16 or
 * quantised and, where it is larger than the adapter binds, split between rows; activations and gradients are f32. How the sums are made is
 * a plan of src/tune; where it cuts a long sum, a second pass adds the parts.
 */
import type { Device } from '../gpu/device.ts';
import { assertShape } from '../gpu/tensor.ts';
import type { Tensor, TensorPart } from '../gpu/tensor.ts';
import type { Specialisation } from '../gpu/kernelSource.ts';
import type { BufferView } from '../gpu/pool.ts';
import { plansOf } from '../tune/plans.ts';
import type { ProductPlan } from '../tune/product.ts';
import { cellGroups, cellsOf } from './cells.ts';
import { weightRuns } from './weightRuns.ts';

/**
 * A dropout mask by counter: element i is dropped when the hash of (seed, stream, step, i), over 2³², is below the rate
 * (kernels/lib/rng.wgsl).
 */
export interface DropoutMask {
  seed: number;
  stream: number;
  step: number;
  rate: number;
}

/** A vector of factors, each plus `offset`. */
export interface ScaleVector {
  tensor: Tensor;
  offset: number;
}

/** Low-rank term of a product: `a`·`w`, or `a`·`w`ᵀ, summed in the same pass. */
export interface LowRank {
  /** (M, R) f32 */
  a: Tensor;
  /** (N, R) for matmulNT, (R, N) for matmulNN; f32, one part. */
  w: Tensor;
}

export interface MatmulNTOptions {
  /** (N) f32, one part. */
  bias?: Tensor | undefined;
  /** y = scale·(…), default 1. */
  scale?: number;
  /** Add to y instead of writing it. */
  accumulate?: boolean;
  /** Mask over a (M, K). */
  dropout?: DropoutMask | undefined;
  lowRank?: LowRank | undefined;
  /** (N) factors of a·wᵀ (not of the low-rank term and the bias). */
  columnScale?: ScaleVector;
  /** Of w, the only part that is multiplied now. */
  part?: number;
}

export interface MatmulNNOptions {
  scale?: number;
  accumulate?: boolean;
  lowRank?: LowRank | undefined;
  /** Mask over y (M, N), applied to the low-rank term only or to everything that is added. */
  dropout?: (DropoutMask & { over: 'lowRank' | 'all' }) | undefined;
  /** (K) factors of a's columns. */
  aScale?: ScaleVector;
  /** Of w, the only part that is multiplied now; the first writes y, those after it add. */
  part?: number;
}

export interface MatmulTNOptions {
  /** c += scale·aᵀb, default 1. */
  scale?: number;
  /** Default true: a parameter's gradient is added to. */
  accumulate?: boolean;
  /** Mask over b (T, N). */
  dropout?: DropoutMask | undefined;
  /** (M) factors of c's rows. */
  rowScale?: ScaleVector;
}

const isWide = (...extents: number[]): boolean => extents.every((extent) => extent % 4 === 0);

const NO_DROPOUT: DropoutMask = { seed: 0, stream: 0, step: 0, rate: 0 };

/** Runs `dispatch` into y, or, cut in parts, into scratch that is then summed into y. */
function inParts(
  device: Device,
  parts: number,
  y: BufferView,
  size: number,
  accumulate: boolean,
  dispatch: (target: BufferView, accumulate: number) => void,
): void {
  if (parts === 1) {
    dispatch(y, accumulate ? 1 : 0);
    return;
  }
  const partial = device.pool.acquire(size * parts * 4, 'scratch');
  dispatch(partial, 0);
  const cells = cellsOf(size);
  const params = { size: size / cells.width, parts, accumulate: accumulate ? 1 : 0 };
  device.dispatch(device.kernel('matmul/sum_parts', cells.spec), { x: partial, y }, params, cellGroups(cells, size));
  device.pool.release(partial);
}

/** How a kernel that is compiled for its low-rank term takes it; others take any rank, none included. */
function lowRankOf({ configuration }: ProductPlan, rank: number, wide: boolean): Specialisation {
  if (configuration.algorithm !== 'subgroup') return {};
  if (rank === 0) return { LOW: 0 };
  return wide ? { LOW: 2, LOW_UNIT: 'vec4f' } : { LOW: 1 };
}

/** y (M, N) = scale·(a·wᵀ·columnScale + low-rank + bias); a (M, K) f32, w (N, K). */
export function matmulNT(device: Device, a: Tensor, w: Tensor, y: Tensor, options: MatmulNTOptions = {}): void {
  const n = w.shape[0]!;
  const k = w.rowSize;
  const m = a.size / k;
  if (!Number.isInteger(m) || y.size !== m * n) {
    throw new Error(`matmulNT: a ${a.describe()} times w ${w.describe()} transposed is not y ${y.describe()}`);
  }
  const { bias, columnScale, lowRank, dropout = NO_DROPOUT, accumulate = false } = options;
  const rank = lowRank ? lowRank.w.rowSize : 0;
  if (bias) assertShape(bias, [n], 'matmulNT, bias');
  if (columnScale) assertShape(columnScale.tensor, [n], 'matmulNT, columnScale');
  if (lowRank) {
    assertShape(lowRank.a, [m, rank], 'matmulNT, lowRank.a');
    assertShape(lowRank.w, [n, rank], 'matmulNT, lowRank.w');
  }
  const plans = plansOf(device);
  const runs = weightRuns(device, w);
  const isPlain = !bias && !columnScale && !lowRank && runs.length === 1;
  const hasDropout = dropout.rate > 0;
  for (const run of runs) {
    if (options.part !== undefined && options.part !== run.part) continue;
    const plan = plans.product({ form: 'nt', m, n: run.rows, k, storage: run.storage, isPlain, hasDropout });
    const masked: Specialisation = plan.configuration.algorithm === 'few_rows' ? {} : { DROPOUT: hasDropout };
    const low = lowRankOf(plan, rank, isWide(rank));
    const kernel = device.kernel(plan.kernel, { ...plan.spec, ...masked, ...low, WIDE: isWide(k), w: run.storage });
    run.bind((weights) => {
      inParts(device, plan.parts, y.view, m * n, accumulate, (target, add) => {
        const unused = a.view;
        device.dispatch(
          kernel,
          {
            a,
            w: weights,
            y: target,
            low_a: lowRank?.a ?? unused,
            low_w: lowRank?.w ?? unused,
            bias: bias ?? unused,
            column_scale: columnScale?.tensor ?? unused,
          },
          {
            m,
            n: run.rows,
            k,
            chunk: plan.chunk,
            y_stride: n,
            column: run.rowStart,
            depth: plan.depth,
            rank,
            has_bias: bias ? 1 : 0,
            has_column_scale: columnScale ? 1 : 0,
            column_scale_offset: columnScale?.offset ?? 0,
            scale: options.scale ?? 1,
            accumulate: add,
            ...dropout,
          },
          plan.groups,
          2 * m * run.rows * (k + rank),
        );
      });
    });
  }
}

/** y (M, N) = scale·((a·aScale)·w + low-rank), masked as `dropout` says; a (M, K) f32, w (K, N). */
export function matmulNN(device: Device, a: Tensor, w: Tensor, y: Tensor, options: MatmulNNOptions = {}): void {
  const k = w.shape[0]!;
  const n = w.rowSize;
  const m = a.size / k;
  if (!Number.isInteger(m) || y.size !== m * n)
    throw new Error(`matmulNN: a ${a.describe()} times w ${w.describe()} is not y ${y.describe()}`);
  const { aScale, lowRank, accumulate = false } = options;
  const dropout = options.dropout ?? { ...NO_DROPOUT, over: 'all' };
  const rank = lowRank ? lowRank.w.shape[0]! : 0;
  if (aScale) assertShape(aScale.tensor, [k], 'matmulNN, aScale');
  if (lowRank) {
    assertShape(lowRank.a, [m, rank], 'matmulNN, lowRank.a');
    assertShape(lowRank.w, [rank, n], 'matmulNN, lowRank.w');
  }
  const plans = plansOf(device);
  const masked = dropout.rate > 0;
  const runs = weightRuns(device, w);
  const spec = {
    MASK: !masked ? 0 : dropout.over === 'lowRank' ? 1 : 2,
    HAS_A_SCALE: aScale !== undefined,
    WIDE: isWide(k, n, ...runs.map(({ rowStart }) => rowStart)),
  };
  const isPlain = !lowRank && !masked && runs.length === 1;
  runs.forEach((run, at) => {
    if (options.part !== undefined && options.part !== run.part) return;
    const plan = plans.product({ form: 'nn', m, n, k: run.rows, storage: run.storage, isPlain, hasDropout: masked });
    const low = lowRankOf(plan, at === 0 ? rank : 0, isWide(rank, n));
    const kernel = device.kernel(plan.kernel, { ...plan.spec, ...spec, ...low, w: run.storage });
    run.bind((weights) => {
      inParts(device, plan.parts, y.view, m * n, accumulate || at > 0, (target, add) => {
        const unused = a.view;
        device.dispatch(
          kernel,
          { a, w: weights, y: target, low_a: lowRank?.a ?? unused, low_w: lowRank?.w ?? unused, a_scale: aScale?.tensor ?? unused },
          {
            m,
            n,
            k: run.rows,
            chunk: plan.chunk,
            a_stride: k,
            column: run.rowStart,
            depth: plan.depth,
            rank: at === 0 ? rank : 0,
            a_scale_offset: aScale?.offset ?? 0,
            scale: options.scale ?? 1,
            accumulate: add,
            seed: dropout.seed,
            stream: dropout.stream,
            step: dropout.step,
            rate: dropout.rate,
          },
          plan.groups,
          2 * m * n * (run.rows + rank),
        );
      });
    });
  });
}

/** c (M, N) += scale·rowScale·aᵀ·b; a (T, M), b (T, N), c f32, possibly split. Deterministic. */
export function matmulTN(device: Device, a: Tensor, b: Tensor, c: Tensor, options: MatmulTNOptions = {}): void {
  const m = c.shape[0]!;
  const n = c.rowSize;
  const rows = a.size / m;
  if (!Number.isInteger(rows) || b.size !== rows * n) {
    throw new Error(`matmulTN: a ${a.describe()} transposed times b ${b.describe()} is not c ${c.describe()}`);
  }
  const { dropout = NO_DROPOUT, rowScale, accumulate = true } = options;
  if (rowScale) assertShape(rowScale.tensor, [m], 'matmulTN, rowScale');
  const wide = isWide(m, n, ...c.parts.map((part: TensorPart) => part.rowStart));
  const plans = plansOf(device);
  const hasDropout = dropout.rate > 0;
  for (const part of c.parts) {
    const plan = plans.product({ form: 'tn', m: part.rows, n, k: rows, storage: b.dtype, isPlain: true, hasDropout });
    const kernel = device.kernel(plan.kernel, { ...plan.spec, WIDE: wide, DROPOUT: hasDropout });
    inParts(device, plan.parts, part.view, part.rows * n, accumulate, (target, add) => {
      device.dispatch(
        kernel,
        { a, b, c: target, row_scale: rowScale?.tensor ?? a },
        {
          m: part.rows,
          n,
          t: rows,
          chunk: plan.chunk,
          a_stride: m,
          column: part.rowStart,
          depth: plan.depth,
          has_row_scale: rowScale ? 1 : 0,
          row_scale_offset: rowScale?.offset ?? 0,
          scale: options.scale ?? 1,
          accumulate: add,
          ...dropout,
        },
        plan.groups,
        2 * part.rows * n * rows,
      );
    });
  }
}
