/**
 * Work of which it does not matter who does it (answers, files to write): the first rank gives the next piece to whoever is free, so that a
 * rank that is done early takes more.
 */
import { fromFirst } from './world.ts';
import type { World } from './world.ts';

export interface Pieces<Result> {
  count: number;
  /** Does a piece, at whichever rank. Undefined: it was stopped, and nobody begins another. */
  act(index: number): Promise<Result | undefined>;
  /** At the first rank, one after the other, in the order in which they are done. */
  keep(index: number, result: Result): Promise<void>;
}

/** @returns whether all pieces are done, the same at every rank */
export async function shareOut<Result>(world: World, { count, act, keep }: Pieces<Result>): Promise<boolean> {
  if (world.rank !== 0) {
    await world.serve<number>(async (index) => (await act(index)) ?? null);
    return fromFirst(world, true);
  }
  let next = 0;
  let isStopped = false;
  let keeping: Promise<void> = Promise.resolve();
  const take = async (doIt: (index: number) => Promise<Result | null | undefined>): Promise<void> => {
    while (next < count && !isStopped) {
      const index = next++;
      const result = await doIt(index);
      if (result === null || result === undefined) isStopped = true;
      else {
        keeping = keeping.then(() => keep(index, result));
        await keeping;
      }
    }
  };
  const others = Array.from({ length: world.size - 1 }, (_, at) => take((index) => world.call<Result | null>(at + 1, index)));
  await Promise.all([take(act), ...others]);
  await world.dismiss();
  return fromFirst(world, !isStopped);
}
