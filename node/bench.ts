/**
 * `node dist/bench.js --gpu`: what this GPU does with Vernier (src/run/bench); the developers' bench is `npm run bench`. Exit status 0: all
 * plans are right; 1: something is not, or the bench was stopped.
 */
import process from 'node:process';
import { benchProgram } from '../src/options/bench.ts';
import type { BenchOptions } from '../src/options/bench.ts';
import type { Parsed } from '../src/options/program.ts';
import { runBench } from '../src/run/bench/bench.ts';
import type { Terminal } from '../src/track/console.ts';
import { pytorch } from './bench/pytorch.ts';
import { main, EXIT } from '../src/run/main.ts';
import { processSurroundings } from './cli.ts';
import { nodePlatform } from './platform.ts';

let isGood = true;

async function run({ options }: Parsed<BenchOptions>, stop: AbortSignal, terminal: Terminal): Promise<void> {
  isGood = await runBench({ platform: nodePlatform, options, pytorch, stop, terminal });
}

const code = await main(benchProgram, run, processSurroundings(nodePlatform));
// Dawn's threads would keep the process alive.
process.exit(code === EXIT.done && !isGood ? EXIT.failed : code);
