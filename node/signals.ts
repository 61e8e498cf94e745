/**
 * How a process is asked to end: Ctrl-C, a scheduler's SIGTERM, the SIGHUP of a terminal that is gone. The first is a request, for the
 * program to save and leave; the second ends the process by that signal's own default, which no thread can hold up: `process.exit` waits
 * for calls to a file system that hangs.
 */
import process from 'node:process';
import type { StopSignal } from '../src/run/main.ts';

const NUMBERS: Readonly<Record<StopSignal, number>> = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 };
const SIGNALS = Object.keys(NUMBERS) as StopSignal[];

/** Long enough that hardly two signals come so close that the second falls between the two ways of ending. */
const UNTIL_DEFAULT_MS = 200;

/**
 * Calls back at each of the signals; returns the undoing, after which they end the process again, as they do without us. Soon after the
 * first that happens by itself: a second one then works even where this thread is busy and would not hear of it (a driver that compiles, a
 * pattern that never ends). The first process of a container has no such default, and is called back always.
 */
export function onStopSignal(act: (signal: StopSignal) => void): () => void {
  let isAsked = false;
  const off = (): void => {
    for (const [signal, listener] of listeners) process.off(signal, listener);
  };
  const listeners = SIGNALS.map((signal) => {
    const listener = (): void => {
      if (!isAsked && process.pid !== 1) {
        // Within the turn of the loop, after signals that came meanwhile have been heard: taking a listener away drops them.
        setTimeout(() => setImmediate(off), UNTIL_DEFAULT_MS).unref();
      }
      isAsked = true;
      act(signal);
    };
    return [signal, listener] as const;
  });
  for (const [signal, listener] of listeners) process.on(signal, listener);
  return off;
}

/** Ends the process as if nobody had listened for the signal: a shell sees 128 + its number. */
export function endBySignal(signal: StopSignal): void {
  const leave = (): void => process.exit(128 + NUMBERS[signal]);
  // The first process of a container has no default to fall back on.
  if (process.pid === 1) leave();
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  setTimeout(leave, 500); // where a signal to oneself is not obeyed
}
