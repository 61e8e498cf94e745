/** `--help`, made from the definitions. */
import { GROUPS, defaultText, rangeText } from './definition.ts';
import type { Definition } from './definition.ts';
import type { Program } from './program.ts';

const INDENT = 34;

/** All options of a program by group, at most `columns` wide, defaults shown. What is not built yet says so. */
export function helpOf({ intro, definitions }: Pick<Program<unknown>, 'intro' | 'definitions'>, columns = 100): string {
  const all = Object.entries(definitions);
  const lines = [...intro];
  for (const group of GROUPS) {
    const own = all.filter(([, definition]) => definition.group === group);
    if (own.length > 0) lines.push('', `${group}:`);
    for (const [name, definition] of own) {
      const head = `  --${name} ${valueText(definition)}`.trimEnd();
      const body = wrap(describe(definition), columns - INDENT);
      if (head.length < INDENT) lines.push(head.padEnd(INDENT) + (body.shift() ?? ''));
      else lines.push(...wrapHead(head, columns));
      lines.push(...body.map((line) => ' '.repeat(INDENT) + line));
    }
  }
  return lines.join('\n') + '\n';
}

function valueText(definition: Definition): string {
  switch (definition.type) {
    case 'boolean':
      return definition.bare ? '' : 'true|false';
    case 'integer':
      return 'N';
    case 'number':
      return 'X';
    case 'string':
      return definition.orBoolean ? 'true|false|PATH' : 'TEXT';
    case 'enum':
      return definition.choices.join('|');
    case 'list':
      return 'A,B,…';
  }
}

function describe(definition: Definition): string {
  const facts: string[] = [];
  const unset = defaultText(definition);
  if (unset) facts.push(`default ${unset}`);
  if (definition.type === 'integer' || definition.type === 'number') {
    const range = rangeText(definition);
    if (range) facts.push(range);
  }
  if (definition.aliases) facts.push(`also ${definition.aliases.map((alias) => `--${alias}`).join(', ')}`);
  if (definition.env) facts.push(`or environment variable ${definition.env}`);
  const refused = 'refusedChoices' in definition ? Object.keys(definition.refusedChoices ?? {}) : [];
  if (definition.note && definition.group !== 'Accepted, without effect') facts.push('no effect on training yet');
  else if (refused.length > 0) facts.push(`${refused.join(', ')}: not yet`);
  return facts.length > 0 ? `${definition.help} (${facts.join('; ')})` : definition.help;
}

/** Words into lines of at most `width`; a longer word has a line of its own. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** The first line of an option, broken after a `|` where its choices are many. */
function wrapHead(head: string, columns: number): string[] {
  if (head.length <= columns) return [head];
  const at = head.lastIndexOf('|', columns - 1) + 1;
  return at === 0 ? [head] : [head.slice(0, at), ...wrapHead(' '.repeat(6) + head.slice(at), columns)];
}
