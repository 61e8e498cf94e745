/** Greys deflated for pictures in colour, unfolded again by zlib: every byte of the stream, and its size beside zlib's. */
import { deflateSync, inflateSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { deflatedGreys } from '../../src/data/pictures/greyDeflate.ts';
import { codeWords, lengthsOf } from '../../src/data/pictures/huffman.ts';
import { pcg } from '../../src/data/random.ts';

let drawnSoFar = 0;
const random = (): number => pcg(drawnSoFar++) / 2 ** 32;
type Pixel = (x: number, y: number) => number;
const PICTURES: Record<string, Pixel> = {
  black: () => 0,
  'one value': () => 200,
  'a ramp': (x) => x,
  'a slope of both': (x, y) => 3 * x + 5 * y,
  'any values': () => 256 * random(),
  'two values': () => 2 * random(),
  'noise of a few levels': () => 100 + 3 * (random() + random() + random()),
  'rare ones': () => 256 * random() ** 20,
  'a body in air': (x, y) => ((x - 60) ** 2 + (y - 50) ** 2 < 1600 ? 90 + 30 * Math.sin(x / 9) + 25 * random() : 0),
  // Each value once, and again when it is almost, or just no longer, within reach of a distance.
  'far repetitions': (x, y) => (y % 43 === 0 ? x : 0),
};
const SHAPES = [
  [1, 1],
  [1, 40],
  [1, 12_000],
  [1, 70_000],
  [2, 9000],
  [3, 7],
  [86, 3],
  [87, 3],
  [128, 100],
  [255, 130],
  [5000, 5],
  [11_000, 3],
  [20_000, 2],
] as const;

function drawn(width: number, height: number, pixel: Pixel): Uint8Array {
  return Uint8Array.from({ length: width * height }, (_, i) => pixel(i % width, Math.floor(i / width)));
}

/** The rows of a PNG in colour, each the difference from the one above. */
function stream(grey: Uint8Array, width: number, height: number): Uint8Array {
  const bytes = new Uint8Array((3 * width + 1) * height);
  for (let y = 0, to = 0; y < height; y++) {
    bytes[to++] = 2;
    for (let at = y * width; at < (y + 1) * width; at++, to += 3) bytes.fill((grey[at] ?? 0) - (grey[at - width] ?? 0), to, to + 3);
  }
  return bytes;
}

it.each(Object.keys(PICTURES))('keeps every byte of %s', (name) => {
  const pixel = PICTURES[name];
  if (pixel === undefined) throw new Error(name);
  for (const [width, height] of SHAPES) {
    const grey = drawn(width, height, pixel);
    const odd = new Uint8Array(grey.length + 1).subarray(1); // not on a word's boundary
    odd.set(grey);
    const packed = deflatedGreys(grey, width, height).slice();
    // zlib compares the checksum too.
    expect(Buffer.compare(inflateSync(packed), stream(grey, width, height))).toBe(0);
    expect(Buffer.compare(deflatedGreys(odd, width, height), packed)).toBe(0);
  }
});

it('is as small as zlib is at its second level', () => {
  for (const name of ['a body in air', 'noise of a few levels', 'any values', 'a slope of both']) {
    const pixel = PICTURES[name];
    if (pixel === undefined) throw new Error(name);
    const grey = drawn(256, 256, pixel);
    expect(deflatedGreys(grey, 256, 256).length).toBeLessThan(1.02 * deflateSync(stream(grey, 256, 256), { level: 2 }).length);
  }
});

it('has complete codes of words no longer than asked for', () => {
  const cases = [[0, 0, 0], [5, 0, 0], [1, 1, 1], [0, 9, 9, 0], Array.from({ length: 286 }, (_, i) => i), fibonacci(30), fibonacci(9)];
  for (const counts of cases) {
    const lengths = lengthsOf(Uint32Array.from(counts), 9);
    counts.forEach((count, i) => count > 0 && expect(lengths[i]).toBeGreaterThan(0));
    expect(Math.max(...lengths)).toBeLessThanOrEqual(9);
    expect(lengths.reduce((sum, length) => sum + (length === 0 ? 0 : 2 ** -length), 0)).toBe(1);
    // No word begins with another one.
    const words = [...codeWords(lengths)].flatMap((word, i) => {
      const text = word.toString(2).padStart(lengths[i] ?? 0, '0');
      return lengths[i] === 0 ? [] : [[...text].reverse().join('')];
    });
    for (const word of words) expect(words.filter((other) => other.startsWith(word))).toEqual([word]);
  }
  // Nothing is to be cut: as Huffman's own.
  expect([...lengthsOf(Uint32Array.from(fibonacci(9)), 9)]).toEqual([8, 8, 7, 6, 5, 4, 3, 2, 1]);
});

function fibonacci(length: number): number[] {
  const counts = [1, 1];
  while (counts.length < length) counts.push((counts.at(-1) ?? 0) + (counts.at(-2) ?? 0));
  return counts;
}
