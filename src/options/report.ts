/** The options of `node dist/report.js`. */
import { UserError } from '../platform.ts';
import type { Definition } from './definition.ts';
import type { OptionsOf, Program } from './program.ts';

export const definitions = {
  runs: {
    group: 'Data', type: 'list', default: [], files: true,
    help: 'Output folders of trainings and evaluations; the words without a flag. Commas between several.',
  },
  out: {
    group: 'Output', type: 'string', default: null, place: 'path',
    help: 'The page. Unset: of one run report.html in its folder, of several report.html here.',
  },
  overwrite: {
    group: 'Output', type: 'boolean', default: false,
    help: 'Replace a file of that name that is no page of Vernier.',
  },
} as const satisfies Record<string, Definition>;

export type ReportOptions = OptionsOf<typeof definitions>;

export const reportProgram: Program<ReportOptions> = {
  intro: [
    'Makes the report of a run again, of what its folder holds; or compares runs: figures, what differs, curves.',
    'The page is one HTML file that loads nothing.',
    '',
    'Usage: node dist/report.js outputs/first',
    '       node dist/report.js outputs/first outputs/second outputs/evaluation --out comparison.html',
  ],
  definitions,
  words: 'runs',
  check({ runs, out }) {
    if (runs.length === 0)
      throw new UserError('Name the output folders of runs: node dist/report.js outputs/first outputs/second. --help says more.');
    if (out?.endsWith('/')) throw new UserError(`--out ${out} is a folder; name the HTML file.`);
    return [];
  },
};
