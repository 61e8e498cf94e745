/**
 * What a check of the surroundings finds, and how it is shown: everything in a list, then what is missing with the most important first.
 */
import type { Terminal } from '../../track/console.ts';

export interface Finding {
  /** missing: training will not work; open: nobody has said yet what it is; warning: training may not work, or not well. */
  state: 'good' | 'warning' | 'open' | 'missing';
  about: string;
  text: string;
  /** What to do about it. */
  fix?: string;
}

const MARKS = { good: '✓', warning: '!', open: '?', missing: '✗' } as const;

/** `findings` in the order of their importance. @returns whether nothing is missing or open */
export function report(terminal: Terminal, findings: readonly Finding[]): boolean {
  const width = Math.max(...findings.map(({ about }) => about.length));
  for (const { state, about, text } of findings) terminal.write(`${MARKS[state]} ${about.padEnd(width)}  ${text}\n`);
  const missing = findings.filter(({ state }) => state === 'missing');
  const open = findings.filter(({ state }) => state === 'open');
  const warnings = findings.filter(({ state }) => state === 'warning');
  const list = (title: string, items: readonly Finding[]): void => {
    if (items.length === 0) return;
    terminal.write(`\n${title}\n`);
    items.forEach(({ about, text, fix }, i) => terminal.write(`  ${i + 1}. ${about}: ${fix ?? text}\n`));
  };
  list('Missing, the most important first:', missing);
  list('Still to be named:', open);
  list('Worth a look:', warnings);
  terminal.write(`\n${closing(missing.length > 0, open)}\n`);
  return missing.length === 0 && open.length === 0;
}

function closing(isMissing: boolean, open: readonly Finding[]): string {
  if (isMissing) return 'Not ready yet: put the first of these right, and run this again.';
  if (open.length === 0) return 'Ready to train.';
  const what = [...new Set(open.map(({ about }) => `the ${about.toLowerCase()}`))].join(' and ');
  return `This machine can train. It cannot be told yet whether the run can: name ${what}, and run this again.`;
}
