/** Ranks within one process, for tests: what node/mpi does between processes, done with promises. */
import type { World } from '../../src/world/world.ts';

/** @param hosts as the ranks are to be told */
export function localWorlds(size: number, hosts: readonly string[] = Array.from({ length: size }, () => 'here')): World[] {
  let arrived: { own: unknown; resolve: (all: unknown[]) => void }[] = [];
  const meet = <T>(rank: number, own: T): Promise<T[]> =>
    new Promise((resolve, reject) => {
      if (arrived[rank]) reject(new Error(`rank ${rank} came twice`));
      arrived[rank] = { own, resolve: resolve as (all: unknown[]) => void };
      if (arrived.filter(Boolean).length < size) return;
      const all = arrived;
      arrived = [];
      for (const { resolve: go } of all) go(all.map((one) => one.own));
    });
  const serving: { act?: (task: never) => Promise<unknown>; ready: Promise<void>; begin: () => void; end: () => void; over: Promise<void> }[] = [];
  const seat = (rank: number): (typeof serving)[number] => {
    const once = (): [Promise<void>, () => void] => {
      let done = (): void => undefined;
      return [new Promise((resolve) => (done = resolve)), () => done()];
    };
    if (!serving[rank]) {
      const [ready, begin] = once();
      const [over, end] = once();
      serving[rank] = { ready, begin, over, end };
    }
    return serving[rank];
  };
  return Array.from({ length: size }, (_, rank) => ({
    rank,
    size,
    hosts,
    gather: (own) => meet(rank, structuredClone(own)),
    async call(other, task) {
      const one = seat(other);
      await one.ready;
      return (await one.act!(task as never)) as never;
    },
    async serve(act) {
      const own = seat(rank);
      own.act = act;
      own.begin();
      await own.over;
      delete serving[rank];
    },
    dismiss() {
      for (let other = 1; other < size; other++) seat(other).end();
      return Promise.resolve();
    },
    async sum(values) {
      const all = await meet(rank, values.slice());
      values.fill(0);
      for (const other of all) for (let i = 0; i < values.length; i++) values[i]! += other[i]!;
    },
  }));
}
