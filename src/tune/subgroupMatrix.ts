/**
 * Which products of small matrices a GPU's tensor cores offer training, and what a kernel of kernels/…_subgroup_matrix.wgsl must know of
 * them.
 */
import { MAX_INVOCATIONS } from '../gpu/capabilities.ts';
import type { Capabilities } from '../gpu/capabilities.ts';

/**
 * What products and attention multiply; sums are f32. f32: operands as they are. f16: rounded to f16 where the plan gains by it. 3xf16:
 * operands of products as a sum of two halves, for about f32's digits in three products of halves (Ootomo & Yokota 2022, as cuBLAS'
 * 3xTF32), and attention in f32.
 */
export type ComputeDtype = 'f32' | 'f16' | '3xf16';
/** What attention computes in, and its cache holds: it has no kernel of two halves, and is a small part of the work. */
export type AttentionDtype = Exclude<ComputeDtype, '3xf16'>;

export function attentionDtypeOf(compute: ComputeDtype): AttentionDtype {
  return compute === 'f16' ? 'f16' : 'f32';
}

/** M×N×K of the device's table, and the largest size of a subgroup. */
export interface MatrixUnits {
  M: number;
  N: number;
  K: number;
  SUBGROUP: number;
}

/** By configuration, not by vendor: NVIDIA offers the first, Intel the second, Apple and Mesa's software GPU the third. */
const SHAPES = [
  [16, 16, 16],
  [8, 16, 16],
  [8, 8, 8],
] as const;

/** The units that training can use: f16 operands and f32 sums, since f16 sums overflow. Undefined where there are none. */
export function matrixUnitsOf(capabilities: Capabilities): MatrixUnits | undefined {
  const { f16, subgroups } = capabilities;
  // A kernel has four subgroups.
  if (!f16 || !subgroups || subgroups.max < 4 || 4 * subgroups.max > MAX_INVOCATIONS) return undefined;
  const shape = SHAPES.find((one) => offers(capabilities, one));
  return shape && { M: shape[0], N: shape[1], K: shape[2], SUBGROUP: subgroups.max };
}

/** The units for a run that rounds operands so far, where there are some. */
export function unitsFor(capabilities: Capabilities, compute: ComputeDtype): MatrixUnits | undefined {
  return compute === 'f32' ? undefined : matrixUnitsOf(capabilities);
}

function offers({ subgroupMatrices }: Capabilities, [m, n, k]: readonly [number, number, number]): boolean {
  return subgroupMatrices.some((one) => one.m === m && one.n === n && one.k === k && one.operand === 'f16' && one.result === 'f32');
}

/**
 * Why a GPU does not have these units, in words; undefined where it does. SUBGROUP may be larger than its subgroups: the rest only helps to
 * stage.
 */
export function refusedUnits(capabilities: Capabilities, { M, N, K, SUBGROUP }: MatrixUnits): string | undefined {
  const { f16, subgroups, subgroupMatrices } = capabilities;
  if (!f16) return 'it needs f16, which this GPU or runtime does not offer';
  if (!subgroups) return 'it needs subgroups, which this GPU or runtime does not offer';
  if (SUBGROUP < subgroups.max) return `it is for subgroups of at most ${SUBGROUP}, and this GPU's have up to ${subgroups.max}`;
  if (4 * SUBGROUP > MAX_INVOCATIONS)
    return `four subgroups of ${SUBGROUP} are more than the ${MAX_INVOCATIONS} invocations of a workgroup`;
  const wanted = `${M}×${N}×${K} of f16 into f32`;
  if (offers(capabilities, [M, N, K])) return undefined;
  const offered = subgroupMatrices.map(({ m, n, k, operand, result }) => `${m}×${n}×${k} of ${operand} into ${result}`).join(', ');
  return `it needs subgroup matrices ${wanted}; this GPU offers ${offered || 'none'}`;
}
