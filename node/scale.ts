/** `node dist/scale.js`: flags are in src/options/scale.ts, the work in src/run/scale/scale.ts. */
import process from 'node:process';
import { scaleProgram } from '../src/options/scale.ts';
import { main } from '../src/run/main.ts';
import { runScale } from '../src/run/scale/scale.ts';
import { processSurroundings } from './cli.ts';
import { nodePlatform } from './platform.ts';

process.exit(
  await main(scaleProgram, ({ options }, _, terminal) => runScale(nodePlatform, options, terminal), processSurroundings(nodePlatform)),
);
