/**
 * `npm start` (dist/quickstart.js): a tiny vision-language model learns to measure a real MRI, on whatever GPU is there. Needs nothing from
 * outside: base models and data set lie beside this file in the repository. All flags are in src/options/quickstart.ts; `--help` lists
 * them. The work is src/run/quickstart/run.ts.
 */
import { fileURLToPath } from 'node:url';
import { quickstartProgram } from '../src/options/quickstart.ts';
import { quickstartSettings } from '../src/run/quickstart/recipes.ts';
import { quickstart } from '../src/run/quickstart/run.ts';
import { runProgram } from './cli.ts';
import { nodePlatform } from './platform.ts';

/** Both dist/ and node/ lie in the repository's root. */
const besideUs = (path: string): string => fileURLToPath(new URL(`../node/${path}`, import.meta.url)).replaceAll('\\', '/');

await runProgram(quickstartProgram, async ({ options }, stop, terminal) => {
  await quickstart(nodePlatform, quickstartSettings(options, besideUs), terminal, stop);
});
