/**
 * The real thing for node/locks: processes in PID namespaces of their own under one host name, with clocks that disagree, the real times, and SIGKILL. Outside of CI, since it
 * needs root on Linux and four minutes: node test/node/namespaces/run.mjs
 *  1. a living lock is tried for 100 times, each from a new namespace: never taken;
 *  2. eight wait for it for 100 s: none gets it; then its owner is killed: the first has it within 90 s, and never two at once.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildProgram } from '../../buildProgram.mjs';

const TRIES = 100;
const WAITERS = 8;
const CLOCKS = [0, -90, 90, 3 * 86_400, -3 * 86_400];

const scratch = mkdtempSync(join(tmpdir(), 'vernier-namespaces-'));
// Below the repository, where the packages are found that it imports.
const built = fileURLToPath(new URL('../../../dist/namespaces', import.meta.url));
const program = await buildProgram(new URL('contender.ts', import.meta.url), built);
const [lock, notes] = [join(scratch, 'run.lock'), join(scratch, 'notes')];

const children = new Set();
function contender(mode, seconds) {
  const words = ['--pid', '--fork', '--kill-child', '--mount-proc', '--uts', 'sh', '-c', 'hostname one-name && exec "$@"', 'sh'];
  const child = spawn('unshare', [...words, process.execPath, program, lock, notes, mode, String(seconds)], { stdio: ['ignore', 'inherit', 'inherit'] });
  children.add(child);
  const ended = new Promise((resolve) => child.on('close', (code) => (children.delete(child), resolve(code))));
  return { child, ended };
}
/** [seconds, word], in their order. */
const noted = () => readFileSync(notes, 'utf8').split('\n').filter(Boolean).map((line) => [Number(BigInt(line.split(' ')[0])) / 1e9, line.split(' ')[1]]);
const count = (word) => noted().filter(([, other]) => other === word).length;
function must(isTrue, what) {
  console.log(`${isTrue ? 'ok  ' : 'FAIL'} ${what}`);
  if (!isTrue) process.exitCode = 1;
}

try {
  writeFileSync(notes, '');
  const holder = contender('hold', -90);
  while (count('enter') === 0) await pause(50);

  for (let done = 0; done < TRIES; done += 10) await Promise.all(Array.from({ length: 10 }, (_, i) => contender('try', CLOCKS[i % CLOCKS.length]).ended));
  must(count('refused') === TRIES && count('enter') === 1, `${TRIES} tries from ${TRIES} namespaces: ${count('refused')} refused, ${count('enter') - 1} took the living lock`);

  const waiting = Array.from({ length: WAITERS }, (_, i) => contender('wait', CLOCKS[i % CLOCKS.length]).ended);
  await pause(100_000);
  must(count('enter') === 1, `${WAITERS} waited for 100 s: ${count('enter') - 1} took the living lock`);
  const killedAt = Number(process.hrtime.bigint()) / 1e9;
  holder.child.kill('SIGKILL');
  await Promise.all(waiting);
  const after = noted().filter(([time]) => time > killedAt);
  const took = after[0][0] - killedAt;
  must(took <= 90, `the killed owner's lock was taken after ${took.toFixed(1)} s`);
  must(after.length === 2 * WAITERS && after.every(([, word], i) => word === (i % 2 === 0 ? 'enter' : 'leave')), `${count('leave')} of ${WAITERS} had it, one after another`);
} finally {
  for (const child of children) child.kill('SIGKILL');
  for (const folder of [scratch, built]) rmSync(folder, { recursive: true, force: true });
}
