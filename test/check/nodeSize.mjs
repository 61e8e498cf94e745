/**
 * `node/` is what is Node's: the programs, and what they and the platform need of the runtime. What a program does is src/run's, where the
 * browser has it too. This check holds node/ under 2 500 lines of TypeScript, so that work is put there and not here; node/mpi, which no other
 * runtime has, under 900 of its own.
 *
 * Run: node test/check/nodeSize.mjs [root]. Exit status 1 where it is larger, with its largest files.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const MOST = 2500;
const MOST_OF_MPI = 900;

const root = resolve(process.argv[2] ?? fileURLToPath(new URL('../..', import.meta.url)));
const all = readdirSync(join(root, 'node'), { recursive: true })
  .map((name) => String(name).replaceAll('\\', '/'))
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name, lines: readFileSync(join(root, 'node', name), 'utf8').split('\n').length - 1 }))
  .sort((a, b) => b.lines - a.lines);
const isOfMpi = ({ name }) => name.startsWith('mpi/');

function hold(what, files, most) {
  const lines = files.reduce((sum, file) => sum + file.lines, 0);
  if (lines < most) return console.log(`${what}: ${lines} lines of TypeScript, under ${most}`);
  const largest = files.slice(0, 5).map((file) => `${file.name} ${file.lines}`);
  console.error(`${what} has ${lines} lines of TypeScript, ${most} are too many: move what is not Node's to src. ${largest.join(', ')}`);
  process.exitCode = 1;
}

hold('node/', all.filter((file) => !isOfMpi(file)), MOST);
hold('node/mpi/', all.filter(isOfMpi), MOST_OF_MPI);
