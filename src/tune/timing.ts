/**
 * Time of GPU work. A sample is many repetitions between two waits for the queue, so that the wait itself (a millisecond) does not count;
 * the figure is the median of the samples. Things to be compared take turns, so that a machine that slows down slows all of them.
 */

export interface Work {
  /** Puts the work into the queue once. */
  run(): void | Promise<void>;
  /** Waits until the GPU has done all of it. */
  finish(): Promise<void>;
}

export interface Patience {
  /** A sample repeats the work until it takes about this long, ms. */
  sampleMs: number;
  samples: number;
  /** Most repetitions in a sample. */
  repeats: number;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** ms of one run, over so many between two waits. */
export async function sampleMs(work: Work, repeats: number, now: () => number = () => performance.now()): Promise<number> {
  const start = now();
  for (let i = 0; i < repeats; i++) await work.run();
  await work.finish();
  return (now() - start) / repeats;
}

/** Median ms of one run of each, in turns. The first runs (compilation, first buffers) do not count. */
export async function medianMs(works: readonly Work[], patience: Patience): Promise<number[]> {
  const repeats: number[] = [];
  for (const work of works) {
    await sampleMs(work, 1);
    const once = await sampleMs(work, 1);
    repeats.push(Math.max(1, Math.min(patience.repeats, Math.round(patience.sampleMs / once))));
  }
  const samples = works.map((): number[] => []);
  for (let turn = 0; turn < patience.samples; turn++) {
    for (const [at, work] of works.entries()) samples[at]!.push(await sampleMs(work, repeats[at]!));
  }
  return samples.map(median);
}
