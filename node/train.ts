/** `node dist/train.js`: flags are in src/options.ts, the work in src/run/train/train.ts. */
import { trainProgram } from '../src/options.ts';
import type { ParsedOptions } from '../src/options.ts';
import { runTraining } from '../src/run/train/train.ts';
import type { Terminal } from '../src/track/console.ts';
import { main } from '../src/run/main.ts';
import { processSurroundings } from './cli.ts';
import { jobOf } from './mpi/job.ts';
import { nodePlatform } from './platform.ts';
import { startWorkers } from './workers/pool.ts';

const { around, inWorld, leave } = jobOf(processSurroundings(nodePlatform));

async function run({ options }: ParsedOptions, stop: AbortSignal, terminal: Terminal): Promise<void> {
  const say = (text: string): void => {
    if (!options.report_to.includes('none')) terminal.write(`${text}\n`);
  };
  const warn = (text: string): void => around.writeError(`Warning: ${text}\n`);
  await inWorld(options, async (world) => {
    await runTraining({ platform: nodePlatform, options, world, stop, terminal, say, warn, startWorkers });
  });
}

await leave(await main(trainProgram, run, around));
