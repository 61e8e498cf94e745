/**
 * How attention is computed on one GPU: pure functions from what the GPU can do and the problem to a plan, which src/ops/attention.ts
 * dispatches. The kernels walk over tiles; how large a tile is and over how many invocations a head is cut depends on the head size, so
 * that everything fits the 16 KiB of workgroup memory that every GPU has.
 */
import { vectorLanesOf } from '../gpu/capabilities.ts';
import type { Capabilities } from '../gpu/capabilities.ts';
import type { Specialisation } from '../gpu/kernelSource.ts';
import { refusedSubgroup, refusedWorkgroup } from './refusals.ts';
import { refusedUnits, unitsFor } from './subgroupMatrix.ts';
import type { AttentionDtype, MatrixUnits } from './subgroupMatrix.ts';

export type AttentionPass = 'forward' | 'query_backward' | 'key_backward';

export interface AttentionProblem {
  pass: AttentionPass;
  /** D */
  headSize: number;
  /** Forward for a query or two of each row, as in generation. */
  isDecoding: boolean;
  /** How far operands may be rounded. */
  compute: AttentionDtype;
  /** What the policy does not ask and a measurement does. */
  extent?: AttentionExtent;
}

export interface AttentionExtent {
  /** T of all rows of a batch. */
  queries: number;
  /** H */
  heads: number;
  /** KV */
  kvHeads: number;
  /** Keys that a query sees, on average. */
  span: number;
}

/** Keys (of key_backward: queries) staged in workgroup memory. */
export interface AttentionTileConfiguration {
  algorithm: 'tile';
  /** Slices a head is cut into, one an invocation. */
  parts: number;
  /** Rows a workgroup owns. */
  rows: number;
  /** How many of them are one invocation's. */
  own: number;
  /** Rows staged in workgroup memory at a time, a multiple of 4. */
  staged: number;
  /** false: loops get run-time bounds, for a compiler that takes minutes over unrolled ones. */
  unroll: boolean;
}

/** Without workgroup memory and barriers: a subgroup of SUBGROUP lanes has TM rows, one to four a lane. */
export interface AttentionSubgroupConfiguration {
  algorithm: 'subgroup';
  SUBGROUP: number;
  TM: number;
}

/** Tensor cores: f16 tiles of 32×32 in workgroup memory, sums in f32. */
export interface AttentionSubgroupMatrixConfiguration extends MatrixUnits {
  algorithm: 'subgroup_matrix';
  /** Loops stay rolled, for a compiler that is slow on long code. */
  COMPACT: boolean;
}

export type AttentionConfiguration = AttentionTileConfiguration | AttentionSubgroupConfiguration | AttentionSubgroupMatrixConfiguration;

export interface AttentionPlan {
  configuration: AttentionConfiguration;
  /** Of kernels/. */
  kernel: string;
  spec: Specialisation;
  /** The kernel's parameters of those names: loop bounds its compiler cannot see. */
  loops: { blocks: number; slices: number };
  /** Rows of a workgroup: queries, or of key_backward keys. */
  rows: number;
  /** The forward keeps its statistics where no gradient needs them, too: one kernel for both, where kernels take seconds to compile. */
  alwaysKeepsStats: boolean;
}

const WORKGROUP_MEMORY = 16384;
/** TILE of kernels/lib/attention_matrix.wgsl. */
const MATRIX_ROWS = 32;

/** The plan for one pass; with `configuration`, in that way. Throws where the GPU does not allow it. */
export function planAttention(
  capabilities: Capabilities,
  problem: AttentionProblem,
  configuration: AttentionConfiguration = chooseAttention(capabilities, problem),
): AttentionPlan {
  const refusal = refusedAttention(capabilities, problem, configuration);
  if (refusal !== undefined) throw new Error(`attention ${problem.pass} by '${configuration.algorithm}': ${refusal}`);
  const { pass, headSize } = problem;
  const kernel = `attention/${pass}_${configuration.algorithm}`;
  if (configuration.algorithm === 'subgroup') {
    const { SUBGROUP, TM } = configuration;
    const loops = { blocks: SUBGROUP, slices: Math.ceil(headSize / 4) };
    return { configuration, kernel, spec: { SUBGROUP, TM }, loops, rows: TM, alwaysKeepsStats: true };
  }
  if (configuration.algorithm === 'subgroup_matrix') {
    const { algorithm: _, ...spec } = configuration;
    const loops = { blocks: 1, slices: Math.ceil(headSize / 4) };
    return { configuration, kernel, spec: { ...spec }, loops, rows: MATRIX_ROWS, alwaysKeepsStats: false };
  }
  const { parts, rows, own, staged, unroll } = configuration;
  const [ownRows, stagedRows] = pass === 'key_backward' ? ['KEYS', 'QUERIES'] : ['QUERIES', 'KEYS'];
  return {
    configuration,
    kernel,
    spec: { UNROLL: unroll, PARTS: parts, OWN: own, [ownRows!]: rows, [stagedRows!]: staged },
    loops: { blocks: staged / 4, slices: Math.ceil(headSize / (4 * parts)) },
    rows,
    alwaysKeepsStats: false,
  };
}

/** Why this GPU does not allow a configuration; undefined where it does. */
export function refusedAttention(
  capabilities: Capabilities,
  problem: AttentionProblem,
  configuration: AttentionConfiguration,
): string | undefined {
  if (configuration.algorithm === 'tile') {
    const { parts, rows, own } = configuration;
    return refusedWorkgroup(capabilities, { invocations: (rows / own) * parts, bytes: tileBytes(problem, configuration) });
  }
  return configuration.algorithm === 'subgroup_matrix'
    ? refusedUnits(capabilities, configuration)
    : refusedSubgroup(capabilities, configuration);
}

/** A software GPU with subgroups does without workgroup memory, whose barriers cost it more than they save (test/bench/RESULTS.md). */
export function chooseAttention(
  capabilities: Capabilities,
  { pass, headSize, isDecoding, compute }: AttentionProblem,
): AttentionConfiguration {
  const isSoftware = capabilities.kind === 'software';
  const units = isDecoding ? undefined : unitsFor(capabilities, compute);
  if (units) return { algorithm: 'subgroup_matrix', ...units, COMPACT: isSoftware };
  const SUBGROUP = vectorLanesOf(capabilities);
  if (!isDecoding && SUBGROUP !== undefined) return { algorithm: 'subgroup', SUBGROUP, TM: 2 * SUBGROUP };
  const tiling = isDecoding
    ? decodeTiling(isSoftware, headSize)
    : pass === 'forward'
      ? tilingOf(isSoftware, headSize, 64, 1)
      : tilingOf(isSoftware, headSize, 32, 2);
  return { algorithm: 'tile', ...tiling, unroll: !isSoftware };
}

type Tiling = Pick<AttentionTileConfiguration, 'parts' | 'rows' | 'own' | 'staged'>;

/** Workgroup memory of the tiles: what is staged of each tensor, and partial products that the parts of a head exchange. */
function tileBytes({ pass, headSize }: AttentionProblem, { parts, rows, staged }: Tiling): number {
  return (pass === 'forward' ? 1 : 2) * stagedBytes(headSize, parts, rows, staged);
}

function stagedBytes(headSize: number, parts: number, rows: number, staged: number): number {
  return staged * 16 * parts * Math.ceil(headSize / (4 * parts)) + (parts > 1 ? parts * rows * staged * 4 : 16);
}

/**
 * A GPU keeps at most `sliceElements` of a head in an invocation's registers. The software GPU has none to run out of: one
 * part, and four rows an invocation, which measured 2.4 times one row. `tiles` tensors are staged, and as many partial products exchanged.
 */
function tilingOf(isSoftware: boolean, headSize: number, sliceElements: number, tiles: number): Tiling {
  const parts = isSoftware ? 1 : Math.ceil(headSize / sliceElements);
  return stagedTiling(headSize, parts, parts * 64 <= 128 || tiles === 1 ? 64 : 32, isSoftware ? 4 : 1, tiles);
}

/** Generation asks for a query or two: a whole workgroup (on the software GPU a SIMD register) shares one, slice by slice. */
function decodeTiling(isSoftware: boolean, headSize: number): Tiling {
  return stagedTiling(headSize, Math.min(isSoftware ? 8 : 32, Math.ceil(headSize / 4)), 1, 1, 1);
}

function stagedTiling(headSize: number, parts: number, rows: number, own: number, tiles: number): Tiling {
  const fits = (staged: number): boolean => tiles * stagedBytes(headSize, parts, rows, staged) <= WORKGROUP_MEMORY;
  let staged = 32;
  while (staged > 4 && !fits(staged)) staged -= 4;
  return { parts, rows, own, staged };
}
