/** The options of `node dist/ui.js`. */
import { UserError } from '../platform.ts';
import type { Definition } from './definition.ts';
import type { OptionsOf, Program } from './program.ts';

/** A browser's storage is that of an address with its port: at another one the Studio's projects are not there. */
const STUDIO_PORT = 4747;

export const definitions = {
  outputs: {
    group: 'Data', type: 'string', default: 'outputs', place: 'path',
    help: 'Folder whose runs are shown, and where those are written that are started here. Nothing outside of it is shown.',
  },
  port: {
    group: 'Serving', type: 'integer', default: 0, min: 0, max: 65535,
    help: `Port on 127.0.0.1; 0: any that is free. With --studio ${STUDIO_PORT} unless it is given: a browser keeps projects by address.`,
  },
  studio: {
    group: 'Serving', type: 'boolean', default: false, bare: true,
    help: 'The printed address opens the Studio, which trains in the browser, and not the list of runs. Both are served.',
  },
  open: {
    group: 'Serving', type: 'boolean', default: false, bare: true,
    help: "Open the address in the system's browser.",
  },
} as const satisfies Record<string, Definition>;

export type UiOptions = OptionsOf<typeof definitions>;

export const uiProgram: Program<UiOptions> = {
  intro: [
    'Shows the runs of a folder in the browser while they go on and afterwards: curves, figures, pictures, logs, two side by side; starts,',
    'stops and resumes them. For this machine alone (127.0.0.1), and for who has the address that is printed. Ctrl-C ends it, and no run.',
    '',
    'Usage: node dist/ui.js',
    '       node dist/ui.js --outputs outputs --open',
    '       node dist/ui.js --studio',
  ],
  definitions,
  check(options, given) {
    if (options.outputs.trim() === '') throw new UserError('--outputs is empty; name the folder that holds the output folders of runs.');
    if (options.studio && !given.has('port')) options.port = STUDIO_PORT;
    return [];
  },
};
