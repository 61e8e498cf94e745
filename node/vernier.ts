#!/usr/bin/env node
/**
 * `vernier COMMAND …`: the programs under one name, each with the flags that it has by itself. Nothing of a program is read before it is
 * asked for, so that the list of commands is there at once.
 */
import process from 'node:process';
import { nearestName } from '../src/options/nearest.ts';
import { calledAsVernier } from './calledAs.ts';
import { version } from './version.ts';

interface Command {
  what: string;
  /** Flags that make the command of the program. */
  flags?: readonly string[];
  /** The program, which reads the process's arguments and ends it. */
  run: () => Promise<unknown>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  train: { what: 'fine-tunes a base model and leaves a PEFT adapter', run: () => import('./train.ts') },
  evaluate: { what: 'asks a model for the answers of held-out rows and scores them', run: () => import('./evaluate.ts') },
  ask: { what: 'asks a model one question about pictures, or serves it to other programs (--serve)', run: () => import('./ask.ts') },
  inspect: { what: 'makes a page to look at training data', run: () => import('./inspect.ts') },
  prepare: {
    what: 'makes rows of task lists ready for training; the flags of train',
    flags: ['--process_dataset_only', 'true'],
    run: () => import('./train.ts'),
  },
  dataset: { what: "makes a data folder in MedVision's format of your own scans and masks", run: () => import('./dataset.ts') },
  report: { what: 'compares runs on one page; of one run, makes its page again', run: () => import('./report.ts') },
  ui: { what: 'shows runs in the browser while they go on, and starts, stops and compares them', run: () => import('./ui.ts') },
  models: { what: 'lists the model families that can be fine-tuned, and what they were checked against', run: () => import('./models.ts') },
  volume: { what: 'says what a scan is (DICOM, NIfTI, pictures), and converts it', run: () => import('./volume.ts') },
  setup: { what: 'looks at GPU, memory, disk, tokens and data, and says what is missing', run: () => import('./setup.ts') },
  scale: { what: 'predicts the time of a step on several GPUs from a run on one', run: () => import('./scale.ts') },
  merge: {
    what: "merges a run's adapter into its base; the flags of train",
    flags: ['--merge_only', 'true'],
    run: () => import('./train.ts'),
  },
  start: { what: 'trains a tiny model on the embedded sample and reports on it', run: () => import('./quickstart.ts') },
};

const HELP = `Fine-tunes vision-language models that measure medical images, on WebGPU.

Usage: vernier COMMAND [--name value …]
       vernier COMMAND --help
       vernier --version

${Object.entries(COMMANDS)
  .map(([name, { what }]) => `  ${name.padEnd(10)}${what}`)
  .join('\n')}
`;

const [name, ...rest] = process.argv.slice(2);
const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
  (name === undefined ? process.stderr : process.stdout).write(HELP);
  process.exitCode = name === undefined ? 2 : 0;
} else if (name === '--version' || name === '-V') {
  process.stdout.write(`${version()}\n`);
} else if (command === undefined) {
  const near = nearestName(name, Object.keys(COMMANDS));
  process.stderr.write(
    `Error: there is no command ${name}.${near === undefined ? '' : ` Did you mean ${near}?`} vernier --help lists them.\n`,
  );
  process.exitCode = 2;
} else {
  process.argv.splice(2, process.argv.length, ...(command.flags ?? []), ...rest);
  calledAsVernier();
  await command.run();
}
