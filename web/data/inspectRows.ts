/** In the worker: the page of `vernier inspect` for a project's rows. */
import { platform } from '../here.ts';
import { inspect } from '../../src/run/inspect/inspect.ts';
import { readArguments } from '../../src/run/inspect/arguments.ts';
import { joinPath, UserError } from '../../src/platform.ts';
import { projectFolder } from '../studio/project.ts';
import { SILENT } from '../../src/track/console.ts';

export interface InspectedRows {
  project: string;
  train: string;
  val: string | null;
  base: string;
  /** Of the training options, those that say how rows are read. */
  options: Readonly<Record<string, unknown>>;
}

/** Those that the page shows the work of. */
const SHOWN = ['min_pixels', 'max_pixels', 'do_image_splitting', 'longest_edge', 'mask', 'sixteen_bit', 'seed'];
const ROWS = 24;

export const inspectFunctions = {
  /** One HTML file that loads nothing. @throws UserError for rows that cannot be trained on */
  async inspectRows({ project, train, val, base, options }: InspectedRows): Promise<string> {
    const out = joinPath(projectFolder(project), 'inspect.html');
    const given = SHOWN.flatMap((name) => (name in options ? [`--${name}`, String(options[name])] : []));
    const held = val === null ? [] : ['--val_file', val];
    const words = [train, ...held, '--base_model_hf', base, '--samples', String(ROWS), '--out', out, '--overwrite', 'true', ...given];
    const request = await readArguments(words, {}, platform, base);
    if (request === undefined) throw new Error('inspect was asked for its help');
    const warned: string[] = [];
    const hear = (text: string): void => void warned.push(text);
    await inspect(request, { platform, stop: new AbortController().signal, terminal: SILENT, say: hear, warn: hear });
    if (!(await platform.exists(out))) throw new UserError(warned.at(-1) ?? 'The rows could not be looked at.');
    const page = new TextDecoder().decode(await platform.readFile(out));
    await platform.remove(out);
    return page;
  },
};
