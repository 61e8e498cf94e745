/**
 * What a picture is known by: its pixels as the tower is given them. So rows that share a picture share what is made of it, and a picture
 * that is another one, or is prepared in another way, is not taken for it.
 */
import type { Example } from '../data/example.ts';
import type { Grid, Vision } from './vision.ts';

/** Of each picture of a row. */
export function pictureKeys(vision: Vision, example: Example): string[] {
  return picturePixels(vision, example).map((pixels, at) => pictureKey(example.imageGrids[at]!, pixels));
}

/** (patches, …) of each picture of a row: views of its pixels. */
export function picturePixels(vision: Vision, { imageGrids, pixelValues }: Example): Float32Array[] {
  const patchValues = pixelValues.length / imageGrids.reduce((sum, grid) => sum + vision.patches(grid), 0);
  let at = 0;
  return imageGrids.map((grid) => pixelValues.subarray(at, (at += vision.patches(grid) * patchValues)));
}

/** 128 bits of a picture's values: two sums of 32 bits over the even ones, two over the odd ones; any one value changes both of its own. */
export function pictureKey(grid: Grid, pixels: Float32Array): string {
  const words = new Int32Array(pixels.buffer, pixels.byteOffset, pixels.length);
  let [a, b, c, d] = [1, 2, 3, 4];
  for (let i = 0; i + 1 < words.length; i += 2) {
    const [even, odd] = [words[i]!, words[i + 1]!];
    a = turned(Math.imul(a ^ even, 0x9e3779b1), 15);
    b = turned(Math.imul(b ^ even, 0x85ebca77), 13);
    c = turned(Math.imul(c ^ odd, 0xc2b2ae3d), 16);
    d = turned(Math.imul(d ^ odd, 0x27d4eb2f), 17);
  }
  if (words.length % 2 === 1) a = Math.imul(a ^ words[words.length - 1]!, 0x9e3779b1);
  return [...grid, words.length, a, b, c, d].join(' ');
}

function turned(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
