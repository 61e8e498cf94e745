/**
 * Which of several ways to do the same work is the fastest, and whether it is right: every way is run once and its result compared with the
 * first one's, then all take turns, so that a machine that slows down slows all of them, and those that are far behind leave. The fastest
 * then meets the first, the policy's, once more: it must win by a margin in fresh samples, not by luck in one.
 */
import { median, sampleMs } from './timing.ts';
import type { Work } from './timing.ts';

/** One way. */
export interface Contender extends Work {
  /** What `run` gave. */
  result(): Promise<readonly Float32Array[]>;
}

export interface ContestRules {
  /** A sample repeats the work until it takes about this long, ms. */
  sampleMs: number;
  samples: number;
  /** Most repetitions in a sample. */
  repeats: number;
  /** Largest difference of two right results, over the largest value of the first. */
  bound: number;
  /** By which share the winner must be faster than the first. */
  margin: number;
  /** Time (of `now`) after which nothing more is begun. */
  deadline: number;
  now(): number;
}

export interface ContestResult {
  /** Place of the fastest that is right; 0 unless another is faster by the margin. */
  winner: number;
  /** Median ms of each; NaN where it was not measured. */
  ms: number[];
  /** Why others take no part: by place. */
  refused: Map<number, string>;
  /** Time was up before the end: the first keeps its place. */
  isCutShort: boolean;
}

/** Some are so much slower than the fastest that more samples of them only cost time. */
const HOPELESS = 1.5;

/** `contenders[0]` is what is taken where nothing is better; where it cannot run, neither can the contest, and its error is thrown. */
export async function contest(contenders: readonly Contender[], rules: ContestRules): Promise<ContestResult> {
  const { now, deadline } = rules;
  const refused = new Map<number, string>();
  const samples = contenders.map((): number[] => []);
  const finished = (winner: number, isCutShort: boolean): ContestResult => ({
    winner,
    ms: samples.map((own) => (own.length === 0 ? NaN : median(own))),
    refused,
    isCutShort,
  });
  const isLate = (): boolean => now() >= deadline;

  let wanted: readonly Float32Array[] = [];
  const repeats: number[] = [];
  for (const [at, contender] of contenders.entries()) {
    if (at > 0 && isLate()) return finished(0, true);
    await contender.run();
    const results = await contender.result();
    if (at === 0) wanted = results;
    else {
      const difference = largestDifference(wanted, results);
      if (!(difference <= rules.bound)) {
        refused.set(
          at,
          `its result is wrong: it differs from the usual one by ${difference.toExponential(1)} of the largest value, where ` +
            `${rules.bound.toExponential(1)} is allowed`,
        );
        continue;
      }
    }
    const once = await sampleMs(contender, 1, now);
    repeats[at] = Math.max(1, Math.min(rules.repeats, Math.round(rules.sampleMs / once)));
  }

  let running = contenders.map((_, at) => at).filter((at) => !refused.has(at));
  const take = async (places: readonly number[], into: readonly number[][]): Promise<boolean> => {
    for (const at of places) {
      if (isLate()) return false;
      into[at]!.push(await sampleMs(contenders[at]!, repeats[at]!, now));
    }
    return true;
  };
  for (let turn = 0; turn < rules.samples && (running.length > 1 || contenders.length === 1); turn++) {
    if (!(await take(running, samples))) return finished(0, true);
    const fastest = Math.min(...running.map((at) => median(samples[at]!)));
    running = running.filter((at) => at === 0 || median(samples[at]!) <= fastest * HOPELESS);
  }
  if (samples[0]!.length === 0 && !(await take([0], samples))) return finished(0, true);
  const order = running.filter((at) => at > 0).sort((a, b) => median(samples[a]!) - median(samples[b]!));
  const best = order[0];
  const wins = (own: readonly number[], first: readonly number[]): boolean =>
    median(own) <= (1 - rules.margin) * median(first) && Math.min(...own) < Math.min(...first);
  if (best === undefined || !wins(samples[best]!, samples[0]!)) return finished(0, false);
  const again = contenders.map((): number[] => []);
  for (let turn = 0; turn < rules.samples; turn++) if (!(await take([best, 0], again))) return finished(0, true);
  return finished(wins(again[best]!, again[0]!) ? best : 0, false);
}

/** Over the largest value of `wanted`; Infinity where something is no number, or of another length. */
export function largestDifference(wanted: readonly Float32Array[], found: readonly Float32Array[]): number {
  let worst = wanted.length === found.length ? 0 : Infinity;
  for (const [at, values] of wanted.entries()) {
    const others = found[at];
    if (others?.length !== values.length) return Infinity;
    let largest = 0;
    let difference = 0;
    for (let i = 0; i < values.length; i++) {
      largest = Math.max(largest, Math.abs(values[i]!));
      const distance = Math.abs(values[i]! - others[i]!);
      if (!(distance <= difference)) difference = Number.isFinite(distance) ? distance : Infinity;
    }
    worst = Math.max(worst, difference === 0 ? 0 : difference / largest);
  }
  return worst;
}
