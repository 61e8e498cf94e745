/** Warnings that several phases of a run come upon, told by the first. */
import type { Terminal } from '../track/console.ts';

const told = new Set<string>();

export function warnOnce(terminal: Terminal, text: string | undefined): void {
  if (text === undefined || told.has(text)) return;
  told.add(text);
  terminal.write(`Warning: ${text}\n`);
}
