/**
 * `npm run bench -- against DIR [--rounds N] [--only GROUPS]`: this build and that of another checkout (`git worktree add DIR COMMIT`, with packages), one process after the
 * other in turns. A machine that others use is slower by half from one minute to the next, so that two figures compare only when they were taken beside each other. Of every
 * line that both benches print, the ratio of each turn's times and the median of the ratios.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { fail, root, runProgram } from '../../node/scripts/steps.mjs';

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

function build(checkout) {
  const vite = join(checkout, 'node_modules', 'vite', 'bin', 'vite.js');
  if (!existsSync(vite)) fail(`${checkout} has no packages: run "npm ci" there.`);
  if (runProgram(process.execPath, [vite, 'build', '--mode', 'bench', '--logLevel', 'warn'], { cwd: checkout }) !== 0) fail(`${checkout} could not be built; the message is above.`);
}

/** Milliseconds by line. */
function measure(checkout, only, folder) {
  const file = join(folder, 'figures.json');
  rmSync(file, { force: true });
  // It was called bench.js until bench.js became the GPU's own.
  const program = ['benchSpeed.js', 'bench.js'].map((name) => join(checkout, 'dist', name)).find((path) => existsSync(path));
  if (program === undefined) fail(`${checkout} builds no bench.`);
  const status = runProgram(process.execPath, [program, '--only', only, '--json', file], { cwd: checkout, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) fail(`the bench of ${checkout} failed.`);
  const { figures } = JSON.parse(readFileSync(file, 'utf8'));
  return new Map(figures.map(({ group, what, ms }) => [`${group}: ${what}`, ms]));
}

export function against(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { rounds: { type: 'string', default: '5' }, only: { type: 'string', default: 'matmul,linear,attention,memory,head,step' } },
  });
  const rounds = Number(values.rounds);
  if (positionals.length !== 1 || !Number.isInteger(rounds) || rounds < 1) fail('npm run bench -- against DIR [--rounds N] [--only GROUPS]');
  const other = resolve(positionals[0]);
  if (!existsSync(join(other, 'test', 'bench', 'bench.ts'))) fail(`${other} is no checkout of Vernier with a bench.`);
  for (const checkout of [other, root]) build(checkout);
  const folder = mkdtempSync(join(tmpdir(), 'vernier-bench-'));
  const turns = [];
  for (let round = 0; round < rounds; round++) {
    turns.push({ before: measure(other, values.only, folder), after: measure(root, values.only, folder) });
    console.error(`turn ${round + 1} of ${rounds}`);
  }
  rmSync(folder, { recursive: true, force: true });
  console.log('| | before, ms | after, ms | speed-up | of all turns |\n|---|---:|---:|---:|---|');
  for (const line of turns[0].after.keys()) {
    const both = turns.filter(({ before, after }) => before.has(line) && after.has(line));
    if (both.length === 0) continue;
    const ratios = both.map(({ before, after }) => before.get(line) / after.get(line));
    const middle = (side) => median(both.map((turn) => turn[side].get(line))).toPrecision(3);
    console.log(`| ${line} | ${middle('before')} | ${middle('after')} | ${median(ratios).toFixed(2)} | ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')} |`);
  }
}
