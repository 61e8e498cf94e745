/** The options of `node dist/prepareBase.js`. */
import { UserError } from '../platform.ts';
import type { Definitions, OptionsOf, Program } from './program.ts';

const definitions = {
  family: {
    group: 'Model',
    type: 'enum',
    default: 'qwen2_5_vl',
    choices: ['qwen2_5_vl', 'gemma3', 'smolvlm'],
    help: 'Kind of model (model_type).',
  },
  seed: { group: 'Model', type: 'integer', default: 1, min: 0, help: 'Seed of the weights.' },
  sample: {
    group: 'Data',
    type: 'string',
    default: null,
    place: 'path',
    help: "Embedded data set, whose prompts (not pictures) the tokenizer learns its words from. Unset: the repository's.",
  },
  output_dir: { group: 'Output', type: 'string', default: null, place: 'path', aliases: ['out'], help: 'Model folder to write.' },
} as const satisfies Definitions;
export type PretrainOptions = OptionsOf<typeof definitions>;
export type BaseFamily = PretrainOptions['family'];

export const pretrainProgram: Program<PretrainOptions> = {
  intro: [
    'Writes a tiny model folder with random weights and a tokenizer of its own, for node/pretrain/make_base.py to train into',
    'a base such as `npm start` fine-tunes.',
    '',
    'Usage: node dist/prepareBase.js --output_dir DIR [--family gemma3]',
  ],
  definitions,
  check({ output_dir }) {
    if (output_dir === null) throw new UserError('Name the folder to write: --output_dir DIR.');
    return [];
  },
};
