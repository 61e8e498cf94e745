/** What one beat of a lock, one lock and one limit of time cost, in CPU seconds of all threads, for costs.mjs. Prints JSON. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { LockFiles, usualParameters } from '../../node/locks/lockFile.ts';
import { limited } from '../../node/timeLimit.ts';

const seconds = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1e6;
async function cpu(work: () => Promise<void> | void): Promise<number> {
  const before = process.cpuUsage();
  await work();
  return seconds(process.cpuUsage(before));
}

const dir = mkdtempSync(join(tmpdir(), 'vernier-costs-'));
try {
  const usual = await usualParameters();
  const hold = async (beatMs: number, ms: number): Promise<void> => {
    const locks = new LockFiles((cause) => cause as Error, () => Promise.resolve({ ...usual, beatMs }));
    const lock = await locks.take(join(dir, 'lock'));
    await pause(ms);
    await lock.release();
  };
  await hold(5000, 50);
  // A lock that is let go before its first beat; one whose thread begins; and beats, by what more of them cost.
  const short = await cpu(() => hold(5000, 100));
  const few = await cpu(() => hold(100, 3000));
  const many = await cpu(() => hold(5, 3000));
  const beat = Math.max(0, (many - few) / (3000 / 5 - 3000 / 100));
  const calls = 5000;
  for (let i = 0; i < 500; i++) limited(5000, () => i);
  const limit = (await cpu(() => {
    for (let i = 0; i < calls; i++) limited(5000, () => i);
  })) / calls;
  console.log(JSON.stringify({ lock: short, thread: Math.max(0, few - 30 * beat), beat, limit }));
} finally {
  rmSync(dir, { recursive: true, force: true });
}
