/** Which view is shown, as the address says it behind #. */
export type Place = { view: 'list' } | { view: 'new' } | { view: 'run'; id: string } | { view: 'compare'; ids: [string, string] };

export function placeOf(hash: string): Place {
  const [, run] = /^#run\/([0-9a-f]{16})$/.exec(hash) ?? [];
  if (run !== undefined) return { view: 'run', id: run };
  const [, a, b] = /^#compare\/([0-9a-f]{16})\/([0-9a-f]{16})$/.exec(hash) ?? [];
  if (a !== undefined && b !== undefined) return { view: 'compare', ids: [a, b] };
  return { view: hash === '#new' ? 'new' : 'list' };
}

export const runHash = (id: string): string => `#run/${id}`;
export const compareHash = (a: string, b: string): string => `#compare/${a}/${b}`;
