/**
 * The three matrix products of training, as dispatches without a tape: y = a·wᵀ, y = a·w and c += aᵀ·b. `w` may be f32, f16 or bf16 and,
 * where it is larger than the adapter binds, split between rows; activations and gradients are f32. The tile follows the shape, and a
 * product of few tiles and a long sum is cut along the sum (a second pass adds the parts), so that results do not depend on timing.
 */
import type { Device } from '../gpu/device.ts';
import { assertShape } from '../gpu/tensor.ts';
import type { Tensor, TensorPart } from '../gpu/tensor.ts';
import type { Specialisation } from '../gpu/kernelSource.ts';
import type { BufferView } from '../gpu/pool.ts';
import { weightType } from './weightType.ts';

/** A dropout mask by counter: element i is dropped when the hash of (seed, stream, step, i), over 2³², is below the rate (kernels/lib/rng.wgsl). */
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
  bias?: Tensor;
  /** y = scale·(…), default 1. */
  scale?: number;
  /** Add to y instead of writing it. */
  accumulate?: boolean;
  /** Mask over a (M, K). */
  dropout?: DropoutMask;
  lowRank?: LowRank;
  /** (N) factors of a·wᵀ (not of the low-rank term and the bias). */
  columnScale?: ScaleVector;
}

export interface MatmulNNOptions {
  scale?: number;
  accumulate?: boolean;
  lowRank?: LowRank;
  /** Mask over y (M, N), applied to the low-rank term only or to everything that is added. */
  dropout?: DropoutMask & { over: 'lowRank' | 'all' };
  /** (K) factors of a's columns. */
  aScale?: ScaleVector;
}

export interface MatmulTNOptions {
  /** c += scale·aᵀb, default 1. */
  scale?: number;
  /** Default true: a parameter's gradient is added to. */
  accumulate?: boolean;
  /** Mask over b (T, N). */
  dropout?: DropoutMask;
  /** (M) factors of c's rows. */
  rowScale?: ScaleVector;
}

/** One way to make the sums of a product: rows and columns of the result to a workgroup, and the kernel's specialisation for it. */
interface Tile {
  BM: number;
  BN: number;
  /** Terms of the sum in one step, a multiple of 4. */
  BK: number;
  /** The field of that name in the kernel's Params. */
  depth: number;
  /** Of the kernel's name: matmul_nt or matmul_nt_subgroup. */
  suffix: '' | '_subgroup';
  spec: Specialisation;
}

/** Up to this many rows a·wᵀ is a pass over w without tiles. */
const FEW_ROWS = 4;
/** OUTPUTS of kernels/matmul_nt_few_rows.wgsl. */
const FEW_ROWS_OUTPUTS = 4;
/** Shortest range of the summed dimension that is worth its own workgroup. */
const MIN_CHUNK = 128;

/** Of the wide tile below: 32 terms of 64 rows and 128 columns. */
const WIDE_TILE_BYTES = 32 * (64 + 128) * 4;

/** SUBGROUP of kernels/lib/matmul_subgroup.wgsl. */
const SUBGROUP = 8;

/**
 * A software GPU with subgroups does without workgroup memory: its barriers are switches between coroutines, and its subgroups are the vector
 * registers of the CPU (against tiles 2 to 3 times as fast, test/bench/RESULTS.md).
 */
function tileFor(device: Device, m: number, n: number): Tile {
  const { isSoftware, subgroupSize } = device.report;
  if (!isSoftware || subgroupSize !== SUBGROUP) return workgroupTile(device, m, n);
  const TM = m <= SUBGROUP ? SUBGROUP : 2 * SUBGROUP;
  return { BM: TM, BN: 4 * SUBGROUP, BK: 4, depth: 1, suffix: '_subgroup', spec: { TM } };
}

/**
 * All have 64 invocations, but for the narrow ones of a software GPU; the narrow ones are for LoRA's ranks and for few rows. On a software GPU
 * without subgroups a barrier gets more work between two of them.
 */
function workgroupTile(device: Device, m: number, n: number): Tile {
  const { isSoftware, workgroupMemoryBytes } = device.report;
  const BK = isSoftware ? 32 : 16;
  const tile = (BM: number, BN: number, TM: number, TN: number): Tile => ({
    BM,
    BN,
    BK,
    depth: BK,
    suffix: '',
    spec: { BM, BN, BK, TM, TN, COMPACT: isSoftware },
  });
  // Eight invocations, one vector of the CPU, with as many sums in each as pay for what they load.
  if (n <= 16) return isSoftware ? tile(64, 16, 8, 16) : tile(64, 16, 4, 4);
  if (m <= 16) return isSoftware ? tile(16, 64, 16, 8) : tile(16, 64, 4, 4);
  if (m <= 32 || n <= 32) return tile(32, 32, 4, 4);
  if (isSoftware && n > 64 && workgroupMemoryBytes >= WIDE_TILE_BYTES) return tile(64, 128, 8, 16);
  return tile(64, 64, 8, 8);
}

interface Split {
  parts: number;
  /** Elements of the summed dimension in each, a multiple of the tile's BK. */
  chunk: number;
}

/** Cuts a sum of `k` terms so that about enough workgroups run to fill the adapter; depends on shapes and adapter alone. */
function splitSum(device: Device, m: number, n: number, k: number, tile: Tile): Split {
  const wanted = device.report.isSoftware ? 8 : 512;
  const tiles = Math.ceil(m / tile.BM) * Math.ceil(n / tile.BN);
  const affordable = Math.floor(device.maxBindingBytes / (m * n * 4));
  const parts = Math.min(Math.floor(wanted / tiles), Math.floor(k / MIN_CHUNK), affordable, 65535);
  if (parts < 2) return { parts: 1, chunk: roundUp(k, tile.BK) };
  const chunk = roundUp(Math.ceil(k / parts), tile.BK);
  return { parts: Math.ceil(k / chunk), chunk };
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

const isWide = (...extents: number[]): boolean => extents.every((extent) => extent % 4 === 0);

function weightUnits(wide: boolean): Specialisation {
  return wide ? { WIDE: true, A_UNIT: 'vec4f', W_UNIT: 'vec2u' } : {};
}

const NO_DROPOUT: DropoutMask = { seed: 0, stream: 0, step: 0, rate: 0 };

/** Runs `dispatch` into y, or, cut in parts, into scratch that is then summed into y. */
function inParts(
  device: Device,
  split: Split,
  y: BufferView,
  size: number,
  accumulate: boolean,
  dispatch: (target: BufferView, accumulate: number) => void,
): void {
  if (split.parts === 1) {
    dispatch(y, accumulate ? 1 : 0);
    return;
  }
  const partial = device.pool.acquire(size * split.parts * 4, 'scratch');
  dispatch(partial, 0);
  const params = { size, parts: split.parts, accumulate: accumulate ? 1 : 0 };
  device.dispatch(device.kernel('matmul_sum_parts'), { x: partial, y }, params, Math.ceil(size / 256));
  device.pool.release(partial);
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
  const tile = tileFor(device, m, n);
  const type = { W_TYPE: weightType(w), ...weightUnits(isWide(k)) };
  const isFewRows = m <= FEW_ROWS && dropout.rate === 0 && tile.suffix === '';
  const kernel = isFewRows
    ? device.kernel('matmul_nt_few_rows', { ...type, ROWS: m === 1 ? 1 : FEW_ROWS })
    : device.kernel(`matmul_nt${tile.suffix}`, { ...type, ...tile.spec, DROPOUT: dropout.rate > 0 });
  const isPlain = !isFewRows && !bias && !columnScale && !lowRank && w.parts.length === 1;
  const split = isPlain ? splitSum(device, m, n, k, tile) : { parts: 1, chunk: roundUp(k, tile.BK) };
  for (const part of w.parts) {
    inParts(device, split, y.view, m * n, accumulate, (target, add) => {
      const unused = a.view;
      device.dispatch(
        kernel,
        {
          a,
          w: part.view,
          y: target,
          low_a: lowRank?.a ?? unused,
          low_w: lowRank?.w ?? unused,
          bias: bias ?? unused,
          column_scale: columnScale?.tensor ?? unused,
        },
        {
          m,
          n: part.rows,
          k,
          chunk: split.chunk,
          y_stride: n,
          column: part.rowStart,
          depth: tile.depth,
          rank,
          has_bias: bias ? 1 : 0,
          has_column_scale: columnScale ? 1 : 0,
          column_scale_offset: columnScale?.offset ?? 0,
          scale: options.scale ?? 1,
          accumulate: add,
          ...dropout,
        },
        isFewRows ? Math.ceil(part.rows / FEW_ROWS_OUTPUTS) : [Math.ceil(m / tile.BM), Math.ceil(part.rows / tile.BN), split.parts],
      );
    });
  }
}

/** y (M, N) = scale·((a·aScale)·w + low-rank), masked as `dropout` says; a (M, K) f32, w (K, N). */
export function matmulNN(device: Device, a: Tensor, w: Tensor, y: Tensor, options: MatmulNNOptions = {}): void {
  const k = w.shape[0]!;
  const n = w.rowSize;
  const m = a.size / k;
  if (!Number.isInteger(m) || y.size !== m * n) throw new Error(`matmulNN: a ${a.describe()} times w ${w.describe()} is not y ${y.describe()}`);
  const { aScale, lowRank, accumulate = false } = options;
  const dropout = options.dropout ?? { ...NO_DROPOUT, over: 'all' };
  const rank = lowRank ? lowRank.w.shape[0]! : 0;
  if (aScale) assertShape(aScale.tensor, [k], 'matmulNN, aScale');
  if (lowRank) {
    assertShape(lowRank.a, [m, rank], 'matmulNN, lowRank.a');
    assertShape(lowRank.w, [rank, n], 'matmulNN, lowRank.w');
  }
  const tile = tileFor(device, m, n);
  const masked = dropout.rate > 0;
  const wide = isWide(k, n, ...w.parts.map((part) => part.rowStart));
  const spec = {
    ...tile.spec,
    W_TYPE: weightType(w),
    MASK: !masked ? 0 : dropout.over === 'lowRank' ? 1 : 2,
    HAS_A_SCALE: aScale !== undefined,
    ...weightUnits(wide),
  };
  const kernel = device.kernel(`matmul_nn${tile.suffix}`, spec);
  const isPlain = !lowRank && !masked && w.parts.length === 1;
  w.parts.forEach((part, at) => {
    const split = isPlain ? splitSum(device, m, n, k, tile) : { parts: 1, chunk: roundUp(part.rows, tile.BK) };
    inParts(device, split, y.view, m * n, accumulate || at > 0, (target, add) => {
      const unused = a.view;
      device.dispatch(
        kernel,
        { a, w: part.view, y: target, low_a: lowRank?.a ?? unused, low_w: lowRank?.w ?? unused, a_scale: aScale?.tensor ?? unused },
        {
          m,
          n,
          k: part.rows,
          chunk: split.chunk,
          a_stride: k,
          column: part.rowStart,
          depth: tile.depth,
          rank: at === 0 ? rank : 0,
          a_scale_offset: aScale?.offset ?? 0,
          scale: options.scale ?? 1,
          accumulate: add,
          seed: dropout.seed,
          stream: dropout.stream,
          step: dropout.step,
          rate: dropout.rate,
        },
        [Math.ceil(m / tile.BM), Math.ceil(n / tile.BN), split.parts],
      );
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
  for (const part of c.parts) {
    const tile = tileFor(device, part.rows, n);
    const units: Specialisation = wide ? { WIDE: true, B_UNIT: 'vec4f', ...(tile.suffix === '' && { A_UNIT: 'vec4f' }) } : {};
    const kernel = device.kernel(`matmul_tn${tile.suffix}`, { ...units, ...tile.spec, DROPOUT: dropout.rate > 0 });
    const split = splitSum(device, part.rows, n, rows, tile);
    inParts(device, split, part.view, part.rows * n, accumulate, (target, add) => {
      device.dispatch(
        kernel,
        { a, b, c: target, row_scale: rowScale?.tensor ?? a },
        {
          m: part.rows,
          n,
          t: rows,
          chunk: split.chunk,
          a_stride: m,
          column: part.rowStart,
          depth: tile.depth,
          has_row_scale: rowScale ? 1 : 0,
          row_scale_offset: rowScale?.offset ?? 0,
          scale: options.scale ?? 1,
          accumulate: add,
          ...dropout,
        },
        [Math.ceil(part.rows / tile.BM), Math.ceil(n / tile.BN), split.parts],
      );
    });
  }
}
