/**
 * `node dist/prepareBase.js --output_dir DIR [--family qwen2_5_vl|gemma3]`: a tiny model folder with random weights and a tokenizer of its
 * own, for node/pretrain/make_base.py to train into a base such as `npm start` fine-tunes.
 */
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { UserError } from '../src/platform.ts';
import { printable } from '../src/track/printable.ts';
import { redact } from '../src/track/secrets.ts';
import { requirePermissions } from './denoPermissions.ts';
import { nodePlatform as platform } from './platform.ts';
import { BASE_FAMILIES, tokenizerTexts, writeInitialFolder } from '../src/run/pretrain/baseFolder.ts';
import type { BaseFamily } from '../src/run/pretrain/baseFolder.ts';

interface Settings {
  output_dir?: string;
  out?: string;
  family: BaseFamily;
  sample: string;
  seed: number;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('A whole number from 0 on is expected.');
  return value;
}

requirePermissions(); // commander looks at the environment
const command = new Command('prepareBase')
  .description('Writes a tiny model folder with random weights, for node/pretrain/make_base.py to train.')
  .option('--output_dir <dir>', 'model folder to write')
  .addOption(new Option('--out <dir>', 'its name before').hideHelp())
  .addOption(new Option('--family <model_type>', 'kind of model').choices(BASE_FAMILIES).default('qwen2_5_vl'))
  .option(
    '--sample <dir>',
    'embedded data set, whose prompts (not pictures) the tokenizer learns its words from',
    fileURLToPath(new URL('../node/sample', import.meta.url)),
  )
  .option('--seed <n>', 'seed of the weights', wholeNumber, 1)
  .allowExcessArguments(false)
  .parse(process.argv);
try {
  const { output_dir, out = output_dir, family, sample, seed } = command.opts<Settings>();
  if (out === undefined) throw new UserError('Name the folder to write: --output_dir DIR.');
  await writeInitialFolder(platform, out, await tokenizerTexts(platform, sample), seed, family);
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(printable(redact(`Error: ${error.message}`)));
  process.exitCode = 1;
}
