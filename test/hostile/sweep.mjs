/**
 * A hundred thousand hostile inputs through every reader (parsers.ts), each reader in a process of its own: that none hangs for two seconds, none ends with an error that is no UserError, and
 * none takes 300 MB beside what it began with. Outside of CI, since it takes an hour or two: node test/hostile/sweep.mjs
 *   VERNIER_HOSTILE_CASES=1000   fewer
 *   node test/hostile/sweep.mjs --table   RESULTS.md of what is kept (of each reader the run with the most cases), and nothing is run
 *   node test/hostile/sweep.mjs rows   readers whose names have the word; without words RESULTS.md beside this file is written
 * Results are kept in dist/hostile-sweep.jsonl, each with its commit, and good ones are not asked for again: a sweep that was broken off goes on where it was. Remove the file to begin anew.
 */
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { buildProgram } from '../buildProgram.mjs';

const CASES = Number(process.env.VERNIER_HOSTILE_CASES ?? 100_000);
/** Without a word from the process for so long, a case hangs. */
const SILENCE_MS = 120_000;
const root = fileURLToPath(new URL('../..', import.meta.url));
const outDir = join(root, 'dist', `hostile-${process.pid}`);
const kept = join(root, 'dist/hostile-sweep.jsonl');
const git = (...args) => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout.trim();
const commit = `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', '--untracked-files=no', '--', 'src', 'node', 'test/hostile') === '' ? '' : '+'}`;
const isTable = process.argv.includes('--table');
const words = process.argv.slice(2).filter((word) => word !== '--table');

/** @returns what the process told last, with `error` where it did not come to its end */
function run(program, name) {
  // glibc keeps what each thread has freed: of a hundred thousand WebP pictures 300 MB in the threads that decode, 70 MB with one heap for all. Looked for is what we hold.
  const env = { ...process.env, MALLOC_ARENA_MAX: '1' };
  const child = spawn(process.execPath, [program, name, String(CASES)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env });
  return new Promise((resolve) => {
    let last = { done: 0 };
    const silence = setTimeout(() => {
      last.error = `no word for ${SILENCE_MS / 1000} s after ${last.done} cases: a hang`;
      child.kill('SIGKILL');
    }, SILENCE_MS);
    child.on('message', (message) => {
      last = message;
      silence.refresh();
    });
    child.on('close', (code, signal) => {
      clearTimeout(silence);
      resolve(code === 0 ? last : { error: `ended with ${signal ?? code}`, ...last });
    });
  });
}

/** Of a busy machine a case may wait long for its turn; what it does itself is its CPU time, and what it waits for is seen in the other. */
const isGood = ({ error, slowestMs, cpuMs = slowestMs, moreMb, refused }) => error === undefined && cpuMs < 2000 && slowestMs < 10_000 && moreMb < 300 && refused > 0;
const line = ({ name, commit: of, done = 0, refused = '', slowestMs = '', cpuMs = '', moreMb = '', error }) => `| ${name} | ${of} | ${done} | ${refused} | ${slowestMs} | ${cpuMs} | ${moreMb} | ${error ?? ''} |`;

try {
  const program = await buildProgram(new URL('sweep.ts', import.meta.url), outDir);
  const { stdout, status, stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  mkdirSync(join(root, 'dist'), { recursive: true });
  const before = existsSync(kept) ? readFileSync(kept, 'utf8').trim().split('\n').filter(Boolean).map((text) => JSON.parse(text)) : [];
  const names = stdout.trim().split('\n').filter((name) => words.length === 0 || words.some((word) => name.includes(word)));
  const results = [];
  for (const name of names) {
    const good = before.filter((one) => one.name === name && isGood(one));
    const known = isTable ? good.toSorted((a, b) => a.done - b.done).at(-1) : good.findLast((one) => one.asked === CASES);
    const result = known ?? { name, commit, asked: CASES, ...(isTable ? { error: 'not run' } : await run(program, name)) };
    results.push(result);
    if (!known && !isTable) appendFileSync(kept, `${JSON.stringify(result)}\n`);
    console.log(`${isGood(result) ? 'ok  ' : 'FAIL'} ${line(result)}`);
  }
  const good = results.filter(isGood).length;
  const whole = results.filter((one) => isGood(one) && one.done >= 100_000).length;
  console.log(`${good} of ${results.length} readers are as they should be.`);
  if (good < results.length && !isTable) process.exitCode = 1;
  if (words.length === 0) {
    const text = [
      '# Hostile inputs through every reader', '',
      `\`node test/hostile/sweep.mjs\`, Node ${process.versions.node}: ${good} of ${results.length} readers as they should be, ${whole} of them in 10^5 cases or more. Cases are drawn by`,
      'fast-check (cases.ts); those of a model folder are six files of one loader and share their number. Refused are those that ended with a UserError; an error that is none, two seconds of CPU (ten of the clock) for one case, or 300 MB beside what the process had',
      'before the first case would fail. Those that were not run here had their thousand cases in corpus.test.ts.', '',
      '| reader | commit | cases | refused | slowest, ms | most CPU, ms | MB more at most | wrong |', '|---|---|---|---|---|---|---|---|', ...results.map(line),
    ];
    writeFileSync(fileURLToPath(new URL('RESULTS.md', import.meta.url)), `${text.join('\n')}\n`);
  }
} finally {
  rmSync(outDir, { recursive: true, force: true });
}
