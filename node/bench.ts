/**
 * `node dist/bench.js --gpu`: what this GPU does with Vernier (src/run/bench); the developers' bench is `npm run bench`. Exit status 0: all
 * plans are right; 1: something is not, or the bench was stopped.
 */
import { benchProgram } from '../src/options/bench.ts';
import { runBench } from '../src/run/bench/bench.ts';
import { pytorch } from './bench/pytorch.ts';
import { runProgram } from './cli.ts';
import { nodePlatform as platform } from './platform.ts';

await runProgram(benchProgram, ({ options }, stop, terminal) => runBench({ platform, options, pytorch, stop, terminal }));
