/** Loaded before a program (`node --import`): counts its limits of time and writes, where it ends, how many there were and what CPU time the process took, to VERNIER_COSTS. */
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { Script } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

if (isMainThread && process.env.VERNIER_COSTS !== undefined) {
  let limits = 0;
  const real = Script.prototype.runInThisContext;
  Script.prototype.runInThisContext = function (options) {
    if (options?.timeout !== undefined) limits++;
    return real.call(this, options);
  };
  const startedAt = performance.now();
  process.on('exit', () => {
    const { user, system } = process.cpuUsage();
    writeFileSync(process.env.VERNIER_COSTS, JSON.stringify({ limits, cpu: (user + system) / 1e6, wall: (performance.now() - startedAt) / 1000 }));
  });
}
