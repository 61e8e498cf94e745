/**
 * How the user calls the programs: `node dist/train.js` in a clone, as their texts have it, or `vernier train` where the package is
 * installed and has no such files beside the user's.
 */
let isVernier = false;

/** `vernier` has been called, and runs a program. */
export function calledAsVernier(): void {
  isVernier = true;
}

/** A text of ours, a help or a message, with the names of programs that the user can call. */
export function withCalledNames(text: string): string {
  if (!isVernier) return text;
  return text.replaceAll(/(?:node )?\bdist\/([a-z]+)\.js\b/gi, 'vernier $1').replaceAll('npm start [-- ', 'vernier start [');
}
