/**
 * How a pass over the rows of a matrix, each with a sum of its own (a normalisation), is shared out on one GPU: a workgroup a row, or,
 * where the CPU plays GPU and barriers cost more than the sums, an invocation a row.
 */
import type { Capabilities } from '../gpu/capabilities.ts';
import type { Specialisation } from '../gpu/kernelSource.ts';

export interface RowsProblem {
  /** Of kernels/, for a workgroup a row; `<kernel>_rows` is the same for an invocation a row. */
  kernel: string;
  rows: number;
  size: number;
}

export interface RowsConfiguration {
  algorithm: 'workgroup' | 'invocation';
}

export interface RowsPlan {
  configuration: RowsConfiguration;
  /** Of kernels/. */
  kernel: string;
  spec: Specialisation;
  groups: number;
}

/** WG of kernels/*_rows.wgsl. */
const WG = 16;

/** The plan for one pass; with `configuration`, in that way. Throws where the problem does not allow it. */
export function planRows(
  capabilities: Capabilities,
  problem: RowsProblem,
  configuration: RowsConfiguration = chooseRows(capabilities, problem),
): RowsPlan {
  const { kernel, rows, size } = problem;
  if (configuration.algorithm === 'workgroup') return { configuration, kernel, spec: {}, groups: rows };
  if (size % 4 !== 0) throw new Error(`${kernel} by 'invocation': expected rows of a multiple of 4, found ${size}`);
  return { configuration, kernel: `${kernel}_rows`, spec: { WIDE: true }, groups: Math.ceil(rows / WG) };
}

/** With few rows most lanes of a vector register would have none. */
export function chooseRows({ kind }: Capabilities, { rows, size }: RowsProblem): RowsConfiguration {
  return { algorithm: kind === 'software' && rows >= WG && size % 4 === 0 ? 'invocation' : 'workgroup' };
}
