/** One reader of sweep.mjs in a process of its own: its cases, and what they cost, told to the parent. Without a name it lists the names. */
import process from 'node:process';
import fc from 'fast-check';
import { UserError } from '../../src/platform.ts';
import { limited } from '../../node/timeLimit.ts';
import { provideTimeLimit } from '../../src/io/timeLimit.ts';
import { PARSERS } from './parsers.ts';

const [wanted, cases = '1000'] = process.argv.slice(2);

async function sweep(name: string): Promise<void> {
  const parser = PARSERS.find((one) => one.name === name)!;
  const before = process.memoryUsage.rss();
  const told = { done: 0, refused: 0, slowestMs: 0, cpuMs: 0, moreMb: 0 };
  const tell = (more: object = {}): void => {
    // maxRSS is in KiB, and counts what was between two looks too.
    told.moreMb = Math.round(Math.max(0, process.resourceUsage().maxRSS * 1024 - before) / 2 ** 20);
    process.send?.({ ...told, ...more });
  };
  let toldAt = 0;
  const property = fc.asyncProperty(parser.input, async (value) => {
    const startedAt = performance.now();
    const cpu = process.cpuUsage();
    try {
      await parser.read(value);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      if (error.message.length > 20_000) throw new Error(`a message of ${error.message.length} characters: ${error.message.slice(0, 200)}`);
      told.refused++;
    }
    const now = performance.now();
    const { user, system } = process.cpuUsage(cpu);
    told.cpuMs = Math.max(told.cpuMs, Math.round((user + system) / 1000));
    told.done++;
    // Servers that are none answer without a turn of the loop, in which alone the runtime lets go of the timers of what is done.
    if (told.done % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    told.slowestMs = Math.max(told.slowestMs, Math.round(now - startedAt));
    if (now - toldAt > 1000) {
      toldAt = now;
      tell();
    }
  });
  try {
    await fc.assert(property, { numRuns: Math.ceil(Number(cases) * (parser.share ?? 1)), endOnFailure: true });
    tell();
  } catch (error) {
    console.error(error);
    tell({ error: String(error).split('\n').slice(0, 3).join(' ').slice(0, 300) });
  }
}

const leave = (): never => process.exit(1);
process.once('disconnect', leave); // its parent is gone
// As the programs have it, shorter: a pattern that never ends is told within the two seconds.
provideTimeLimit((_, work) => limited(1000, work));
if (wanted === undefined) console.log(PARSERS.map(({ name }) => name).join('\n'));
else await sweep(wanted);
process.off('disconnect', leave);
process.disconnect?.();
