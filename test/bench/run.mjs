/**
 * `npm run bench`: builds test/bench/bench.ts into dist/benchSpeed.js and runs it on the adapter that is there. Arguments go on
 * (`npm run bench -- --help`). dist/benchSpeed.js needs node_modules/webgpu, and for the comparison node_modules/@jax-js/jax; nothing else.
 */
import { join } from 'node:path';
import { ensurePackages, fail, root, runProgram, splitYes } from '../../node/scripts/steps.mjs';

const { yes, rest } = splitYes(process.argv.slice(2));
ensurePackages();
/** `npm run bench -- images`, `-- checking`, `-- rows` and `-- records` measure without a GPU. */
if (rest[0] === 'records') {
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js');
  if (runProgram(process.execPath, [vite, 'build', '--mode', 'node', '--logLevel', 'warn']) !== 0) fail('the build failed; the message is above.');
  process.exit(runProgram(process.execPath, [join(root, 'test/bench/records.mjs'), ...rest.slice(1)]));
}
if (rest[0] === 'against') {
  const { against } = await import('./against.mjs');
  against(rest.slice(1));
  process.exit(0);
}
/** `npm run bench -- pytorch` is short for `-- --only pytorch`. */
if (rest[0] === 'pytorch') rest.unshift('--only');
/** `npm run bench -- loading [GB]` measures loading with and without quantisation, on the adapter that is there. */
const withoutGpu = { images: 'benchImages.js', checking: 'benchChecking.js', rows: 'benchRows.js' }[rest[0]];
if (withoutGpu === undefined) {
  const { ensureGpu } = await import('../../node/scripts/ensureGpu.mjs');
  await ensureGpu({ yes });
}
const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js');
if (runProgram(process.execPath, [vite, 'build', '--mode', 'bench', '--logLevel', 'warn']) !== 0) fail('the build failed; the message is above.');
const bench = rest[0] === 'loading' ? [join(root, 'dist', 'benchLoading.js'), ...rest.slice(1)] : [join(root, 'dist', 'benchSpeed.js'), ...rest];
const program = withoutGpu === undefined ? bench : [join(root, 'dist', withoutGpu), ...(rest[0] === 'rows' ? [] : [root]), ...rest.slice(1)];
process.exit(runProgram(process.execPath, program));
