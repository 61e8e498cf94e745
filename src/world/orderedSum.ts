/**
 * A sum over ranks that is made in the order of the ranks: each rank gets one part of the values from all others, adds them up, and gives
 * the result to all. As much goes over the network as in MPI's own reduction, whose order is the library's to choose; here it depends on
 * nothing but the number of ranks.
 */

export interface Exchanges {
  /** Part r of `from` goes to rank r; part r of `to` is what rank r gave. Parts of `each` values. */
  exchange(from: Float32Array, to: Float32Array, each: number): Promise<void>;
  /** Every rank gives `each` values; all get those of all. */
  collect(from: Float32Array, to: Float32Array, each: number): Promise<void>;
}

/** In place. */
export async function orderedSum(values: Float32Array, ranks: number, { exchange, collect }: Exchanges): Promise<void> {
  const each = Math.ceil(values.length / ranks);
  const padded = each * ranks === values.length ? values : new Float32Array(each * ranks);
  if (padded !== values) padded.set(values);
  const parts = new Float32Array(padded.length);
  await exchange(padded, parts, each);
  const sum = parts.slice(0, each);
  for (let rank = 1; rank < ranks; rank++) {
    const other = parts.subarray(rank * each, (rank + 1) * each);
    for (let i = 0; i < each; i++) sum[i]! += other[i]!;
  }
  await collect(sum, padded, each);
  if (padded !== values) values.set(padded.subarray(0, values.length));
}
