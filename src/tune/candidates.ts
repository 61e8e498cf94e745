/**
 * What is worth measuring for a problem: the policy's own choice first, then a handful of others. A new algorithm or size is one line of a
 * list here; what the GPU or the problem does not allow is left out by the planners' refusals.
 */
import { subgroupSizeOf, vectorLanesOf } from '../gpu/capabilities.ts';
import type { Capabilities } from '../gpu/capabilities.ts';
import { chooseAttention, refusedAttention } from './attention.ts';
import type { AttentionConfiguration, AttentionProblem } from './attention.ts';
import { chooseProduct, refusedProduct } from './product.ts';
import type { ProductConfiguration, ProductProblem, TileConfiguration } from './product.ts';
import { attentionDtypeOf, matrixUnitsOf, unitsFor } from './subgroupMatrix.ts';
import type { AttentionDtype, ComputeDtype } from './subgroupMatrix.ts';

/** Undefined: nothing to measure on such a GPU. */
type Offer<Problem, Configuration> = (capabilities: Capabilities, problem: Problem) => Configuration | undefined;

/**
 * A CPU whose subgroups are its vector registers: tiles are half as fast there, and take its compiler seconds each (test/bench/RESULTS.md).
 */
const isVectorCpu = (capabilities: Capabilities): boolean => vectorLanesOf(capabilities) !== undefined;

const tile =
  (BM: number, BN: number, BK: number, TM: number, TN: number): Offer<ProductProblem, ProductConfiguration> =>
  (capabilities) =>
    isVectorCpu(capabilities) ? undefined : { algorithm: 'tile', BM, BN, BK, TM, TN, COMPACT: capabilities.kind === 'software' };

/** Every lane has four sums of each of TM rows: of more rows they do not stay in registers. */
const MOST_ROWS = 32;

/** @param own rows of each lane */
const rowsOfSubgroup =
  (own: number): Offer<ProductProblem, ProductConfiguration> =>
  (capabilities) => {
    const SUBGROUP = subgroupSizeOf(capabilities);
    if (SUBGROUP === undefined || own * SUBGROUP > MOST_ROWS) return undefined;
    return { algorithm: 'subgroup', SUBGROUP, TM: own * SUBGROUP };
  };

/** Where the run lets operands be rounded to f16. */
const matrixTile =
  (BM: number, BN: number, BK: number): Offer<ProductProblem, ProductConfiguration> =>
  (capabilities, { compute }) => {
    const units = unitsFor(capabilities, compute);
    return units && { algorithm: 'subgroup_matrix', ...units, BM, BN, BK, COMPACT: capabilities.kind === 'software' };
  };

const PRODUCTS: readonly Offer<ProductProblem, ProductConfiguration>[] = [
  tile(16, 64, 32, 4, 4),
  tile(64, 16, 32, 4, 4),
  tile(32, 32, 16, 4, 4),
  tile(32, 32, 32, 4, 4),
  tile(64, 64, 8, 8, 8),
  tile(64, 64, 16, 8, 8),
  tile(64, 64, 32, 4, 4),
  tile(128, 64, 16, 8, 8),
  tile(64, 128, 16, 8, 8),
  tile(128, 128, 8, 8, 8),
  tile(128, 128, 16, 8, 8),
  () => ({ algorithm: 'few_rows', ROWS: 1 }),
  () => ({ algorithm: 'few_rows', ROWS: 4 }),
  rowsOfSubgroup(1),
  rowsOfSubgroup(2),
  matrixTile(32, 64, 32),
  matrixTile(64, 32, 32),
  matrixTile(64, 64, 16),
  matrixTile(64, 64, 32),
  matrixTile(64, 128, 32),
  matrixTile(128, 64, 32),
];

/** The policy's tiling with something else about it; a head that is cut into more parts than it has vectors is left out. */
const tiling =
  (change: { rows?: number; own?: number; parts?: number; staged?: number }): Offer<AttentionProblem, AttentionConfiguration> =>
  (capabilities, problem) => {
    if (isVectorCpu(capabilities)) return undefined;
    const configuration = chooseAttention({ ...capabilities, subgroups: undefined }, problem);
    if (configuration.algorithm !== 'tile') return configuration;
    const parts = Math.max(1, Math.min(configuration.parts * (change.parts ?? 1), Math.ceil(problem.headSize / 4)));
    const rows = Math.max(1, configuration.rows * (change.rows ?? 1));
    const own = Math.max(1, configuration.own * (change.own ?? 1));
    return {
      ...configuration,
      parts,
      rows: Math.max(rows, own),
      own,
      staged: Math.max(4, Math.floor((configuration.staged * (change.staged ?? 1)) / 4) * 4),
    };
  };

const ATTENTIONS: readonly Offer<AttentionProblem, AttentionConfiguration>[] = [
  tiling({}),
  tiling({ rows: 1 / 2 }),
  tiling({ own: 2 }),
  tiling({ parts: 2, rows: 1 / 2 }),
  tiling({ staged: 1 / 2 }),
  tiling({ staged: 2 }),
  (capabilities) => {
    const SUBGROUP = subgroupSizeOf(capabilities);
    return SUBGROUP === undefined ? undefined : { algorithm: 'subgroup', SUBGROUP, TM: SUBGROUP };
  },
  (capabilities, { compute }) => {
    const units = unitsFor(capabilities, compute);
    return units && { algorithm: 'subgroup_matrix', ...units, COMPACT: capabilities.kind === 'software' };
  },
];

/** Half a unit in the last place of f16. */
const F16 = 2 ** -11;
/** Of two halves, of which the first is cut off and the second rounded, and whose rests are not multiplied. */
const TWO_HALVES = 2 ** -20;

/**
 * How much a configuration rounds a product's operands before it multiplies them, relative: 0 where it takes them as f32. What two of them
 * may differ by follows from it.
 */
export function productRounding({ compute }: ProductProblem, { algorithm }: ProductConfiguration): number {
  if (algorithm !== 'subgroup_matrix') return 0;
  return compute === '3xf16' ? TWO_HALVES : F16;
}

export const ATTENTION_ROUNDING: Readonly<Record<AttentionConfiguration['algorithm'], number>> = {
  tile: 0,
  subgroup: 0,
  subgroup_matrix: F16,
};

/** How far a run on this GPU may be asked to round operands. */
export function computeDtypesOf(capabilities: Capabilities): ComputeDtype[] {
  return matrixUnitsOf(capabilities) ? ['f32', 'f16', '3xf16'] : ['f32'];
}

/** What attention then computes in. */
export function attentionDtypesOf(capabilities: Capabilities): AttentionDtype[] {
  return [...new Set(computeDtypesOf(capabilities).map(attentionDtypeOf))];
}

/** Configurations to measure for a product, the policy's first; none twice. */
export function productCandidates(capabilities: Capabilities, problem: ProductProblem): ProductConfiguration[] {
  const allowed = PRODUCTS.flatMap((offer) => offer(capabilities, problem) ?? []).filter(
    (one) => refusedProduct(capabilities, problem, one) === undefined && (one.algorithm !== 'tile' || suits(problem, one)),
  );
  return distinct([chooseProduct(capabilities, problem), ...allowed]);
}

/** Configurations to measure for a pass of attention, the policy's first; none twice. */
export function attentionCandidates(capabilities: Capabilities, problem: AttentionProblem): AttentionConfiguration[] {
  // A pass for a query or two is a pass over the keys: how its one row is cut is all there is to choose.
  const offers = problem.isDecoding ? [] : ATTENTIONS;
  const allowed = offers
    .flatMap((offer) => offer(capabilities, problem) ?? [])
    .filter((one) => refusedAttention(capabilities, problem, one) === undefined);
  return distinct([chooseAttention(capabilities, problem), ...allowed]);
}

/** At most half of what the tiles cover lies outside the result; narrow ones are for narrow results, of which they may cover less. */
function suits({ m, n }: ProductProblem, { BM, BN }: TileConfiguration): boolean {
  const covered = Math.ceil(m / BM) * BM * Math.ceil(n / BN) * BN;
  const isNarrow = Math.min(BM, BN) < 32;
  return isNarrow ? (BM < 32 ? m : n) <= 32 && covered <= 4 * m * n : covered <= 2 * m * n;
}

function distinct<T extends object>(configurations: readonly T[]): T[] {
  const seen = new Set<string>();
  return configurations.filter((one) => {
    const key = JSON.stringify(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)));
    const isNew = !seen.has(key);
    seen.add(key);
    return isNew;
  });
}
