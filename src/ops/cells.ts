/**
 * Passes that only move or map elements take four at once where every extent allows it: a load of four costs a software GPU hardly more
 * than a load of one (3.5 times as fast), and a graphics card fewer instructions.
 */
import type { Specialisation } from '../gpu/kernelSource.ts';

export interface Cells {
  /** For a kernel whose arrays are of `Cell`. */
  spec: Specialisation;
  /** Elements in a cell; extents and counts that the kernel is given are divided by it. */
  width: 1 | 4;
}

const WG = 256;

/** The cells of arrays whose rows, and whatever else elements are counted by, are these extents. */
export function cellsOf(...extents: readonly number[]): Cells {
  return extents.every((extent) => extent % 4 === 0) ? { spec: { Cell: 'vec4f' }, width: 4 } : { spec: {}, width: 1 };
}

/** Workgroups of 256 invocations, one a cell. */
export function cellGroups({ width }: Cells, elements: number): number {
  return Math.ceil(elements / width / WG);
}
