/** Huffman codes as deflate has them (RFC 1951, 3.2.2): told by the lengths of their words, the words written from their last bit. */

/**
 * Lengths of the words of a complete code, none longer than `most` bits; 0 where a symbol is not there. Fewer than two symbols are given a
 * second one: some readers take no incomplete codes.
 * @param counts of each symbol @param most at least as many bits as tell all symbols apart
 */
export function lengthsOf(counts: Uint32Array, most: number): Uint8Array {
  const lengths = new Uint8Array(counts.length);
  const symbols: number[] = [];
  for (let symbol = 0; symbol < counts.length; symbol++) if (counts[symbol] !== 0) symbols.push(symbol);
  for (let symbol = 0; symbols.length < 2; symbol++) if (!symbols.includes(symbol)) symbols.push(symbol);
  symbols.sort((a, b) => counts[a]! - counts[b]! || a - b);
  // Leaves and then the knots of the tree, both from rare to frequent: the two rarest that have no knot yet get one.
  const leaves = symbols.length;
  const weights = symbols.map((symbol) => counts[symbol]!);
  const parent = new Uint16Array(2 * leaves - 1);
  for (let knot = leaves, leaf = 0, inner = leaves; knot < parent.length; knot++) {
    let weight = 0;
    for (let child = 0; child < 2; child++) {
      const isLeaf = leaf < leaves && (inner >= knot || weights[leaf]! <= weights[inner]!);
      const next = isLeaf ? leaf++ : inner++;
      weight += weights[next]!;
      parent[next] = knot;
    }
    weights.push(weight);
  }
  const depth = new Uint8Array(parent.length);
  for (let knot = parent.length - 2; knot >= 0; knot--) depth[knot] = depth[parent[knot]!]! + 1;
  const words = limited(depth.subarray(0, leaves), most);
  for (let i = 0; i < leaves; i++) lengths[symbols[i]!] = words[i]!;
  return lengths;
}

/** The lengths of rare to frequent symbols, none of them above `most`: what that takes is given by the rarest of shorter words. */
function limited(lengths: Uint8Array, most: number): Uint8Array {
  // In units of the longest words, of which there are so many.
  let taken = 0;
  for (let i = 0; i < lengths.length; i++) {
    if (lengths[i]! > most) lengths[i] = most;
    taken += 1 << (most - lengths[i]!);
  }
  for (let i = 0; taken > 1 << most;) {
    while (lengths[i]! >= most) i++;
    lengths[i]!++;
    taken -= 1 << (most - lengths[i]!);
    if (lengths[i] === most) i++;
  }
  // Words that are free again go to the most frequent that one fits.
  for (let i = lengths.length - 1; i >= 0; i--)
    while (taken + (1 << (most - lengths[i]!)) <= 1 << most) {
      taken += 1 << (most - lengths[i]!);
      lengths[i]!--;
    }
  return lengths;
}

/** The word of each symbol, its first bit lowest. */
export function codeWords(lengths: Uint8Array): Uint16Array {
  const next = new Uint16Array(17);
  for (let i = 0; i < lengths.length; i++) if (lengths[i] !== 0) next[lengths[i]! + 1]!++;
  for (let bits = 1; bits < next.length; bits++) next[bits] = (next[bits - 1]! + next[bits]!) << 1;
  const words = new Uint16Array(lengths.length);
  for (let i = 0; i < lengths.length; i++) if (lengths[i] !== 0) words[i] = reversed(next[lengths[i]!]!++, lengths[i]!);
  return words;
}

function reversed(word: number, bits: number): number {
  let out = 0;
  for (let i = 0; i < bits; i++) out |= ((word >> i) & 1) << (bits - 1 - i);
  return out;
}
