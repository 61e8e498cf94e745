/**
 * From what a flag, a recipe or a form says to an option's value: the type, the range and the choices are checked here, and nowhere else.
 */
import { UserError } from '../platform.ts';
import { isInRange, rangeText } from './definition.ts';
import type { Definition, Value } from './definition.ts';
import { nearestName } from './nearest.ts';

const INTEGER = /^[+-]?\d+$/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const REGEX_SIGNS = /[\\()[\]{}*+?^$|]/;

/**
 * `said` is text (a flag) or a YAML scalar or list. `where` names the option in messages: `--learning_rate`, or `learning_rate in
 * recipe.yaml`.
 * @throws UserError when it is of another type, out of range or none of the choices
 */
export function readValue(definition: Definition, said: unknown, where: string): Value {
  const found = foundText(said);
  switch (definition.type) {
    case 'boolean': {
      const word = typeof said === 'boolean' ? String(said) : typeof said === 'string' ? said.trim().toLowerCase() : '';
      if (word === 'true' || word === 'false') return word === 'true';
      const right = where.startsWith('--') ? `${where} true or ${where} false` : 'true or false';
      throw new UserError(`${where} is true or false, found ${found}. Write ${right}.`);
    }
    case 'integer':
    case 'number': {
      const kind = definition.type === 'integer' ? 'a whole number' : 'a number';
      const range = rangeText(definition);
      const expected = range ? `${kind}, ${range}` : kind;
      const text = typeof said === 'number' ? String(said) : typeof said === 'string' ? said.trim() : '';
      const value = (definition.type === 'integer' ? INTEGER : NUMBER).test(text) ? Number(text) : NaN;
      const isNumber = definition.type === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value);
      if (!isNumber) throw new UserError(`${where} takes ${expected}, found ${found}.`);
      if (!isInRange(value, definition)) throw new UserError(`${where} is out of range: it takes ${expected}, found ${found}.`);
      return value;
    }
    case 'string': {
      if (definition.orBoolean && (typeof said === 'boolean' || (typeof said === 'string' && /^\s*(true|false)\s*$/i.test(said)))) {
        return String(said).trim().toLowerCase();
      }
      if (typeof said !== 'string') throw new UserError(`${where} takes text, found ${found}. In YAML, put it in quotes.`);
      if (said.trim() === '') throw new UserError(`${where} is empty. Give it a value, or leave it out.`);
      return said;
    }
    case 'enum':
      if (typeof said !== 'string') throw new UserError(`${where} takes one of ${definition.choices.join(', ')}; found ${found}.`);
      return readChoice(definition, said.trim(), where);
    case 'list':
      return readList(definition, said, where);
  }
}

/** Scripts give more than texts and YAML do: NaN, a bigint, a symbol. */
function foundText(said: unknown): string {
  if (typeof said === 'string') return `"${said}"`;
  return typeof said === 'object' ? JSON.stringify(said) : String(said);
}

function readChoice(
  definition: { choices: readonly string[]; refusedChoices?: Readonly<Record<string, string>> },
  word: string,
  where: string,
): string {
  if (!definition.choices.includes(word)) {
    const near = nearestName(word, definition.choices);
    throw new UserError(`${where} takes one of ${definition.choices.join(', ')}; found "${word}".${near ? ` Did you mean ${near}?` : ''}`);
  }
  const refusal = definition.refusedChoices?.[word];
  if (refusal !== undefined) throw new UserError(`${where} ${word}: ${refusal}`);
  return word;
}

function readList(definition: Extract<Definition, { type: 'list' }>, said: unknown, where: string): string[] {
  let items: string[];
  if (typeof said === 'string' && definition.regex && REGEX_SIGNS.test(said)) items = [said.trim()];
  else if (typeof said === 'string')
    items = said
      .split(definition.files ? /\s*,\s*/ : /[\s,]+/)
      .map((item) => item.trim())
      .filter(Boolean);
  else if (Array.isArray(said) && said.every((item) => typeof item === 'string')) items = said.map((item) => item.trim()).filter(Boolean);
  else throw new UserError(`${where} takes names, comma-separated or as a YAML list; found ${foundText(said)}.`);

  const { choices } = definition;
  if (choices) items = items.map((item) => readChoice({ ...definition, choices }, item, where));
  const repeated = definition.repeats ? undefined : items.find((item, index) => items.indexOf(item) !== index);
  if (repeated !== undefined) throw new UserError(`${where} names "${repeated}" twice.`);
  if (items.includes('none')) {
    if (items.length > 1) throw new UserError(`${where}: none stands alone, found ${items.join(',')}.`);
    return [];
  }
  if (items.length === 0 && typeof said === 'string')
    throw new UserError(`${where} is empty. Write none for an empty list, or leave it out.`);
  return items;
}
