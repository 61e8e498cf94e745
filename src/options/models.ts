/** The options of `vernier models`. */
import type { Definitions, OptionsOf, Program } from './program.ts';

const definitions = {
  json: { group: 'Output', type: 'boolean', default: false, bare: true, help: 'The list as JSON.' },
} as const satisfies Definitions;
export type ModelsOptions = OptionsOf<typeof definitions>;

export const modelsProgram: Program<ModelsOptions> = {
  intro: [
    'Lists the model families that can be fine-tuned, with models of each, what is trained, and what they were checked against.',
    '',
    'Usage: vernier models [--json]',
  ],
  definitions,
  check: () => [],
};
