/** Numbers as the page shows them. */

/** Nats a token. */
export function lossText(loss: number | null): string {
  if (loss === null) return '–';
  return Number.isFinite(loss) ? loss.toFixed(4) : String(loss);
}

/** In the reader's own time. @param at ms since 1970; 0: not known */
export function timeText(at: number): string {
  return at === 0 ? '–' : new Date(at).toLocaleString();
}
