/** `node dist/evaluate.js`: flags are in src/options/evaluate.ts, the work in src/run/evaluate/evaluate.ts. */
import { evaluateProgram } from '../src/options/evaluate.ts';
import type { ParsedEvaluateOptions } from '../src/options/evaluate.ts';
import { runEvaluation } from '../src/run/evaluate/evaluate.ts';
import type { Terminal } from '../src/track/console.ts';
import { main } from '../src/run/main.ts';
import { processSurroundings } from './cli.ts';
import { jobOf } from './mpi/job.ts';
import { nodePlatform } from './platform.ts';
import { startWorkers } from './workers/pool.ts';

const { around, inWorld, leave } = jobOf(processSurroundings(nodePlatform));

async function run({ options }: ParsedEvaluateOptions, stop: AbortSignal, terminal: Terminal): Promise<void> {
  const say = (text: string): void => terminal.write(`${text}\n`);
  await inWorld(options, async (world) => {
    await runEvaluation({ platform: nodePlatform, options: { ...options, report_to: [] }, world, stop, terminal, say, startWorkers });
  });
}

await leave(await main(evaluateProgram, run, around));
