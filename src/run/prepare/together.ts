/**
 * Preparing by all ranks: the first reads the plans and says what is to be written, and every rank writes files of rows with pictures,
 * the next one to whoever is free. They write into one folder, on a file system that all hosts share.
 */
import type { ShardEntry } from '../../data/prepared/manifest.ts';
import type { ShardJob } from '../../data/prepared/writeShard.ts';
import { ALONE } from '../../world/world.ts';
import type { World } from '../../world/world.ts';
import type { DataWorkers } from '../inputs/dataWorkers.ts';

/** Who writes, and how many files at once. */
export interface Hands {
  count: number;
  write(job: ShardJob): Promise<ShardEntry>;
}

/** The first rank's own threads, and the others'. */
export function handsOf(own: DataWorkers, world: World = ALONE): Hands {
  const busy = Array.from({ length: world.size }, () => 0);
  return {
    count: world.size * Math.max(1, own.count),
    async write(job) {
      const rank = busy.indexOf(Math.min(...busy));
      busy[rank]!++;
      try {
        return rank === 0 ? await own.writeShard(job) : await world.call<ShardEntry>(rank, job);
      } finally {
        busy[rank]!--;
      }
    },
  };
}

/** The other ranks: write what the first asks for. */
export async function writeForFirst(world: World, open: () => Promise<DataWorkers>): Promise<void> {
  let workers: Promise<DataWorkers> | undefined;
  try {
    await world.serve<ShardJob>(async (job) => (await (workers ??= open())).writeShard(job));
  } finally {
    await (await workers)?.close();
  }
}
