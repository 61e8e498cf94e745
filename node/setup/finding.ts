/** What a check of the surroundings finds, and how it is shown: everything in a list, then what is missing with the most important first. */
import type { Terminal } from '../../src/track/console.ts';

export interface Finding {
  /** missing: training will not work; warning: it may not, or not well. */
  state: 'good' | 'warning' | 'missing';
  about: string;
  text: string;
  /** What to do about it. */
  fix?: string;
}

const MARKS = { good: '✓', warning: '!', missing: '✗' } as const;

/** `findings` in the order of their importance. @returns whether nothing is missing */
export function report(terminal: Terminal, findings: readonly Finding[]): boolean {
  const width = Math.max(...findings.map(({ about }) => about.length));
  for (const { state, about, text } of findings) terminal.write(`${MARKS[state]} ${about.padEnd(width)}  ${text}\n`);
  const missing = findings.filter(({ state }) => state === 'missing');
  const warnings = findings.filter(({ state }) => state === 'warning');
  const list = (title: string, items: readonly Finding[]): void => {
    if (items.length === 0) return;
    terminal.write(`\n${title}\n`);
    items.forEach(({ about, text, fix }, i) => terminal.write(`  ${i + 1}. ${about}: ${fix ?? text}\n`));
  };
  list('Missing, the most important first:', missing);
  list('Worth a look:', warnings);
  terminal.write(missing.length === 0 ? '\nReady to train.\n' : '\nNot ready yet: put the first of these right, and run this again.\n');
  return missing.length === 0;
}
