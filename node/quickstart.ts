/**
 * `npm start` (dist/quickstart.js): a tiny Qwen2.5-VL learns to measure a real MRI, on whatever GPU is there. Needs nothing from outside: base model
 * and data set lie beside this file in the repository.
 */
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { UserError } from '../src/platform.ts';
import { EXIT, processSurroundings } from './cli.ts';
import { nodePlatform } from './platform.ts';
import { DEFAULTS, quickstart } from './quickstart/run.ts';

/** Both dist/ and node/ lie in the repository's root. */
const besideUs = (path: string): string => fileURLToPath(new URL(`../node/${path}`, import.meta.url)).replaceAll('\\', '/');

function whole(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < least) throw new InvalidArgumentError(`A whole number from ${least} is expected.`);
    return value;
  };
}

const command = new Command('npm start --')
  .description('Fine-tunes a tiny Qwen2.5-VL with LoRA on three small MRI volumes, and compares its answers before and after.')
  .option('--steps <n>', 'training steps', whole(1), DEFAULTS.steps)
  .option('--batch <n>', 'rows in a step', whole(1), DEFAULTS.batchSize)
  .option('--out <dir>', 'folder for the adapter, the log and report.html', 'outputs/quickstart')
  .option('--seed <n>', 'seed of the adapter, the order of the rows and the choice of questions', whole(0), DEFAULTS.seed)
  .allowExcessArguments(false)
  .parse(process.argv);
const options = command.opts<{ steps: number; batch: number; out: string; seed: number }>();

const around = processSurroundings(nodePlatform);
const stop = new AbortController();
around.onInterrupt(() => {
  if (stop.signal.aborted) around.exit(EXIT.stopped);
  around.writeError('\nStopping after this step. Press Ctrl-C again to leave at once.\n');
  stop.abort();
});
try {
  const places = { base: besideUs('base'), sample: besideUs('sample'), out: options.out };
  await quickstart(nodePlatform, { ...DEFAULTS, ...places, steps: options.steps, batchSize: options.batch, seed: options.seed }, around.stdout, stop.signal);
  process.exit(stop.signal.aborted ? EXIT.stopped : EXIT.done);
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  around.writeError(`Error: ${error.message}\n`);
  process.exit(EXIT.failed);
}
