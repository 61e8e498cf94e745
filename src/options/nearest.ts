/** The known name nearest to a misspelt one. */
import { editDistance } from '../io/editDistance.ts';

/**
 * The name with the least distance to `word`, the first of equals. Where even that is too far to be a slip of the finger: the shortest name
 * that `word` is short for ("out", "outdir" for output_dir), or that begins with the same word ("output_folder"); else undefined.
 */
export function nearestName(word: string, names: Iterable<string>): string | undefined {
  const plain = (text: string): string => text.toLowerCase().replaceAll('-', '_');
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(plain(word), plain(name));
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best ?? longForm(plain(word), [...names], plain);
}

function longForm(word: string, names: readonly string[], plain: (text: string) => string): string | undefined {
  if (word.length < 3) return undefined;
  const shortest = (fits: (name: string) => boolean): string | undefined =>
    names.filter((name) => fits(plain(name))).sort((a, b) => a.length - b.length)[0];
  const [first = ''] = word.split('_');
  return (
    shortest((name) => name.startsWith(word)) ??
    shortest((name) => name[0] === word[0] && isShortFor(word, name)) ??
    (first.length < 6 || first === word ? undefined : shortest((name) => name.startsWith(`${first}_`)))
  );
}

/** Whether the letters of `word` stand in `name` in that order. */
function isShortFor(word: string, name: string): boolean {
  let at = 0;
  for (const letter of name) if (letter === word[at]) at++;
  return at === word.length;
}
