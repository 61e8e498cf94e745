/** The options of `node dist/bench.js`. */
import { UserError } from '../platform.ts';
import type { Definitions, OptionsOf, Program } from './program.ts';

const definitions = {
  gpu: { group: 'Measuring', type: 'boolean', default: false, bare: true, help: 'Measure the GPU that is there.' },
  minutes: { group: 'Measuring', type: 'number', default: 9, above: 0, max: 600, help: 'Time for all of it; what does not fit is named.' },
  size: {
    group: 'Measuring',
    type: 'enum',
    default: 'auto',
    choices: ['auto', 'true', 'blocks', 'tiny'],
    help:
      'true: the whole models; blocks: two layers of each stack, at the true widths; tiny: for a look at the bench itself. auto ' +
      'takes what the speed of products allows.',
  },
  pytorch: {
    group: 'Measuring',
    type: 'boolean',
    default: true,
    help: 'Measure PyTorch too, where VERNIER_PYTHON or python3 has it and it sees a GPU.',
  },
  json: { group: 'Output', type: 'string', default: null, place: 'path', help: 'File for all figures, as JSON.' },
} as const satisfies Definitions;
export type BenchOptions = OptionsOf<typeof definitions>;

export const benchProgram: Program<BenchOptions> = {
  intro: [
    'Checks and measures what this GPU does with Vernier. Nothing is read, fetched or trained for keeps.',
    '',
    'Usage: node dist/bench.js --gpu [--minutes 9] [--json bench.json]',
  ],
  definitions,
  check(options) {
    if (!options.gpu) throw new UserError('Nothing to measure: give --gpu, which measures the GPU that is there.');
    return [];
  },
};
