/** What the time of a program goes into, part after part. */
export class Stopwatch {
  private readonly found: [string, number][] = [];
  private since = performance.now();

  /** Ends the part that began with the last one's end. */
  ends(part: string): void {
    const now = performance.now();
    if (now - this.since >= 1) this.found.push([part, (now - this.since) / 1000]);
    this.since = now;
  }

  /** Names and seconds. */
  get parts(): [string, number][] {
    return this.found.map(([name, seconds]) => [name, seconds]);
  }
}
