/**
 * How a process is asked to end: Ctrl-C, a scheduler's SIGTERM, the SIGHUP of a terminal that is gone. The first is a request, for the program to save and leave;
 * the second ends the process by that signal's own default, which no thread can hold up: `process.exit` waits for calls to a file system that hangs.
 */
import process from 'node:process';

const NUMBERS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
export type StopSignal = keyof typeof NUMBERS;
const SIGNALS = Object.keys(NUMBERS) as StopSignal[];

/** Calls back at each of the signals; returns the undoing, after which they end the process again, as they do without us. */
export function onStopSignal(act: (signal: StopSignal) => void): () => void {
  const listeners = SIGNALS.map((signal) => [signal, (): void => act(signal)] as const);
  for (const [signal, listener] of listeners) process.on(signal, listener);
  return () => {
    for (const [signal, listener] of listeners) process.off(signal, listener);
  };
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
