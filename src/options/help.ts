/** `--help`, made from the definitions. */
import { dataOptions } from './data.ts';
import { GROUPS, defaultText, rangeText } from './definition.ts';
import type { Definition } from './definition.ts';
import { hubOptions } from './hub.ts';
import { trainingOptions } from './training.ts';

const INDENT = 34;

/** All options by group, at most `columns` wide, defaults shown. What is not built yet says so. */
export function helpText(columns = 100): string {
  const all = Object.entries<Definition>({ ...trainingOptions, ...dataOptions, ...hubOptions });
  const lines = [
    'Fine-tunes a vision-language model on WebGPU and leaves a PEFT adapter.',
    '',
    'Usage: node dist/train.js --base_model_hf DIR --train_file rows.jsonl [--name value …]',
    '       node dist/train.js --config recipe.yaml [--name value …]',
    'Flags are written --name value or --name=value, and override the recipe.',
  ];
  for (const group of GROUPS) {
    lines.push('', `${group}:`);
    for (const [name, definition] of all) {
      if (definition.group !== group) continue;
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
      return 'true|false';
    case 'integer':
      return 'N';
    case 'number':
      return 'X';
    case 'string':
      return 'TEXT';
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
  if (definition.refusal) facts.push('not built yet');
  else if (definition.note && definition.group !== 'Accepted, without effect') facts.push('no effect on training yet');
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
