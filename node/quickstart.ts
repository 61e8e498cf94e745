/**
 * `npm start` (dist/quickstart.js): a tiny vision-language model learns to measure a real MRI, on whatever GPU is there. Needs nothing from
 * outside: base models and data set lie beside this file in the repository. All flags are in src/options/quickstart.ts; `--help` lists
 * them. The work is src/run/quickstart/run.ts.
 */
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { Parsed } from '../src/options/program.ts';
import { quickstartProgram } from '../src/options/quickstart.ts';
import type { QuickstartOptions } from '../src/options/quickstart.ts';
import { main } from '../src/run/main.ts';
import { quickstartSettings } from '../src/run/quickstart/recipes.ts';
import { quickstart } from '../src/run/quickstart/run.ts';
import type { Terminal } from '../src/track/console.ts';
import { processSurroundings } from './cli.ts';
import { nodePlatform } from './platform.ts';

/** Both dist/ and node/ lie in the repository's root. */
const besideUs = (path: string): string => fileURLToPath(new URL(`../node/${path}`, import.meta.url)).replaceAll('\\', '/');

async function run({ options }: Parsed<QuickstartOptions>, stop: AbortSignal, terminal: Terminal): Promise<void> {
  await quickstart(nodePlatform, quickstartSettings(options, besideUs), terminal, stop);
}

process.exit(await main(quickstartProgram, run, processSurroundings(nodePlatform)));
