/** Attention and its gradients in float64, by the definition. */

export interface AttentionShape {
  queries: number;
  heads: number;
  kvHeads: number;
  headSize: number;
}

type Numbers = ArrayLike<number>;

export interface AttentionGradients {
  y: Float64Array;
  dq: Float64Array;
  dk: Float64Array;
  dv: Float64Array;
}

/** q, y and dy (T, H, D), k and v (T, KV, D); `ranges` (T, 2): the keys that each query sees, half open. */
export function attentionReference(
  { queries, heads, kvHeads, headSize: D }: AttentionShape,
  { q, k, v, dy }: Record<'q' | 'k' | 'v' | 'dy', Numbers>,
  ranges: Numbers,
  scale: number,
): AttentionGradients {
  const [y, dq] = [new Float64Array(queries * heads * D), new Float64Array(queries * heads * D)];
  const [dk, dv] = [new Float64Array(queries * kvHeads * D), new Float64Array(queries * kvHeads * D)];
  const dot = (a: Numbers, at: number, b: Numbers, bt: number): number => {
    let sum = 0;
    for (let d = 0; d < D; d++) sum += a[at + d]! * b[bt + d]!;
    return sum;
  };
  for (let i = 0; i < queries; i++) {
    const [begin, end] = [ranges[2 * i]!, ranges[2 * i + 1]!];
    for (let h = 0; h < heads; h++) {
      const row = (i * heads + h) * D;
      const key = (j: number): number => (j * kvHeads + Math.floor((h * kvHeads) / heads)) * D;
      const scores = Float64Array.from({ length: end - begin }, (_, j) => scale * dot(q, row, k, key(begin + j)));
      const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
      const weights = scores.map((score) => Math.exp(score - most));
      const total = weights.reduce((a, b) => a + b, 0);
      weights.forEach((weight, j) => {
        for (let d = 0; d < D; d++) y[row + d]! += (weight / total) * v[key(begin + j) + d]!;
      });
      const delta = dot(dy, row, y, row);
      weights.forEach((weight, j) => {
        const p = weight / total;
        const at = key(begin + j);
        const ds = p * (dot(dy, row, v, at) - delta) * scale;
        for (let d = 0; d < D; d++) {
          dv[at + d]! += p * dy[row + d]!;
          dq[row + d]! += ds * k[at + d]!;
          dk[at + d]! += ds * q[row + d]!;
        }
      });
    }
  }
  return { y, dq, dk, dv };
}
