/**
 * `node dist/train.js`: fine-tunes a base model on conversations or MedVision task lists and leaves a PEFT adapter (or a whole model). All
 * flags are in src/options.ts; `--help` lists them. The work is src/run/train/train.ts.
 */
import process from 'node:process';
import { trainProgram } from '../src/options.ts';
import type { ParsedOptions } from '../src/options.ts';
import { runTraining } from '../src/run/train/train.ts';
import type { Terminal } from '../src/track/console.ts';
import { main } from '../src/run/main.ts';
import { processSurroundings } from './cli.ts';
import { nodePlatform } from './platform.ts';
import { startWorkers } from './workers/pool.ts';

const around = processSurroundings(nodePlatform);

async function run({ options }: ParsedOptions, stop: AbortSignal, terminal: Terminal): Promise<void> {
  const say = (text: string): void => {
    if (!options.report_to.includes('none')) terminal.write(`${text}\n`);
  };
  const warn = (text: string): void => around.writeError(`Warning: ${text}\n`);
  await runTraining({ platform: nodePlatform, options, stop, terminal, say, warn, startWorkers });
}

process.exit(await main(trainProgram, run, around));
