/**
 * Pushes while training goes on: one at a time, in the background. What is offered while one is under way waits, and of those that wait
 * only the newest is pushed. A push that fails is told as a warning and is no reason to stop: the next save, or the end of the run, pushes
 * again.
 */
export interface PushJob {
  /** For messages: "step 50". */
  name: string;
  push(signal: AbortSignal): Promise<void>;
}

/** One push at a time; of the jobs that wait, the newest. */
export class Pusher {
  private readonly onFailure: (job: PushJob, error: unknown) => void;
  private readonly stop = new AbortController();
  private running: Promise<void> | undefined;
  private waiting: { job: PushJob; done: () => void } | undefined;
  /** How many offers gave way to a newer one. */
  replaced = 0;

  constructor(onFailure: (job: PushJob, error: unknown) => void) {
    this.onFailure = onFailure;
  }

  /**
   * Returns at once. The promise is fulfilled, never rejected, when the job has been pushed, has failed, or has given way to a newer one.
   */
  offer(job: PushJob): Promise<void> {
    return new Promise((done) => {
      if (this.waiting !== undefined) {
        this.waiting.done();
        this.replaced++;
      }
      this.waiting = { job, done };
      this.running ??= this.work();
    });
  }

  /** When nothing is under way or waits any more. */
  async idle(): Promise<void> {
    while (this.running !== undefined) await this.running;
  }

  /** Lets go of what is under way, at once. */
  abort(): void {
    this.waiting?.done();
    this.waiting = undefined;
    this.stop.abort(new Error('the push was given up'));
  }

  private async work(): Promise<void> {
    // A turn later, so that `running` is set before this ends.
    await Promise.resolve();
    for (let next = this.waiting; next !== undefined; next = this.waiting) {
      this.waiting = undefined;
      try {
        await next.job.push(this.stop.signal);
      } catch (error) {
        if (!this.stop.signal.aborted) this.onFailure(next.job, error);
      }
      next.done();
    }
    this.running = undefined;
  }
}
