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
  return Array.from({ length: size }, (_, rank) => ({
    rank,
    size,
    hosts,
    gather: (own) => meet(rank, structuredClone(own)),
    async sum(values) {
      const all = await meet(rank, values.slice());
      values.fill(0);
      for (const other of all) for (let i = 0; i < values.length; i++) values[i]! += other[i]!;
    },
  }));
}
