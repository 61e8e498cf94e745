/**
 * `npm start`: the main job on the embedded sample, on a machine that may have nothing but Node. Arguments go on to dist/quickstart.js
 * (`npm start -- --help`); `--yes` allows the installation of a software GPU without a question.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt, ensurePackages, fail, root, runProgram, splitYes } from './steps.mjs';

const { yes, rest } = splitYes(process.argv.slice(2));
ensurePackages();
const { ensureGpu } = await import('./ensureGpu.mjs');
await ensureGpu({ yes });
ensureBuilt(['node']);
const program = join(root, 'dist', 'quickstart.js');
if (!existsSync(program)) fail('node/quickstart.ts is not written yet, so there is no sample run; `npm test` runs what there is.');

// The terminal's Ctrl-C reaches the child as well, which saves and ends by itself; this process waits for it.
process.on('SIGINT', () => {});
process.exit(runProgram(process.execPath, [program, ...rest]));
