/** `node dist/dataset.js`: flags are in src/options/dataset.ts, the work in src/run/dataset/make.ts. */
import { datasetProgram } from '../src/options/dataset.ts';
import { makeDataset } from '../src/run/dataset/make.ts';
import { runProgram } from './cli.ts';
import { nodePlatform } from './platform.ts';

await runProgram(datasetProgram, ({ options }, stop, terminal) => makeDataset(nodePlatform, options, stop, terminal));
