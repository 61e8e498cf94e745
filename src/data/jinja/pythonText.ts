/** Text as Python sees it: code points instead of UTF-16 units, its own idea of white space and of lines. */
import { NotExact } from './failures.ts';

/** What `str.isspace` and `\s` take for white space. */
const SPACE_CHARACTERS = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const LEADING = new RegExp(`^[${SPACE_CHARACTERS}]+`);
const ONLY_SPACE = new RegExp(`^[${SPACE_CHARACTERS}]+$`);
const WORDS = new RegExp(`[^${SPACE_CHARACTERS}]+`, 'g');

export function isSpace(text: string): boolean {
  return ONLY_SPACE.test(text);
}

/** Code points; plain indexing where there are no surrogates. */
export function characters(text: string): string[] {
  return Array.from(text);
}

function hasPairs(text: string): boolean {
  return /[\ud800-\udfff]/.test(text);
}

export function textLength(text: string): number {
  return hasPairs(text) ? characters(text).length : text.length;
}

export function stripLeft(text: string, chars?: string): string {
  if (chars === undefined) return text.replace(LEADING, '');
  const letters = new Set(chars);
  const all = characters(text);
  let start = 0;
  while (start < all.length && letters.has(all[start] as string)) start++;
  return all.slice(start).join('');
}

export function stripRight(text: string, chars?: string): string {
  const isStripped =
    chars === undefined
      ? isSpace
      : (
          (letters) => (letter: string) =>
            letters.has(letter)
        )(new Set(chars));
  const all = chars === undefined ? text : characters(text);
  let end = all.length;
  while (end > 0 && isStripped(all[end - 1] as string)) end--;
  return typeof all === 'string' ? all.slice(0, end) : all.slice(0, end).join('');
}

/** `str.split()` without a separator: at most `limit` words, then the rest as it stands. */
export function splitWords(text: string, limit: number): string[] {
  const words: string[] = [];
  for (const match of text.matchAll(WORDS)) {
    if (limit >= 0 && words.length === limit) {
      words.push(text.slice(match.index));
      break;
    }
    words.push(match[0]);
  }
  return words;
}

/** `str.rsplit()` without a separator. */
export function splitWordsFromRight(text: string, limit: number): string[] {
  const words = [...text.matchAll(WORDS)];
  if (limit < 0 || words.length <= limit) return words.map(([word]) => word);
  const kept = words.slice(words.length - limit);
  const before = stripRight(limit === 0 ? text : text.slice(0, kept[0]?.index));
  return [...(before === '' ? [] : [before]), ...kept.map(([word]) => word)];
}

export function splitAt(text: string, separator: string, limit: number): string[] {
  const parts = text.split(separator);
  return limit < 0 || parts.length <= limit + 1 ? parts : [...parts.slice(0, limit), parts.slice(limit).join(separator)];
}

export function splitAtFromRight(text: string, separator: string, limit: number): string[] {
  const parts: string[] = [];
  let rest = text;
  while (limit < 0 || parts.length < limit) {
    const at = rest.length < separator.length ? -1 : rest.lastIndexOf(separator);
    if (at < 0) break;
    parts.unshift(rest.slice(at + separator.length));
    rest = rest.slice(0, at);
  }
  return [rest, ...parts];
}

/** `str.splitlines`: also at vertical tabs, form feeds, U+001C to U+001E, U+0085, U+2028 and U+2029. */
export function splitLines(text: string, keepEnds = false): string[] {
  const lines: string[] = [];
  let start = 0;
  for (const match of text.matchAll(/\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]/g)) {
    lines.push(text.slice(start, keepEnds ? match.index + match[0].length : match.index));
    start = match.index + match[0].length;
  }
  return start < text.length ? [...lines, text.slice(start)] : lines;
}

/** The order of `sorted` over strings: by code point, where JavaScript compares UTF-16 units. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  if (!hasPairs(a) && !hasPairs(b)) return a < b ? -1 : 1;
  const [left, right] = [characters(a), characters(b)];
  const at = left.findIndex((letter, i) => letter !== right[i]);
  if (at < 0) return -1;
  return (left[at]?.codePointAt(0) ?? 0) < (right[at]?.codePointAt(0) ?? -1) ? -1 : 1;
}

/** Letters whose title case is not their upper case; JavaScript has no title case. */
const OWN_TITLE_CASE = new RegExp(
  String.raw`[\u00df\u0149\u01c4-\u01cc\u01f0-\u01f3\u0390\u03b0\u0587` + // Latin, Greek, Armenian
    String.raw`\u10d0-\u10fa\u10fd-\u10ff` + // Georgian
    String.raw`\u1e96-\u1e9a\u1f50-\u1f56\u1f80-\u1fff\ufb00-\ufb17]`, // composed letters and ligatures
  'u',
);

export function titleCase(letter: string): string {
  if (letter === 'ß') return 'Ss';
  if (OWN_TITLE_CASE.test(letter)) throw new NotExact(`the title case of ${JSON.stringify(letter)} is not supported`);
  return letter.toUpperCase();
}

export function capitalize(text: string): string {
  const [first = '', ...rest] = characters(text);
  return titleCase(first) + lowerAfter(first, rest.join(''));
}

/** Lower case within a word: a final sigma depends on what stands before it. */
function lowerAfter(before: string, text: string): string {
  return (before + text).toLowerCase().slice(before.toLowerCase().length);
}

/** `str.title`: every letter after something that has no case starts a word. */
export function titled(text: string): string {
  if (/[Σ]/.test(text)) throw new NotExact('title() of a text with a capital sigma is not supported');
  let isInWord = false;
  let result = '';
  for (const letter of text) {
    result += isInWord ? letter.toLowerCase() : titleCase(letter);
    isInWord = /[\p{Lowercase}\p{Uppercase}\p{Lt}]/u.test(letter);
  }
  return result;
}
