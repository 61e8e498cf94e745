/** What READMEs and --help show as commands: each of their flags is one that the program takes, with a value of its kind. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { trainProgram } from '../src/options.ts';
import { askProgram } from '../src/options/ask.ts';
import { benchProgram } from '../src/options/bench.ts';
import { readFlags } from '../src/options/commandLine.ts';
import { datasetProgram } from '../src/options/dataset.ts';
import { evaluateProgram } from '../src/options/evaluate.ts';
import { modelsProgram } from '../src/options/models.ts';
import { pretrainProgram } from '../src/options/pretrain.ts';
import { optionOf } from '../src/options/program.ts';
import type { Program } from '../src/options/program.ts';
import { quickstartProgram } from '../src/options/quickstart.ts';
import { reportProgram } from '../src/options/report.ts';
import { scaleProgram } from '../src/options/scale.ts';
import { setupProgram } from '../src/options/setup.ts';
import { uiProgram } from '../src/options/ui.ts';
import { volumeProgram } from '../src/options/volume.ts';

type Known = Pick<Program<never>, 'definitions' | 'intro' | 'words'>;
const programs: Readonly<Record<string, Known>> = {
  train: trainProgram,
  prepare: trainProgram,
  merge: trainProgram,
  ask: askProgram,
  bench: benchProgram,
  dataset: datasetProgram,
  evaluate: evaluateProgram,
  // It takes the flags of train (src/run/inspect/arguments.ts), the data without one.
  inspect: { ...trainProgram, intro: [], words: 'DATA' },
  models: modelsProgram,
  prepareBase: pretrainProgram,
  quickstart: quickstartProgram,
  start: quickstartProgram,
  report: reportProgram,
  scale: scaleProgram,
  setup: setupProgram,
  ui: uiProgram,
  volume: volumeProgram,
};

/** Of every program, or of the set-up before it. */
const FOR_ALL = ['--help', '--yes'];

const root = fileURLToPath(new URL('..', import.meta.url));
const pagesIn = (folder: string): string[] =>
  readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`);
const readmes = [
  'README.md',
  'AGENTS.md',
  'SECURITY.md',
  ...['src', 'node', 'web', 'test'].flatMap(pagesIn).filter((file) => file.endsWith('.md')),
];

/** Commands in a page: lines of its blocks, and spans of code. */
function commandsIn(page: string): string[] {
  const blocks = [...page.matchAll(/```\w*\n(.*?)```/gs)].flatMap(([, block = '']) => block.replaceAll('\\\n', ' ').split('\n'));
  const spans = [...page.replaceAll(/```.*?```/gs, '').matchAll(/`([^`]+)`/g)].map(([, span = '']) => span.replaceAll('\n', ' '));
  return [...blocks, ...spans];
}

/** The program and its arguments; undefined for what is none of ours. */
function callIn(command: string): { name: string; argv: string[] } | undefined {
  const found = /(?:node dist\/(\w+)\.js|\bvernier (\w+)|\bnpm (start) --)(?= |$)(.*)/.exec(command);
  const name = found?.[1] ?? found?.[2] ?? found?.[3];
  if (found === null || name === undefined) return undefined;
  const said = (found[4] ?? '')
    .replace('[--name value …]', '')
    .replace(/\s#.*| [|>] .*/, '')
    .replaceAll(/[[\]…]/g, '');
  return { name, argv: [...said.matchAll(/"[^"]*"|'[^']*'|\S+/g)].map(([word]) => word) };
}

/** What is wrong with it, in words. Placeholders (NAME) and the bench of the sources are no programs of ours. */
function faultIn(command: string): string | undefined {
  const call = callIn(command);
  const program = call && programs[call.name];
  if (call === undefined || /^(?:[A-Z]+|benchSpeed)$/.test(call.name)) return undefined;
  if (program === undefined) return `${call.name} is no program`;
  // `vernier dataset make --series --volume` names flags and does not give them.
  const isMention =
    call.argv.filter((word) => word.startsWith('--')).length > 1 &&
    !call.argv.some((word, i) => !word.startsWith('--') && call.argv[i - 1]?.startsWith('--'));
  if (isMention) {
    const unknown = call.argv.find((word) => word.startsWith('--') && !optionOf(program.definitions, word.slice(2)));
    return unknown && `${unknown} is no flag`;
  }
  try {
    const flags = readFlags(
      call.argv.filter((word) => !FOR_ALL.includes(word)),
      program.definitions,
      program.words,
    );
    for (const [flag, value] of Object.entries(flags)) {
      const definition = optionOf(program.definitions, flag)?.definition;
      if (definition === undefined) continue; // words without a flag
      if (definition.type === 'boolean' && !/^(true|false|auto)$/.test(value)) return `--${flag} ${value}`;
      if (definition.type === 'enum' && /^[a-z]/.test(value) && !value.split('|').every((one) => definition.choices.includes(one)))
        return `--${flag} ${value}`;
    }
  } catch (error) {
    return String(error);
  }
  return undefined;
}

it.each(readmes)('%s', (file) => {
  const commands = commandsIn(readFileSync(`${root}${file}`, 'utf8'));
  expect(commands.flatMap((command) => faultIn(command)?.concat(`: ${command}`) ?? [])).toEqual([]);
});

it.each(Object.entries(programs))('%s --help', (_, { intro }) => {
  const lines = intro.map((line) => line.replace(/^ *(?:Usage:)? */, ''));
  expect(lines.flatMap((line) => faultIn(line)?.concat(`: ${line}`) ?? [])).toEqual([]);
});

it('sees a flag that is none, and one without its value', () => {
  expect(commandsIn('```sh\nnode dist/train.js \\\n  --lora_rr 4\n```\nand `vernier models --json`')).toEqual([
    'node dist/train.js    --lora_rr 4',
    '',
    'vernier models --json',
  ]);
  expect(faultIn('node dist/train.js    --lora_rr 4')).toMatch(/lora_rr.*Did you mean --lora_r/);
  expect(faultIn('vernier train --lora_r')).toMatch(/--lora_r needs a value/);
  expect(faultIn('vernier trian')).toBe('trian is no program');
  expect(faultIn('vernier ask --serve --serves')).toBe('--serves is no flag');
});
