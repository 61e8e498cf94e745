/**
 * A process of run.mjs: takes the lock named first, and notes in the file named second when it got it and when it let go, by the machine's
 * one clock that goes forward.
 */
import { appendFileSync, utimesSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { nodePlatform } from '../../../node/platform.ts';

const [file = '', notes = '', mode = '', seconds = '0'] = process.argv.slice(2);
const systemNow = Date.now.bind(Date);
Date.now = () => systemNow() + Number(seconds) * 1000;
const note = (word: string): void => appendFileSync(notes, `${process.hrtime.bigint()} ${word}\n`);

const refused = new Error('refused');
try {
  const lock = await nodePlatform.lock(file, {
    onWait({ isAlive }) {
      if (isAlive && mode === 'try') throw refused;
    },
  });
  note('enter');
  const end = performance.now() + (mode === 'hold' ? 3_600_000 : 300);
  // One time, that of a clock that is wrong and stands: whoever looked at times would take the lock for dead.
  const wrong = Date.now() / 1000;
  while (performance.now() < end) {
    await pause(50);
    if (mode === 'hold') utimesSync(file, wrong, wrong);
  }
  await lock.check();
  note('leave');
  await lock.release();
} catch (error) {
  if (error !== refused) throw error;
  note('refused');
}
process.exit(0);
