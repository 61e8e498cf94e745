/** One at a time, in the order of asking, and no more than a number of them at once: the others are sent away. */

interface Waiting {
  begin: () => void;
}

export class Turns {
  private readonly most: number;
  private readonly waiting: Waiting[] = [];
  private isBusy = false;
  private places = 0;

  /** @param most that may be in, the one whose turn it is among them */
  constructor(most: number) {
    this.most = most;
  }

  /** How many are in. */
  get count(): number {
    return this.places;
  }

  /** A place, which is given back by what is returned; undefined where there is none. */
  enter(): (() => void) | undefined {
    if (this.places >= this.most) return undefined;
    this.places++;
    let isIn = true;
    return () => {
      if (isIn) this.places--;
      isIn = false;
    };
  }

  /** Does the work when its turn comes. @throws the signal's reason where that is aborted while it waits; the work itself is to heed it */
  async take<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.isBusy) await this.wait(signal);
    this.isBusy = true;
    try {
      return await work();
    } finally {
      this.isBusy = false;
      this.waiting.shift()?.begin();
    }
  }

  private wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        const at = this.waiting.indexOf(own);
        if (at >= 0) this.waiting.splice(at, 1);
        reject(signal.reason as Error);
      };
      const own: Waiting = {
        begin: () => {
          signal.removeEventListener('abort', leave);
          // Until it goes on: whoever asks in between must not go first.
          this.isBusy = true;
          resolve();
        },
      };
      this.waiting.push(own);
      signal.addEventListener('abort', leave, { once: true });
    });
  }
}
