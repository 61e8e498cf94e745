/** Typed arrays one after the other in a new one. */
export function joinArrays<
  A extends Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>,
>(Kind: new (length: number) => A, arrays: readonly ArrayLike<number>[]): A {
  const out = new Kind(arrays.reduce((sum, array) => sum + array.length, 0));
  let at = 0;
  for (const array of arrays) {
    out.set(array, at);
    at += array.length;
  }
  return out;
}
