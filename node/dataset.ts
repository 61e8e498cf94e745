/** `node dist/dataset.js`: flags are in src/options/dataset.ts, the work in src/run/dataset/make.ts. */
import process from 'node:process';
import { datasetProgram } from '../src/options/dataset.ts';
import { makeDataset } from '../src/run/dataset/make.ts';
import { main } from '../src/run/main.ts';
import { processSurroundings } from './cli.ts';
import { nodePlatform } from './platform.ts';

process.exit(
  await main(
    datasetProgram,
    ({ options }, stop, terminal) => makeDataset(nodePlatform, options, stop, terminal),
    processSurroundings(nodePlatform),
  ),
);
