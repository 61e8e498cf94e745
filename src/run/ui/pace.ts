/** How fast a run goes, from the rows of its log. */
import type { LogNumbers, Pace } from './api.ts';

/** Rows over which speed is measured. */
const WINDOW = 32;

/**
 * From one logged row of training to another, so that what is compiled before the first is not counted, and of several starts of a run the
 * last is measured. Undefined before the second row.
 * @param rows oldest first; their `elapsed_seconds` begin again with each start
 */
export function paceOf(rows: readonly LogNumbers[]): Pace | undefined {
  const own: { step: number; seconds: number; tokens: number }[] = [];
  for (let at = rows.length - 1; at >= 0 && own.length < WINDOW; at--) {
    const { step, elapsed_seconds: seconds, num_tokens: tokens, loss } = rows[at]!;
    if (loss === undefined) continue;
    if (typeof step !== 'number' || typeof seconds !== 'number') break;
    const later = own.at(-1);
    if (later && (seconds >= later.seconds || step >= later.step)) break;
    own.push({ step, seconds, tokens: typeof tokens === 'number' ? tokens : NaN });
  }
  const [to, from] = [own[0], own.at(-1)];
  if (to === undefined || from === undefined || to.step === from.step) return undefined;
  const seconds = to.seconds - from.seconds;
  const tokens = to.tokens - from.tokens;
  return { secondsPerStep: seconds / (to.step - from.step), tokensPerSecond: tokens >= 0 ? tokens / seconds : null };
}
