/**
 * Which learnt position each patch of a tile has. SmolVLM's tower does not count patches: a patch lies at a fraction of its tile, and the
 * table's rows are bins of fractions (NaViT, arXiv:2307.06304), so that a tile of other than the trained size still spans the table.
 *
 * Fractions and bins are compared in float32, as transformers does in a float32 model. In a bfloat16 model it rounds the fractions, and a
 * patch on the border of a bin falls into the one before: of the 27 rows that 384 pixels by 14 have it then reaches 21. The tower was
 * pretrained with all of them, the arithmetic here is float32 whatever the checkpoint's dtype, and for 512 pixels by 16 both agree. float32
 * has such patches too, for 19, 25 or 29 rows; so every rounding of torch is followed.
 */

/**
 * @param count patches to a side of the tile
 * @param table rows of the table to a side
 * @param merge patches to a side of a block: they come block by block, as `patchify` cuts them
 * @returns (count²) rows of the table
 */
export function patchPositions(count: number, table: number, merge: number): Uint32Array<ArrayBuffer> {
  const bins = fractionBins(count, table);
  const blocks = count / merge;
  return Uint32Array.from({ length: count * count }, (_, i) => {
    const [block, inside] = [Math.floor(i / merge ** 2), i % merge ** 2];
    const row = Math.floor(block / blocks) * merge + Math.floor(inside / merge);
    const column = (block % blocks) * merge + (inside % merge);
    return bins[row]! * table + bins[column]!;
  });
}

/** Along one side: torch.bucketize(fractions, boundaries, right=True). */
export function fractionBins(count: number, table: number): number[] {
  const { fround } = Math;
  const boundaries = tableBoundaries(table);
  const step = fround(1 / count);
  const last = fround(1 - 1e-6);
  return Array.from({ length: count }, (_, i) => {
    const fraction = Math.min(fround(i * step), last);
    return boundaries.filter((boundary) => boundary <= fraction).length;
  });
}

/** torch's vectors of 8 floats, two at a time; what is left over goes one by one. */
const LANES = 8;

/**
 * torch.arange(1 / table, 1.0, 1 / table) in float32 on a CPU: a vector's first element is rounded, and the others counted on from it in
 * float64.
 */
function tableBoundaries(table: number): Float32Array {
  const step = 1 / table;
  const length = Math.ceil((1 - step) / step);
  const inVectors = length - (length % (2 * LANES));
  return Float32Array.from({ length }, (_, i) => {
    if (i >= inVectors) return step + step * i;
    const lane = i % LANES;
    return Math.fround(step + step * (i - lane)) + lane * step;
  });
}
