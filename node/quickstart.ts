/**
 * `npm start` (dist/quickstart.js): a tiny vision-language model learns to measure a real MRI, on whatever GPU is there. Needs nothing from
 * outside: base models and data set lie beside this file in the repository. `--recipe` chooses the base.
 */
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { UserError } from '../src/platform.ts';
import { EXIT } from '../src/run/main.ts';
import { processSurroundings } from './cli.ts';
import { requirePermissions } from './denoPermissions.ts';
import { nodePlatform } from './platform.ts';
import { DEFAULT_RECIPE, recipe, RECIPE_NAMES } from '../src/run/quickstart/recipes.ts';
import { DEFAULTS, quickstart } from '../src/run/quickstart/run.ts';

/** Both dist/ and node/ lie in the repository's root. */
const besideUs = (path: string): string => fileURLToPath(new URL(`../node/${path}`, import.meta.url)).replaceAll('\\', '/');

function whole(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < least) throw new InvalidArgumentError(`A whole number from ${least} is expected.`);
    return value;
  };
}

function milliseconds(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0) throw new InvalidArgumentError('A number from 0 is expected.');
  return value;
}

requirePermissions(); // commander looks at the environment
const command = new Command('npm start --')
  .description('Fine-tunes a tiny vision-language model with LoRA on three small MRI volumes, and compares its answers before and after.')
  .option('--recipe <name>', `what is trained: ${RECIPE_NAMES.join(' or ')}`, DEFAULT_RECIPE)
  .option('--steps <n>', "training steps (default: the recipe's)", whole(1))
  .option('--batch <n>', "rows in a step (default: the recipe's)", whole(1))
  .addOption(new Option('--quantization <kind>', 'how the frozen weights are held on the GPU').choices(['none', 'nf4']).default('none'))
  .option(
    '--output_dir <dir>',
    'folder for the adapter, the log and report.html (default: outputs/quickstart; outputs/quickstart-NAME with --recipe NAME)',
  )
  .addOption(new Option('--out <dir>', 'its name before').hideHelp())
  .option('--seed <n>', 'seed of the adapter, the order of the rows and the choice of questions', whole(0), DEFAULTS.seed)
  .option(
    '--submit_ms <n>',
    'milliseconds that the GPU may be at one piece of work, 0: no limit (default: 100 on Windows and macOS, 500 elsewhere)',
    milliseconds,
  )
  .allowExcessArguments(false)
  .parse(process.argv);
const options = command.opts<{
  recipe: string;
  steps?: number;
  batch?: number;
  output_dir?: string;
  out?: string;
  seed: number;
  submit_ms?: number;
  quantization: 'none' | 'nf4';
}>();

const around = processSurroundings(nodePlatform);
const stop = new AbortController();
around.onInterrupt((signal) => {
  if (stop.signal.aborted) around.endBy(signal);
  around.writeError('\nStopping after this step. Press Ctrl-C again to leave at once.\n');
  stop.abort();
});
try {
  const chosen = recipe(options.recipe);
  const settings = {
    ...chosen,
    base: besideUs(chosen.base),
    sample: besideUs('sample'),
    out:
      options.output_dir ??
      options.out ??
      (options.recipe === DEFAULT_RECIPE ? 'outputs/quickstart' : `outputs/quickstart-${options.recipe}`),
    steps: options.steps ?? chosen.steps,
    batchSize: options.batch ?? chosen.batchSize,
    seed: options.seed,
    ...(options.submit_ms !== undefined && { submitMs: options.submit_ms }),
    quantization: options.quantization,
  };
  await quickstart(nodePlatform, settings, around.stdout, stop.signal);
  process.exit(stop.signal.aborted ? EXIT.stopped : EXIT.done);
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  around.writeError(`Error: ${error.message}\n`);
  process.exit(EXIT.failed);
}
