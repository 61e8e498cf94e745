import { editDistance } from './editDistance.ts';

/** The names closest to a misspelt one, for error messages: those with the smallest edit distance, nearest first. */
export function nearestNames(wanted: string, candidates: Iterable<string>, count = 3): string[] {
  return [...new Set(candidates)]
    .map((name) => ({ name, distance: editDistance(wanted, name) }))
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, count)
    .map(({ name }) => name);
}
