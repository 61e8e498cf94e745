/** Why a GPU does not allow what a kernel takes, in the words that all planners share; undefined where it does. */
import { MAX_INVOCATIONS, subgroupSizeOf } from '../gpu/capabilities.ts';
import type { Capabilities } from '../gpu/capabilities.ts';

/** For kernels without workgroup memory: a subgroup of SUBGROUP lanes has TM rows, one to four a lane. */
export function refusedSubgroup(capabilities: Capabilities, { SUBGROUP, TM }: { SUBGROUP: number; TM: number }): string | undefined {
  const size = subgroupSizeOf(capabilities);
  if (size !== SUBGROUP)
    return `it needs subgroups of ${SUBGROUP}, and this GPU ${size === undefined ? 'promises no size' : `has ${size}`}`;
  return TM % SUBGROUP === 0 && TM <= 4 * SUBGROUP ? undefined : `expected one to four times ${SUBGROUP} rows, found ${TM}`;
}

/** @param bytes of workgroup memory */
export function refusedWorkgroup(
  { workgroupMemoryBytes }: Capabilities,
  { invocations = 1, bytes }: { invocations?: number; bytes: number },
): string | undefined {
  if (invocations > MAX_INVOCATIONS) return `it needs ${invocations} invocations in a workgroup, and WebGPU allows ${MAX_INVOCATIONS}`;
  return bytes > workgroupMemoryBytes ? `it needs ${bytes} bytes of workgroup memory, and this GPU has ${workgroupMemoryBytes}` : undefined;
}
