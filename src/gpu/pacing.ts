/**
 * How much goes into one submit. A GPU that also draws a screen is ours for one submit at a time: while one runs for seconds the screen
 * stands still, and Windows (after two seconds) and browsers take the device away. So a submit ends before it would run longer than
 * `limitMs`. How long a dispatch takes is first assumed, of the slowest GPU that is worth using, and then learnt: a submit's time is
 * measured by when the queue has done it, and what was assumed of the kernels in it is corrected. Nothing here decides what is computed or
 * in which order, so that results do not depend on it.
 */
import type { Capabilities } from './capabilities.ts';

/** Where a display or a browser may share the device. */
export const SUBMIT_MS = 100;

/** Before anything is measured: floating-point operations and workgroups in a millisecond. */
const ASSUMED = {
  hardware: { operations: 3e8, workgroups: 2000 },
  software: { operations: 5e6, workgroups: 100 },
} as const;
/** Most that one measurement changes what is thought of a kernel. */
const CORRECTION = 8;
/** Two submits that are heard of within this time were heard of together, whenever they ended. */
const TOGETHER_MS = 1;

interface Submit {
  /** Assumed milliseconds by kernel, and the estimate of all. */
  shares: Map<number, number>;
  estimatedMs: number;
  /** A kernel of it ran for the first time: compiling it is part of the time. */
  isFirst: boolean;
  at: number;
  done: Promise<void>;
}

/** One submit, or several that were heard of together. */
interface Heard {
  shares: Map<number, number>;
  isFirst: boolean;
  /** When the GPU began with it, as far as can be known from here. */
  from: number;
  at: number;
}

/** How long kernels take: what is assumed, and its correction. Pure. */
export class KernelTimes {
  private readonly assumptions: { operations: number; workgroups: number };
  /** By kernel: true time in units of the assumed one. */
  private readonly factors = new Map<number, number>();

  constructor(kind: Capabilities['kind']) {
    this.assumptions = ASSUMED[kind];
  }

  /**
   * Milliseconds that are assumed of a dispatch.
   * @param operations floating-point operations where they are what takes time, else 0
   */
  assume(workgroups: number, operations: number): number {
    return operations > 0 ? operations / this.assumptions.operations : workgroups / this.assumptions.workgroups;
  }

  estimate(kernel: number, assumedMs: number): number {
    return assumedMs * (this.factors.get(kernel) ?? 1);
  }

  /**
   * Work of which `shares` was assumed, by kernel, took `ms`. Which kernel was thought wrong of is not known: those with a large part in it
   * are corrected the most, so that over work of different content each finds its own. Slower than thought counts at once, faster with
   * care.
   */
  learn(shares: ReadonlyMap<number, number>, ms: number): void {
    let estimated = 0;
    for (const [kernel, assumedMs] of shares) estimated += this.estimate(kernel, assumedMs);
    if (!(estimated > 0) || !(ms > 0)) return;
    const ratio = Math.min(CORRECTION, Math.max(1 / CORRECTION, ms / estimated));
    const least = ratio > 1 ? 0.5 : 0.25;
    // All weights are of the estimates before.
    const weights = Array.from(
      shares,
      ([kernel, assumedMs]) => [kernel, least + (1 - least) * (this.estimate(kernel, assumedMs) / estimated)] as const,
    );
    for (const [kernel, weight] of weights) this.factors.set(kernel, (this.factors.get(kernel) ?? 1) * ratio ** weight);
  }
}

export class Pacing {
  /** 0: submits are not cut. */
  readonly limitMs: number;
  private readonly times: KernelTimes;
  private readonly now: () => number;
  private readonly seen = new Set<number>();
  private shares = new Map<number, number>();
  private estimatedMs = 0;
  private isFirst = false;
  private readonly queue: Submit[] = [];
  /** When the last submit that was heard of had ended. */
  private freeAt = -Infinity;
  private heard: Heard | undefined;

  constructor(limitMs: number, kind: Capabilities['kind'], now: () => number = () => performance.now()) {
    this.limitMs = limitMs;
    this.times = new KernelTimes(kind);
    this.now = now;
  }

  /** Milliseconds that are assumed of a dispatch, see KernelTimes: what the other methods are given. */
  assume(workgroups: number, operations: number): number {
    return this.limitMs > 0 ? this.times.assume(workgroups, operations) : 0;
  }

  /** How many dispatches a long one is made into, of `count` workgroups that can be told apart and at most `most` each. */
  pieces(kernel: number, assumedMs: number, count: number, most: number): number {
    const ms = this.times.estimate(kernel, assumedMs);
    if (this.limitMs === 0 || ms <= this.limitMs) return 1;
    return Math.min(count, Math.max(Math.ceil(ms / this.limitMs), Math.ceil(count / most)));
  }

  /** What was dispatched since the last submit leaves no room for this dispatch. */
  isFull(kernel: number, assumedMs: number): boolean {
    return this.estimatedMs > 0 && this.estimatedMs + this.times.estimate(kernel, assumedMs) > this.limitMs;
  }

  add(kernel: number, assumedMs: number): void {
    if (this.limitMs === 0) return;
    if (!this.seen.has(kernel)) {
      this.seen.add(kernel);
      this.isFirst = true;
    }
    this.estimatedMs += this.times.estimate(kernel, assumedMs);
    this.shares.set(kernel, (this.shares.get(kernel) ?? 0) + assumedMs);
  }

  /** What was dispatched since the last submit will not be. */
  drop(): void {
    this.shares = new Map();
    this.estimatedMs = 0;
    this.isFirst = false;
  }

  /** @param whenDone resolves when the GPU has done all that was submitted so far */
  submitted(whenDone: () => Promise<unknown>): void {
    const { shares, estimatedMs, isFirst } = this;
    this.drop();
    if (this.limitMs === 0) return;
    const submit: Submit = { shares, estimatedMs, isFirst, at: this.now(), done: Promise.resolve() };
    const ended = (): void => {
      this.hear(submit);
    };
    submit.done = whenDone().then(ended, ended); // a lost GPU is told by what reads from it
    this.queue.push(submit);
  }

  /**
   * Called while much is dispatched, between two parts of it: waits where the submits before the newest have more to do than one of full
   * length.
   */
  async turn(): Promise<void> {
    while (this.queue.length > 1) {
      const ahead = this.queue.reduce((sum, { estimatedMs }) => sum + estimatedMs, 0) - this.queue.at(-1)!.estimatedMs;
      if (ahead <= this.limitMs) return;
      await this.queue[0]!.done;
    }
  }

  /** How long the submit that the GPU is at has been there; 0 where there is none, or none is measured. */
  get underWayMs(): number {
    const [first] = this.queue;
    return first ? this.now() - Math.max(first.at, this.freeAt) : 0;
  }

  /** A queue's submits end in their order, whatever the order in which a GPU tells of them. */
  private hear(last: Submit): void {
    for (const submit of this.queue.splice(0, this.queue.indexOf(last) + 1)) this.ended(submit);
  }

  private ended({ shares, isFirst, at: submittedAt }: Submit): void {
    const at = this.now();
    const from = Math.max(this.freeAt, submittedAt);
    this.freeAt = at;
    const { heard } = this;
    if (heard && at - heard.at < TOGETHER_MS) {
      for (const [kernel, ms] of shares) heard.shares.set(kernel, (heard.shares.get(kernel) ?? 0) + ms);
      heard.isFirst ||= isFirst;
      heard.at = at;
      return;
    }
    if (heard && !heard.isFirst) this.times.learn(heard.shares, heard.at - heard.from);
    this.heard = { shares, isFirst, from, at };
  }
}
