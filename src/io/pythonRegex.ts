/**
 * Python regular expressions in JavaScript. PEFT's `target_modules`, `exclude_modules`, `rank_pattern` and `alpha_pattern` are matched with
 * Python's `re`; the syntaxes are almost the same, and what differs is rewritten here or refused with words.
 */
import { errorText, UserError } from '../platform.ts';
import { shownJson } from './parseJson.ts';
import { canInterrupt, mayExplode } from './timeLimit.ts';

/** `re.fullmatch(pattern, name)` as a test. `label` names the option in errors. */
export function pythonFullMatch(pattern: string, label: string): (name: string) => boolean {
  const { source, flags } = translate(pattern, label);
  const regex = compile(`^(?:${source})$`, flags, pattern, label);
  return (name) => regex.test(name);
}

/** `re.match(before + pattern + after, name)` as a test, where only `pattern` is the user's. */
export function pythonMatch(before: string, pattern: string, after: string, label: string): (name: string) => RegExpExecArray | null {
  const { source, flags } = translate(pattern, label);
  const regex = compile(`^(?:${before}${source}${after})`, flags, pattern, label);
  return (name) => regex.exec(name);
}

function compile(source: string, flags: string, pattern: string, label: string): RegExp {
  if (!canInterrupt() && mayExplode(pattern))
    throw refuse(pattern, label, 'it repeats a repetition, which can take for ever and cannot be stopped here');
  try {
    return new RegExp(source, flags);
  } catch (error) {
    throw refuse(pattern, label, errorText(error));
  }
}

function refuse(pattern: string, label: string, why: string): UserError {
  return new UserError(`${label}: the regular expression ${shownJson(pattern)} cannot be used: ${why}`);
}

/** Escapes that mean the same in both languages, for module names (ASCII, one line). */
const SHARED_ESCAPES = new Set('dDwWsSbBnrtfvxu0123456789');

function translate(pattern: string, label: string): { source: string; flags: string } {
  let flags = 's'; // module names have no line breaks; `.` may as well match everything
  let rest = pattern;
  const inline = /^\(\?([aimsLux]+)\)/.exec(rest);
  if (inline !== null) {
    if (/[Lx]/.test(inline[1]!)) throw refuse(pattern, label, `the inline flags ${inline[0]} are not supported; drop them`);
    if (inline[1]!.includes('i')) flags += 'i';
    rest = rest.slice(inline[0].length);
  }
  let out = '';
  while (rest !== '') {
    const { text, length } = nextPiece(rest, (why) => refuse(pattern, label, why));
    out += text;
    rest = rest.slice(length);
  }
  return { source: out, flags };
}

/** The translation of the first construct of `rest` and how many characters it took. */
function nextPiece(rest: string, error: (why: string) => UserError): { text: string; length: number } {
  if (rest.startsWith('\\')) return escape(rest, error);
  if (rest.startsWith('[')) return characterClass(rest, error);
  const named = /^\(\?P<(\w+)>/.exec(rest);
  if (named !== null) return { text: `(?<${named[1]!}>`, length: named[0].length };
  const back = /^\(\?P=(\w+)\)/.exec(rest);
  if (back !== null) return { text: `\\k<${back[1]!}>`, length: back[0].length };
  const comment = /^\(\?#[^)]*\)/.exec(rest);
  if (comment !== null) return { text: '', length: comment[0].length };
  const upTo = /^\{,(\d+)\}/.exec(rest);
  if (upTo !== null) return { text: `{0,${upTo[1]!}}`, length: upTo[0].length };
  const special = /^\(\?(?!:|=|!|<=|<!)[^)]{0,8}/.exec(rest);
  if (special !== null) throw error(`${special[0]}… has no equivalent here; write it with (?:…), (?=…), (?!…), (?<=…) or (?<!…)`);
  if (/^([*+?]|\{\d*,?\d*\})\+/.test(rest)) throw error('possessive repetitions are not supported; use a plain one');
  return { text: rest[0]!, length: 1 };
}

function escape(rest: string, error: (why: string) => UserError): { text: string; length: number } {
  const letter = rest[1];
  if (letter === undefined) throw error('it ends in a backslash');
  if (letter === 'A') return { text: '^', length: 2 };
  if (letter === 'Z') return { text: '$', length: 2 };
  if (/[A-Za-z0-9]/.test(letter) && !SHARED_ESCAPES.has(letter)) throw error(`\\${letter} is not an escape of Python's re`);
  return { text: rest.slice(0, 2), length: 2 };
}

/** In Python a `]` right after the opening bracket is an ordinary character; JavaScript would take the class to be empty. */
function characterClass(rest: string, error: (why: string) => UserError): { text: string; length: number } {
  const match = /^\[(\^?)(\]?)((?:[^\]\\]|\\.)*)\]/s.exec(rest);
  if (match === null) throw error('a [ has no closing ]');
  const [all, negation, bracket, members] = match;
  return { text: `[${negation!}${bracket === '' ? '' : '\\]'}${members!}]`, length: all.length };
}
