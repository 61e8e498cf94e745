/**
 * Whether a quantised weight is unpacked before it is multiplied: a pure function from what the GPU can do. Where a product keeps tiles in
 * workgroup memory, a weight is unpacked into the tile, once for as many rows as a tile has. A software GPU with subgroups has no tiles
 * (src/tune/product.ts), and would unpack every weight once for eight or sixteen rows, which costs it more than the products (and its
 * compiler seconds a kernel); so there a run of rows of the weight at a time is unpacked into scratch, to the dtype that holds it exactly,
 * and multiplied from there as if it had been stored so (test/bench/RESULTS.md).
 */
import { vectorLanesOf } from '../gpu/capabilities.ts';
import type { Capabilities } from '../gpu/capabilities.ts';
import type { DType } from '../gpu/tensor.ts';
import { isPacked } from '../gpu/tensor.ts';

/** @param storage of the weight */
export function unpacksWeight(capabilities: Capabilities, storage: DType): boolean {
  return isPacked(storage) && vectorLanesOf(capabilities) !== undefined;
}
