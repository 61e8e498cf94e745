/**
 * The event loop's turn between pieces of work that take long together: signals, timers and answers of the disk are heard only between two
 * turns, and promises alone give none. Work that several wait to do at once, as rows that are made together, is done piece after piece.
 */

/** Milliseconds between two turns; one costs about a millisecond. A single piece may take as long as it is let (src/io/timeLimit.ts). */
const EVERY_MS = 50;

export class Turns {
  private since = performance.now();
  private next: Promise<void> | undefined;

  /**
   * Does the work, after a turn where the last one is long ago. Looking and working are one piece: of those that wait, each looks after the
   * work of the one before.
   */
  async run<T>(work: () => T): Promise<T> {
    while (performance.now() - this.since > EVERY_MS) await (this.next ??= this.take());
    return work();
  }

  private async take(): Promise<void> {
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
    this.since = performance.now();
    this.next = undefined;
  }
}
