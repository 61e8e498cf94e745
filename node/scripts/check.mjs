/**
 * `npm run check`: types, lint, import direction, sizes, every kernel compiled on Dawn's null backend. Lint, which takes as long as all the
 * rest, goes on beside it.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from './steps.mjs';
import { writeKernelTexts } from './kernelTexts.mjs';

/** What a program of Node says, on our output once it has ended, and its exit status. @param {string[]} args @returns {Promise<number>} */
function run(args) {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => {
      process.stdout.write(said);
      resolve(status ?? 1);
    });
  });
}

/** Up to the first that fails. @param {string[][]} programs @returns {Promise<boolean>} whether none did */
async function all(programs) {
  for (const args of programs) if ((await run(args)) !== 0) return false;
  return true;
}

const tool = (...path) => join('node_modules', ...path);
writeKernelTexts();
const passed = await Promise.all([
  all([[tool('typescript', 'bin', 'tsc'), '--noEmit'], ...['imports', 'nodeSize', 'kernels'].map((name) => [`test/check/${name}.mjs`])]),
  all([[tool('eslint', 'bin', 'eslint.js'), '.']]),
]);
process.exitCode = passed.every(Boolean) ? 0 : 1;
