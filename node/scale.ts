/** `node dist/scale.js`: flags are in src/options/scale.ts, the work in src/run/scale/scale.ts. */
import { scaleProgram } from '../src/options/scale.ts';
import { runScale } from '../src/run/scale/scale.ts';
import { runProgram } from './cli.ts';
import { nodePlatform } from './platform.ts';

await runProgram(scaleProgram, ({ options }, _, terminal) => runScale(nodePlatform, options, terminal));
