/**
 * How one product is made on one GPU: pure functions from what the GPU can do and the product's shape to a plan, which src/ops/matmul.ts
 * dispatches. An algorithm is a file in kernels/matmul; its configuration is the sizes that file takes.
 */
import { vectorLanesOf } from '../gpu/capabilities.ts';
import type { Capabilities } from '../gpu/capabilities.ts';
import type { Specialisation } from '../gpu/kernelSource.ts';
import { refusedSubgroup, refusedWorkgroup } from './refusals.ts';
import { refusedUnits, unitsFor } from './subgroupMatrix.ts';
import type { ComputeDtype, MatrixUnits } from './subgroupMatrix.ts';

/** nt: a·wᵀ, nn: a·w, tn: aᵀ·b, the three products of training. */
export type ProductForm = 'nt' | 'nn' | 'tn';

export interface ProductProblem {
  form: ProductForm;
  /** Rows and columns of the result, and the terms of each sum. */
  m: number;
  n: number;
  k: number;
  /** The second operand's storage: a file of kernels/load. */
  storage: string;
  /** Nothing but a factor is applied to the sum, so that it may be cut in parts. */
  isPlain: boolean;
  /** An operand or the result is masked by dropout. */
  hasDropout: boolean;
  /** How far operands may be rounded. */
  compute: ComputeDtype;
}

/** Tiles of both operands in workgroup memory: BM×BN of the result to a workgroup, TM×TN to an invocation, BK terms a step. */
export interface TileConfiguration {
  algorithm: 'tile';
  BM: number;
  BN: number;
  /** A multiple of 4. */
  BK: number;
  TM: number;
  TN: number;
  /** Loops stay rolled, for a compiler that is slow on long code. */
  COMPACT: boolean;
}

/** No workgroup memory and no barriers: a subgroup of SUBGROUP lanes has TM rows, a multiple of SUBGROUP, and 4 columns a lane. */
export interface SubgroupConfiguration {
  algorithm: 'subgroup';
  SUBGROUP: number;
  TM: number;
}

/** A pass over w for at most ROWS rows of a; form nt without dropout. */
export interface FewRowsConfiguration {
  algorithm: 'few_rows';
  ROWS: 1 | 4;
}

/** Tensor cores: f16 tiles in workgroup memory, BM×BN sums in f32 to four subgroups, BK terms a step. */
export interface SubgroupMatrixConfiguration extends MatrixUnits {
  algorithm: 'subgroup_matrix';
  BM: number;
  BN: number;
  BK: number;
  /** Loops stay rolled, for a compiler that is slow on long code. */
  COMPACT: boolean;
}

export type ProductConfiguration = TileConfiguration | SubgroupConfiguration | FewRowsConfiguration | SubgroupMatrixConfiguration;

export interface ProductPlan {
  configuration: ProductConfiguration;
  /** Of kernels/. */
  kernel: string;
  spec: Specialisation;
  /** Workgroups that make the result; a single number may be folded. */
  groups: number | readonly [number, number, number];
  /** The kernel's parameter of that name: a bound its compiler cannot see. */
  depth: number;
  /** Ranges into which the sum is cut. */
  parts: number;
  /** Terms of the sum in each, a multiple of what the kernel takes at a step. */
  chunk: number;
}

/** OUTPUTS of kernels/matmul/nt_few_rows.wgsl. */
const FEW_ROWS_OUTPUTS = 4;
/** Up to this many rows a·wᵀ is a pass over w without tiles. */
const FEW_ROWS = 4;
/** Shortest range of the summed dimension that is worth its own workgroup. */
const MIN_CHUNK = 128;
/** Of the wide tile below: 32 terms of 64 rows and 128 columns. */
const WIDE_TILE_BYTES = 32 * (64 + 128) * 4;

/** The plan for a product; with `configuration`, in that way. Throws where the GPU or the problem does not allow it. */
export function planProduct(
  capabilities: Capabilities,
  problem: ProductProblem,
  configuration: ProductConfiguration = chooseProduct(capabilities, problem),
): ProductPlan {
  const refusal = refusedProduct(capabilities, problem, configuration);
  if (refusal !== undefined) throw new Error(`product ${problem.form} by '${configuration.algorithm}': ${refusal}`);
  const kernel = `matmul/${problem.form}_${configuration.algorithm}`;
  switch (configuration.algorithm) {
    case 'few_rows': {
      const { ROWS } = configuration;
      return {
        configuration,
        kernel,
        spec: { ROWS },
        groups: Math.ceil(problem.n / FEW_ROWS_OUTPUTS),
        depth: 1,
        parts: 1,
        chunk: problem.k,
      };
    }
    case 'subgroup': {
      const { SUBGROUP, TM } = configuration;
      return { configuration, kernel, spec: { SUBGROUP, TM }, depth: 1, ...cutSum(capabilities, problem, TM, 4 * SUBGROUP, 4) };
    }
    case 'tile': {
      const { BM, BN, BK, TM, TN, COMPACT } = configuration;
      return { configuration, kernel, spec: { BM, BN, BK, TM, TN, COMPACT }, depth: BK, ...cutSum(capabilities, problem, BM, BN, BK) };
    }
    case 'subgroup_matrix': {
      const { algorithm: _, ...spec } = configuration;
      return {
        configuration,
        kernel,
        spec: { ...spec, SPLIT: isSplit(problem), SPLIT_A: isLeftSplit(problem) },
        depth: 1,
        ...cutSum(capabilities, problem, spec.BM, spec.BN, spec.BK),
      };
    }
  }
}

/** Why this GPU or this problem does not allow a configuration; undefined where it does. */
export function refusedProduct(
  capabilities: Capabilities,
  problem: ProductProblem,
  configuration: ProductConfiguration,
): string | undefined {
  switch (configuration.algorithm) {
    case 'few_rows':
      if (problem.form !== 'nt' || problem.hasDropout) return 'it makes a·wᵀ without dropout only';
      return problem.m > configuration.ROWS ? `expected at most ${configuration.ROWS} rows, found ${problem.m}` : undefined;
    case 'subgroup':
      return refusedSubgroup(capabilities, configuration);
    case 'tile': {
      const { BM, BN, BK, TM, TN } = configuration;
      return refusedWorkgroup(capabilities, { invocations: (BM / TM) * (BN / TN), bytes: BK * (BM + BN) * 4 });
    }
    case 'subgroup_matrix':
      return refusedUnits(capabilities, configuration) ?? refusedMatrixTile(capabilities, problem, configuration);
  }
}

/**
 * The right operand is staged in two halves of f16, which between them have all its digits: a weight in f32; of 3xf16 all that f16 would
 * round.
 */
function isSplit({ form, storage, compute }: ProductProblem): boolean {
  if (compute === '3xf16') return storage !== 'f16' && storage !== 'bf16';
  return form !== 'tn' && storage === 'f32';
}

/** The left one, an activation or a gradient, is too. */
function isLeftSplit({ compute }: ProductProblem): boolean {
  return compute === '3xf16';
}

function refusedMatrixTile(
  capabilities: Capabilities,
  problem: ProductProblem,
  configuration: SubgroupMatrixConfiguration,
): string | undefined {
  const { M, N, K, BM, BN, BK } = configuration;
  if (BM % (2 * M) !== 0 || BN % (2 * N) !== 0 || BK % K !== 0 || BM % 4 !== 0 || BN % 4 !== 0 || BK % 4 !== 0) {
    return `a tile of ${BM}×${BN}×${BK} is not two by two quarters of ${M}×${N}×${K}`;
  }
  return refusedWorkgroup(capabilities, { bytes: matrixTileBytes(problem, configuration) });
}

/**
 * As kernels/lib/matrix_product.wgsl declares them: the tiles in f16 with rows eight elements longer, a fragment of each subgroup, two
 * counters.
 */
function matrixTileBytes(problem: ProductProblem, { M, N, BM, BN, BK }: SubgroupMatrixConfiguration): number {
  const { form } = problem;
  const a = form === 'tn' ? BK * (BM + 8) : BM * (BK + 8);
  const b = form === 'nt' ? BN * (BK + 8) : BK * (BN + 8);
  return 2 * ((isLeftSplit(problem) ? 2 * a : a) + (isSplit(problem) ? 2 * b : b)) + 4 * 4 * M * N + 8;
}

/**
 * A software GPU with subgroups does without workgroup memory: its barriers are switches between coroutines, and its subgroups are the
 * vector registers of the CPU (against tiles 2 to 3 times as fast, test/bench/RESULTS.md).
 */
export function chooseProduct(capabilities: Capabilities, problem: ProductProblem): ProductConfiguration {
  const { form, m, hasDropout } = problem;
  const units = m > FEW_ROWS ? unitsFor(capabilities, problem.compute) : undefined;
  if (units) return chooseMatrixTile(capabilities, problem, units);
  const SUBGROUP = vectorLanesOf(capabilities);
  if (SUBGROUP !== undefined) return { algorithm: 'subgroup', SUBGROUP, TM: m <= SUBGROUP ? SUBGROUP : 2 * SUBGROUP };
  if (form === 'nt' && m <= FEW_ROWS && !hasDropout) return { algorithm: 'few_rows', ROWS: m === 1 ? 1 : FEW_ROWS };
  return chooseTile(capabilities, problem);
}

/**
 * All have 64 invocations, but for the narrow ones of a software GPU; the narrow ones are for LoRA's ranks and for few rows. On a software
 * GPU without subgroups a barrier gets more work between two of them.
 */
function chooseTile({ kind, workgroupMemoryBytes }: Capabilities, { m, n }: ProductProblem): TileConfiguration {
  const isSoftware = kind === 'software';
  const tile = (BM: number, BN: number, TM: number, TN: number): TileConfiguration => ({
    algorithm: 'tile',
    BM,
    BN,
    BK: isSoftware ? 32 : 16,
    TM,
    TN,
    COMPACT: isSoftware,
  });
  // Eight invocations, one vector of the CPU, with as many sums in each as pay for what they load.
  if (n <= 16) return isSoftware ? tile(64, 16, 8, 16) : tile(64, 16, 4, 4);
  if (m <= 16) return isSoftware ? tile(16, 64, 16, 8) : tile(16, 64, 4, 4);
  if (m <= 32 || n <= 32) return tile(32, 32, 4, 4);
  if (isSoftware && n > 64 && workgroupMemoryBytes >= WIDE_TILE_BYTES) return tile(64, 128, 8, 16);
  return tile(64, 64, 8, 8);
}

/** The narrow ones are for LoRA's ranks and for few rows; a software GPU only shows that they are right. */
function chooseMatrixTile(capabilities: Capabilities, problem: ProductProblem, units: MatrixUnits): SubgroupMatrixConfiguration {
  const { kind } = capabilities;
  const { m, n } = problem;
  const tile = (BM: number, BN: number, BK: number): SubgroupMatrixConfiguration => ({
    algorithm: 'subgroup_matrix',
    ...units,
    BM,
    BN,
    BK,
    COMPACT: kind === 'software',
  });
  const small = tile(32, 32, 16);
  if (kind === 'software') return small;
  const usual = tile(m <= 32 ? 32 : 64, n <= 32 ? 32 : 64, isSplit(problem) ? 16 : 32);
  // Both operands in two halves are a little more than the least that GPUs have.
  return refusedMatrixTile(capabilities, problem, usual) === undefined ? usual : small;
}

/**
 * The workgroups for tiles of rows × columns, and the sum cut so that about enough of them run to fill the GPU: depends on shapes and GPU
 * alone, so that results do not depend on timing.
 */
function cutSum(
  { kind, maxBindingBytes }: Capabilities,
  { m, n, k, isPlain }: ProductProblem,
  rows: number,
  columns: number,
  step: number,
): Pick<ProductPlan, 'groups' | 'parts' | 'chunk'> {
  const [across, down] = [Math.ceil(m / rows), Math.ceil(n / columns)];
  const wanted = kind === 'software' ? 8 : 512;
  const affordable = Math.floor(maxBindingBytes / (m * n * 4));
  const parts = isPlain ? Math.min(Math.floor(wanted / (across * down)), Math.floor(k / MIN_CHUNK), affordable, 65535) : 1;
  if (parts < 2) return { groups: [across, down, 1], parts: 1, chunk: roundUp(k, step) };
  const chunk = roundUp(Math.ceil(k / parts), step);
  const used = Math.ceil(k / chunk);
  return { groups: [across, down, used], parts: used, chunk };
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
