/** The options of `node dist/setup.js`: those of the training run that is planned, and its own. */
import { definitions } from '../options.ts';
import type { Definitions, OptionsOf, Program } from './program.ts';

const setupDefinitions = {
  ...definitions,
  plans: {
    group: 'Measuring',
    type: 'boolean',
    default: false,
    bare: true,
    help: 'Print the kernels that were measured to be the fastest on this GPU, and nothing else.',
  },
} as const satisfies Definitions;
export type SetupOptions = OptionsOf<typeof setupDefinitions>;

export const setupProgram: Program<SetupOptions> = {
  intro: [
    'Checks what training needs and says what is missing, the most important first. Nothing is trained.',
    '',
    'Usage: node dist/setup.js --data_dir ./Data [--base_model_hf MODEL] [--name value …]',
    '       node dist/setup.js --config recipe.yaml',
    '       node dist/setup.js --plans',
    'The flags are those of node dist/train.js; give those of the run that is planned.',
  ],
  definitions: setupDefinitions,
  check(options) {
    options.output_dir = options.output_dir.replaceAll('{run_name}', options.run_name);
    return [];
  },
};
