/** What a form says of options, and what is wrong with it: a value counts only where it is another than the record's. */
import { defaultText, rangeText } from '../../src/options/definition.ts';
import type { Definition, Value } from '../../src/options/definition.ts';
import type { Definitions } from '../../src/options/program.ts';
import { readValue } from '../../src/options/value.ts';
import { UserError } from '../../src/platform.ts';

/** Options by name, only those that were changed. */
export type Changed = Readonly<Record<string, unknown>>;

/** As a person would write it; '' for what is unset. */
export function shownValue(definition: Definition, value: unknown): string {
  if (value === undefined) return defaultText(definition);
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(',');
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

function isDefault(definition: Definition, value: Value): boolean {
  return JSON.stringify(value) === JSON.stringify(definition.default);
}

/** `changed` with what was written for one option: nothing, or the default, takes it away. @throws UserError in the field's words */
export function withWritten(definitions: Definitions, changed: Changed, name: string, written: string): Changed {
  const definition = definitions[name]!;
  const { [name]: _, ...others } = changed;
  if (written.trim() === '') return others;
  const value = readValue(definition, written, name);
  return isDefault(definition, value) ? others : { ...others, [name]: value };
}

/** What is wrong with what was written; undefined: nothing. */
export function wrongWith(definition: Definition, name: string, written: string): string | undefined {
  if (written.trim() === '') return undefined;
  try {
    readValue(definition, written, name);
    return undefined;
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

/** The record's help with its limits and default. In a form, names have no dashes. */
export function fieldHelp(definition: Definition): string {
  const facts: string[] = [];
  if (definition.type === 'integer' || definition.type === 'number') facts.push(rangeText(definition));
  const unset = defaultText(definition);
  if (unset !== '') facts.push(`default ${unset}`);
  const known = facts.filter((fact) => fact !== '');
  return `${definition.help.replaceAll(/--(?=[a-z])/gi, '')}${known.length > 0 ? ` (${known.join('; ')})` : ''}`;
}
