/**
 * `npm test`: set-up, the builds that tests start and open, then every test. Arguments go on to vitest: `npm test -- test/ops`.
 */
import { join } from 'node:path';
import { ensureBuilt, ensurePackages, root, runProgram, splitYes } from './steps.mjs';

const { yes, rest } = splitYes(process.argv.slice(2));
ensurePackages();
const { ensureGpu } = await import('./ensureGpu.mjs');
await ensureGpu({ yes });
ensureBuilt(['node', 'library', 'web']);
process.exit(runProgram(process.execPath, [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...rest]));
