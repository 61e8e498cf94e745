/** How fast a run goes, and how long it will take: without the time that its first step spends on compiling. */

export interface PacePoint {
  /** Optimizer steps done. */
  step: number;
  /** Input tokens since the start of this process. */
  tokens: number;
}

/** Steps over which speed is measured. */
const WINDOW_STEPS = 32;

export class Pace {
  readonly #now: () => number;
  #points: (PacePoint & { time: number })[] = [];
  #heardAt = 0;
  /** Time that evaluations have taken, and what of it before the first step was over, in ms. */
  #pausedMs = 0;
  #pausedBefore = 0;
  #firstStep = 0;
  #total = 0;

  /** @param now in ms */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  start(total: number): void {
    this.#total = total;
    this.#points = [];
    this.#pausedMs = 0;
    this.#heardAt = this.#now();
  }

  progress({ step, tokens }: PacePoint): void {
    this.#heardAt = this.#now();
    if (this.#points.length === 0) {
      // The end of the first step is where time is measured from.
      this.#pausedBefore = this.#pausedMs;
      this.#firstStep = step;
    }
    this.#points.push({ step, tokens, time: this.#heardAt - this.#pausedMs });
    if (this.#points.length > WINDOW_STEPS) this.#points.shift();
  }

  /** An evaluation is over. */
  evaluated(): void {
    const now = this.#now();
    this.#pausedMs += now - this.#heardAt;
    this.#heardAt = now;
  }

  #window(): { steps: number; tokens: number; ms: number } | undefined {
    const [from, to] = [this.#points[0], this.#points.at(-1)];
    if (from === undefined || to === undefined || to.step <= from.step || to.time <= from.time) return undefined;
    return { steps: to.step - from.step, tokens: to.tokens - from.tokens, ms: to.time - from.time };
  }

  /** Undefined until two steps are over. Evaluations count by their share of the steps so far. */
  get secondsLeft(): number | undefined {
    const window = this.#window();
    const last = this.#points.at(-1);
    if (window === undefined || last === undefined) return undefined;
    const pausePerStep = (this.#pausedMs - this.#pausedBefore) / Math.max(1, last.step - this.#firstStep);
    return ((window.ms / window.steps + pausePerStep) * (this.#total - last.step)) / 1000;
  }

  get tokensPerSecond(): number | undefined {
    const window = this.#window();
    return window && window.tokens > 0 ? (window.tokens * 1000) / window.ms : undefined;
  }
}
