/** Work that is shared out: every piece once, kept at the first rank, more of it by who is faster; a stop anywhere ends it everywhere. */
import { describe, expect, it } from 'vitest';
import type { ShardJob } from '../../src/data/prepared/writeShard.ts';
import { handsOf, writeForFirst } from '../../src/run/prepare/together.ts';
import type { DataWorkers } from '../../src/run/inputs/dataWorkers.ts';
import { shareOut } from '../../src/world/shareOut.ts';
import { ALONE } from '../../src/world/world.ts';
import { localWorlds } from './localWorld.ts';

const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('shareOut', () => {
  it.each([1, 2, 4])('does every piece once, with %i ranks, and keeps it at the first', async (size) => {
    const worlds = size === 1 ? [ALONE] : localWorlds(size);
    const doneBy: number[] = [];
    const kept: string[] = [];
    const whole = await Promise.all(
      worlds.map((world) =>
        shareOut<string>(world, {
          count: 12,
          async act(index) {
            await after(world.rank === 0 ? 10 : 1);
            doneBy[index] = world.rank;
            return `piece ${index}`;
          },
          async keep(index, result) {
            expect(world.rank).toBe(0);
            await after(1);
            kept[index] = result;
          },
        }),
      ),
    );
    expect(whole).toEqual(worlds.map(() => true));
    expect(kept).toEqual(Array.from({ length: 12 }, (_, index) => `piece ${index}`));
    // The first is ten times as slow here.
    if (size > 1) expect(doneBy.filter((rank) => rank === 0).length).toBeLessThan(12 / size);
  });

  it('ends everywhere when it was stopped anywhere', async () => {
    for (const stopped of [0, 2]) {
      const kept: number[] = [];
      const whole = await Promise.all(
        localWorlds(3).map((world) =>
          shareOut<number>(world, {
            count: 100,
            act: async (index) => (await after(1), world.rank === stopped && index > 5 ? undefined : index),
            keep: async (index) => void kept.push(index),
          }),
        ),
      );
      expect(whole).toEqual([false, false, false]);
      expect(kept.length).toBeGreaterThan(3);
      expect(kept.length).toBeLessThan(20);
    }
  });

  it('fails at the first with what another has failed with', async () => {
    const [first, other] = localWorlds(2);
    void shareOut(other!, { count: 4, act: () => Promise.reject(new Error('row 3 has no picture')), keep: async () => undefined });
    await expect(shareOut(first!, { count: 4, act: async () => 1, keep: async () => undefined })).rejects.toThrow('row 3 has no picture');
  });
});

it('files of rows are written by all ranks, by no one more at a time than it has threads', async () => {
  const worlds = localWorlds(3);
  const at: number[] = [0, 0, 0];
  const most: number[] = [0, 0, 0];
  const workers = (rank: number): DataWorkers => ({
    count: 2,
    make: () => Promise.reject(new Error('no rows are made')),
    async writeShard({ file }) {
      most[rank] = Math.max(most[rank]!, ++at[rank]!);
      await after(5);
      at[rank]!--;
      return { file, rows: rank, bytes: 0, sha256: '' };
    },
    close: () => Promise.resolve(),
  });
  const others = worlds.slice(1).map((world) => writeForFirst(world, () => Promise.resolve(workers(world.rank))));
  const hands = handsOf(workers(0), worlds[0]);
  expect(hands.count).toBe(6);
  const jobs = Array.from({ length: 6 }, (_, index) => ({ file: `${index}.parquet` }) as ShardJob);
  const entries = await Promise.all(jobs.map((job) => hands.write(job)));
  await worlds[0]!.dismiss();
  await Promise.all(others);
  expect(entries.map(({ file }) => file)).toEqual(jobs.map(({ file }) => file));
  expect(most).toEqual([2, 2, 2]);
});
