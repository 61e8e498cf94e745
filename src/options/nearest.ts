/** The known name nearest to a misspelt one. */
import { editDistance } from '../io/editDistance.ts';

/** The name with the least distance to `word`, the first of equals; undefined where even that is too far to be a slip of the finger. */
export function nearestName(word: string, names: Iterable<string>): string | undefined {
  const plain = (text: string): string => text.toLowerCase().replaceAll('-', '_');
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(plain(word), plain(name));
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best;
}
