/**
 * A time limit on work in this thread, for src/io/timeLimit.ts: `node:vm` interrupts what it runs, in a loop as well as within a regular
 * expression, in Node, Deno and Bun alike (Bun within a match only when its own limit of steps is reached, after a second or so). It takes
 * 0.2 ms in Node, which begins a thread for it.
 */
import { Script } from 'node:vm';
import { TookTooLong } from '../src/io/timeLimit.ts';

const WORK = Symbol.for('vernier.workWithinTime');
const script = new Script("globalThis[Symbol.for('vernier.workWithinTime')]()");
let isLimited = false;

export function limited<T>(milliseconds: number, work: () => T): T {
  if (isLimited) return work();
  const place = globalThis as { [WORK]?: () => void };
  // What interrupts does not run the work's own finally, so nothing is left to it.
  let result: { value: T } | undefined;
  place[WORK] = () => {
    result = { value: work() };
  };
  isLimited = true;
  try {
    script.runInThisContext({ timeout: Math.ceil(milliseconds) });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw new TookTooLong(error.message);
    throw error;
  } finally {
    isLimited = false;
    delete place[WORK];
  }
  return (result as { value: T } | undefined)!.value;
}
